// SPDX-License-Identifier: Apache-2.0
// Generic timer of a payload.
#pragma once

#include <stdbool.h>

#include "lib/sysreg.h"

#define TIMER_VIRT_PPI 27
#define TIMER_PHYS_PPI 30

#define TIMER_ENABLE  1
#define TIMER_IMASK   2
#define TIMER_ISTATUS 4

static inline uint64_t timer_now(void)
{
    isb();
    return read_sysreg(cntvct_el0);
}

static inline uint64_t timer_us(uint64_t us)
{
    return read_sysreg(cntfrq_el0) * us / 1000000;
}

/*
 * Between two looks at the counter or a device. QEMU makes each look under the one lock that its
 * own timers need to go off: who looks all the time keeps them waiting, on a loaded host for a
 * fraction of a second.
 */
static inline void look_away(void)
{
    for (unsigned i = 0; i < 500; i++) {
        cpu_relax();
    }
}

static inline void delay_us(uint64_t us)
{
    uint64_t end = timer_now() + timer_us(us);

    while (timer_now() < end) {
        look_away();
    }
}

/* Waits for cond up to us microseconds; its last value. */
#define wait_for(cond, us)                                        \
    ({                                                            \
        uint64_t wait_end_ = timer_now() + timer_us(us);          \
        bool wait_ok_;                                            \
        while (!(wait_ok_ = (cond)) && timer_now() < wait_end_) { \
            look_away();                                          \
        }                                                         \
        wait_ok_;                                                 \
    })
