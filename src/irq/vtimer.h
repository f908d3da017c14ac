// SPDX-License-Identifier: Apache-2.0
// A vCPU's EL1 timers. The virtual one is the machine's own while the vCPU runs; the physical one
// is emulated on EL2's timer list, its registers trapping (CNTHCTL_EL2.EL1PCEN = 0) while
// CNTPCT_EL0 may be read (EL1PCTEN = 1). A hardened vCPU (cpu/hardening.h) has the machine's own
// physical timer, too, which is emulated only while it does not run. Times are ticks of CNTPCT_EL0;
// the virtual counter is that minus the vCPU's offset.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vcpu;

size_t vtimer_size(void); // bytes of memory for v->vtimer, 16-byte aligned

// v->vtimer points to zeroed memory. Both timers off, the virtual counter is the physical one.
void vtimer_init(struct vcpu *v);
// The vCPU does not run. Both timers off, nothing armed when it returns; the offset stays, as it is
// the VM's.
void vtimer_reset(struct vcpu *v);
// CNTVOFF_EL2. One value for all vCPUs of a VM, before any of them runs.
void vtimer_set_offset(struct vcpu *v, uint64_t offset);

// It has stood still for so many ticks, as have all vCPUs of its VM, and its virtual counter with
// it.
void vtimer_stood_still(struct vcpu *v, uint64_t ticks);

// On the vCPU's own CPU, around its time there, in turns, without the scheduler's lock.
// vtimer_load() comes before vgic_load(), vtimer_save() after vgic_save().
void vtimer_load(struct vcpu *v);
void vtimer_save(struct vcpu *v);
// The vCPU, saved, is to sleep: have its virtual timer watched, so that its expiry makes the PPI
// pending and wakes it.
void vtimer_block(struct vcpu *v);
// It is back, on any CPU: nothing is watched any more. Without the scheduler's lock. vtimer_load()
// does this too.
void vtimer_unblock(struct vcpu *v);

// The machine's virtual timer PPI was acknowledged while the vCPU was loaded here: it stays active
// in the machine until the guest deactivates it.
void vtimer_interrupt(struct vcpu *v);

// The machine's physical timer PPI was acknowledged on the vCPU's CPU. True if it is the vCPU's
// own: then it stays active in the machine until its line has fallen.
bool vtimer_physical_interrupt(struct vcpu *v);
// Is the line still high, of which the vCPU has been told? If not, the PPI is let go. On the vCPU's
// own CPU, or while it is saved.
bool vtimer_physical_still_high(struct vcpu *v);

// The virtual timer's output: enabled, not masked, and expired. On the vCPU's own CPU, or while it
// is saved.
bool vtimer_line(const struct vcpu *v);

// CNTP_CTL_EL0, CNTP_CVAL_EL0 and CNTP_TVAL_EL0, told apart by op2 of their encoding (op0 3, op1 3,
// CRn 14, CRm 2).
enum vtimer_reg {
    VTIMER_CNTP_TVAL = 0,
    VTIMER_CNTP_CTL = 1,
    VTIMER_CNTP_CVAL = 2,
};

// A trapped access on the vCPU's own CPU. False for an op2 that is no register. For an access from
// EL0 the caller has checked CNTKCTL_EL1.EL0PTEN.
bool vtimer_sysreg_read(struct vcpu *v, unsigned op2, uint64_t *value);
bool vtimer_sysreg_write(struct vcpu *v, unsigned op2, uint64_t value);
