// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for src/arch/gic.h: the GIC's registers at EL2 of a make-believe CPU, and,
// for tests, what its virtual CPU interface does with them when a guest acknowledges and ends
// interrupts (IHI 0069, 4.8 and 12.1).
#pragma once

#include "arch/gic_bits.h"
#include "arch/mmio.h"

#include <stdbool.h>
#include <stdint.h>

struct fake_gic_cpu {
    uint64_t lr[16];
    uint64_t hcr, vmcr, vtr;
    uint64_t ap0r[4], ap1r[4];
    uint32_t ppi_active; // PPIs that are active in the machine
    unsigned lr_reads, lr_writes;
    bool v2; // GICv2: one register of active priorities, GICC_DIR traps, no system registers
};

// The CPU that a thread of the test plays. ICH_VTR_EL2 of a CPU with n list registers is
// fake_gic_vtr(n).
extern _Thread_local struct fake_gic_cpu *fake_gic;

uint64_t fake_gic_vtr(unsigned list_registers);

// ---- what a guest does ----

#define FAKE_SPURIOUS 1023u

// ICC_HPPIR without the group check, ICC_IAR<group>_EL1 (with GICv2 GICC_IAR and GICC_AIAR, but for
// fake_gic_sender(), of the last one), ICC_EOIR<group>_EL1.
unsigned fake_gic_sender(void);
uint32_t fake_gic_highest(void);
bool fake_gic_signals(void);
uint32_t fake_gic_ack(bool group1);
void fake_gic_eoi(uint32_t intid, bool group1);
// ICC_DIR_EL1: false if it traps.
bool fake_gic_dir(uint32_t intid);
// ICH_MISR_EL2 != 0 with the enables: the maintenance interrupt is asserted.
bool fake_gic_maintenance(void);

// ---- what EL2 does ----

uint64_t ich_read_lr(unsigned n);
void ich_write_lr(unsigned n, uint64_t value);
uint64_t ich_read_elrsr(void);
uint64_t ich_read_ap0r(unsigned n);
uint64_t ich_read_ap1r(unsigned n);
void ich_write_ap0r(unsigned n, uint64_t value);
void ich_write_ap1r(unsigned n, uint64_t value);

static inline uint64_t ich_read_vtr(void)
{
    return fake_gic->vtr;
}

static inline uint64_t ich_read_hcr(void)
{
    return fake_gic->hcr;
}

static inline void ich_write_hcr(uint64_t value)
{
    fake_gic->hcr = value;
}

static inline uint64_t ich_read_vmcr(void)
{
    return fake_gic->vmcr;
}

static inline void ich_write_vmcr(uint64_t value)
{
    fake_gic->vmcr = value;
}

// The physical CPU interface has nothing to say.
static inline uint64_t icc_read_iar1(void)
{
    return FAKE_SPURIOUS;
}

static inline void icc_write_eoir1(uint64_t intid)
{
    (void)intid;
}

static inline void icc_write_dir(uint64_t intid)
{
    (void)intid;
}

static inline void icc_write_sgi1r(uint64_t value)
{
    (void)value;
}

static inline int icc_present(void)
{
    return 1;
}

static inline int icc_enable_el2(void)
{
    return 1;
}
