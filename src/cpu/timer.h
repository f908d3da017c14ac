// SPDX-License-Identifier: Apache-2.0
// Deadlines at EL2: one sorted list per CPU on the EL2 physical timer (CNTHP).
#pragma once

#include "lib/list.h"
#include "lib/spinlock.h"

#include <stdbool.h>
#include <stdint.h>

struct timer {
    struct list link;
    uint64_t deadline;                    // CNTPCT_EL0
    void (*expired)(struct timer *timer); // on the CPU where it was armed, interrupts masked
    int cpu;                              // where it is armed, -1 if it is not
};

// A CPU's timers, earliest first. Expired callbacks run with the lock dropped; `running` lets
// timer_cancel() wait.
struct timer_queue {
    struct spinlock lock;
    struct list list;
    struct timer *running;
    uint64_t first; // deadline of the first in the list, or earlier if another CPU took that away;
                    // its own CPU's
    uint64_t slice; // timer_set_slice()'s
};

void timer_init_cpu(void);

// Before anything else is done with it.
static inline void timer_init(struct timer *t, void (*expired)(struct timer *timer))
{
    list_init(&t->link);
    t->cpu = -1;
    t->expired = expired;
}

void timer_arm(struct timer *t, uint64_t deadline);
void timer_cancel(struct timer *t); // any CPU; when it returns, expired() is not running and won't
void timer_interrupt(void);

// The end of the running vCPU's slice: one deadline a CPU beside the list, for its own CPU alone
// and so without a lock. TIMER_NEVER takes it back. sched_slice_expired() is called when it comes.
#define TIMER_NEVER UINT64_MAX
void timer_set_slice(uint64_t deadline);
// The same, but no timer of the CPU's ends it before a time: until timer_set_slice(), and until one
// is armed here.
void timer_set_turn(uint64_t earliest, uint64_t latest);

uint64_t timer_now(void);       // CNTPCT_EL0
uint64_t timer_frequency(void); // Hz, never 0
uint64_t timer_ticks_from_us(uint64_t us);
uint64_t timer_ns_from_ticks(uint64_t ticks); // rounded down; right for 500 years
