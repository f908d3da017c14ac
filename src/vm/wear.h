// SPDX-License-Identifier: Apache-2.0
// How much a VM may write to the machine's flash, whose cells last for some 100,000 erasures: more
// at once than any guest wants, and then so much a second that 64 MiB outlast a guest that never
// stops by decades.
#pragma once

#include "cpu/timer.h"
#include "lib/bits.h"

#include <stdbool.h>

#define WEAR_BURST      (UINT64_C(4) << 20) // bytes
#define WEAR_PER_SECOND UINT64_C(4096)      // bytes, a power of two
#define WEAR_RECORD     128u                // bytes that a value takes beside itself, about

// Zeroed: nothing has been written. The caller's lock.
struct wear {
    uint64_t even_at; // by the counter: when what was written is as much as was allowed to be
};

// The next write may be done. It may be beyond the burst, to be waited for by the one after it.
static inline bool wear_allows(const struct wear *w)
{
    uint64_t now = timer_now();
    uint64_t burst = WEAR_BURST / WEAR_PER_SECOND * timer_frequency();
    return w->even_at <= now || w->even_at - now < burst;
}

// It is done. bytes: less than 2^32.
static inline void wear_add(struct wear *w, uint64_t bytes)
{
    uint64_t ticks = (bytes + WEAR_RECORD) * timer_frequency() / WEAR_PER_SECOND;
    w->even_at = MAX(w->even_at, timer_now()) + ticks;
}
