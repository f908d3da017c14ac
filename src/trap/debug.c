// SPDX-License-Identifier: Apache-2.0
#include "arch/sysreg.h"
#include "trap/inject.h"
#include "trap/trap.h"

// A debug exception that came to EL2 (MDCR_EL2.TDE) and is the guest's own. The classes of
// breakpoint, single step and watchpoint come in pairs, from a lower EL and from the same.
enum trap_result trap_debug(struct vcpu *v, uint64_t esr)
{
    uint64_t ec = ESR_EC(esr);
    bool pair = ec == EC_BREAKPT_LOWER || ec == EC_SSTEP_LOWER || ec == EC_WATCHPT_LOWER;
    bool watchpoint = ec == EC_WATCHPT_LOWER;
    if (pair && !from_el0(v)) {
        ec++;
    }
    inject_sync(v, bits_set(esr, 31, 26, ec), gva(watchpoint ? read_sysreg(far_el2) : 0));
    return TRAP_FAULT;
}

// PSTATE.IL was set: EL1's business like any exception of its own making.
enum trap_result trap_illegal(struct vcpu *v, uint64_t esr)
{
    inject_sync(v, esr, gva(0));
    return TRAP_FAULT;
}
