// SPDX-License-Identifier: Apache-2.0
// The generic timer as EL2 uses it (Arm ARM D11).
#pragma once

#include "arch/cpu.h"
#include "arch/sysreg.h"

static inline uint64_t counter_read(void)
{
    isb(); // or the counter may be read early
    return read_sysreg(cntpct_el0);
}

// Hz, as the firmware left it; 0 is a broken firmware, which counter_check() at start-up refuses.
static inline uint64_t counter_frequency(void)
{
    return read_sysreg(cntfrq_el0);
}

// EL2's timer is always on; UINT64_MAX is never. In force from the next ERET, ISB or cpu_wfi().
static inline void el2_timer_set(uint64_t deadline)
{
    write_sysreg(cnthp_cval_el2, deadline);
}

// Once on each CPU.
static inline void el2_timer_init(void)
{
    el2_timer_set(UINT64_MAX);
    isb();
    write_sysreg(cnthp_ctl_el2, CNT_CTL_ENABLE);
}
