// SPDX-License-Identifier: Apache-2.0
// The VMs' GIC, of the machine's kind: GICv3 (IHI 0069, chapter 6) or GICv2 (IHI 0048, chapter 5).
// Distributor and redistributors are emulated, the CPU interface is the hardware's, through list
// registers. Lock order: the VM's vgic lock is inside the scheduler's
// callers, and vcpu_notify() is called after it is dropped.
#pragma once

#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vcpu;
struct vgic;     // a VM's distributor
struct vgic_cpu; // a vCPU's redistributor and CPU interface state

#define VGIC_SPIS       256 // INTIDs 32..287, as many as QEMU's virt has
#define VGIC_MAX_INTID  (32 + VGIC_SPIS)
#define VGIC_DIST_BASE  0x08000000u
#define VGIC_DIST_SIZE  0x10000u
#define VGIC_RDIST_BASE 0x080A0000u
#define VGIC_RDIST_SIZE 0x20000u // for each vCPU
// GICv2: on the first page of VGIC_CPU_BASE the guest has the machine's GICV; the second, with
// GICC_DIR, traps.
#define VGIC_CPU_BASE     0x08010000u
#define VGIC_CPU_SIZE     0x10000u // as virt's device tree has it
#define VGIC_V2_MAX_VCPUS 8
#define VGIC_PPI_VTIMER   27
#define VGIC_PPI_PTIMER   30
#define VGIC_PPI_PMU      23

size_t
vgic_size(unsigned vcpus); // bytes of memory for vgic_create(): struct vgic and one vgic_cpu a vCPU
// mem is zeroed, 16-byte aligned, vgic_size() bytes. vcpus[i]->mpidr is final. Sets vcpus[i]->vgic.
// After gic_init().
struct vgic *vgic_create(void *mem, struct vcpu *const *vcpus, unsigned count);
void vgic_reset(struct vgic *g); // all vCPUs off
// The vCPU, which does not run, is about to be turned on (PSCI): its CPU interface is as after a
// reset. What its redistributor holds stays.
void vgic_reset_interface(struct vgic_cpu *c);

// Interrupt lines. Any CPU. They notify the target vCPU where something to be signalled has
// changed.
void vgic_set_spi(struct vgic *g, uint32_t intid, bool level);     // 32..VGIC_MAX_INTID-1
void vgic_set_ppi(struct vgic_cpu *c, uint32_t intid, bool level); // 16..31
// The virtual timer's PPI came in at EL2 and is active in the machine: hand it on with HW=1, so
// that the guest's own deactivation deactivates the physical one. On the vCPU's CPU.
void vgic_forward_vtimer(struct vgic_cpu *c);
// Is the PPI pending, active or in a list register? Then a new rise of its line signals nothing. On
// the vCPU's own CPU.
bool vgic_ppi_in_flight(struct vgic_cpu *c, uint32_t intid);
// The guest wrote ICC_SGI1R_EL1 (group1) or ICC_SGI0R_EL1 / ICC_ASGI1R_EL1 (!group1: with one
// security state ICC_ASGI1R_EL1 reaches group 0 interrupts only). On the vCPU's own CPU.
void vgic_send_sgi(struct vgic_cpu *from, uint64_t sgi1r, bool group1);

// On the vCPU's own CPU, around its time there: after vgic_save() the state is whole in memory, and
// what others do to it needs no CPU's help, so it is called also when a vCPU only goes to sleep.
// vgic_load() comes after vtimer_load(), vgic_save() before vtimer_save(). load/save move list
// registers, ICH_VMCR, active priorities and the physical active state of the timer PPI; flush puts
// what is pending into list registers (ATTN_VIRQ); maintenance serves the maintenance interrupt.
void vgic_load(struct vgic_cpu *c);
void vgic_save(struct vgic_cpu *c);
void vgic_flush(struct vgic_cpu *c);
void vgic_maintenance(struct vgic_cpu *c);
// The guest wrote ICC_DIR_EL1 (op0 3, op1 0, CRn 12, CRm 11, op2 1): it may deactivate what is in
// none of its list registers.
void vgic_deactivate(struct vgic_cpu *c, uint64_t intid);
// Would an interrupt be signalled to the vCPU now (ends a WFI)? On its own CPU, loaded or saved. To
// be asked before ATTN_BLOCK: vcpu_notify() tells of changes only.
bool vgic_signals(struct vgic_cpu *c);

// Guest MMIO, on the vCPU's own CPU with the vCPU loaded; waits, with no lock held, until other
// vCPUs' list registers that the access needs have been emptied by their CPUs. size 1, 2, 4 or 8
// bytes, offset within the frame and aligned to size (the caller checked). Reserved: RAZ/WI.
uint64_t vgic_dist_read(struct vgic_cpu *c, uint64_t offset, unsigned size);
void vgic_dist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value);
// offset from VGIC_RDIST_BASE: holds the index of the vCPU that is meant; false if there is no such
// vCPU.
bool vgic_rdist_read(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t *value);
bool vgic_rdist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value);
// The same of GICv2: its distributor, and what of the CPU interface traps (offset within that page;
// it is to be written only).
uint64_t vgic_v2_dist_read(struct vgic_cpu *c, uint64_t offset, unsigned size);
void vgic_v2_dist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value);
void vgic_v2_interface_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value);
