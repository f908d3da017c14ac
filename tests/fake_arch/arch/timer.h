// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for src/arch/timer.h: a counter that tests turn by hand, and what EL2's timer
// was last set to.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fake_timer {
    uint64_t now;
    uint64_t deadline;
    bool armed;
};

extern struct fake_timer fake_timer;

static inline uint64_t counter_read(void)
{
    return fake_timer.now;
}

static inline uint64_t counter_frequency(void)
{
    return 1000000; // a tick is a microsecond
}

static inline void el2_timer_set(uint64_t deadline)
{
    fake_timer.deadline = deadline;
    fake_timer.armed = deadline != UINT64_MAX;
}

static inline void el2_timer_init(void)
{
    el2_timer_set(UINT64_MAX);
}
