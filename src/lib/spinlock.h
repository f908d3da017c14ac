// SPDX-License-Identifier: Apache-2.0
// A ticket lock. EL2 runs with interrupts masked and has no threads, so nothing else is needed.
// Lock order, outermost first: vm, scheduler, vgic, console; see docs/design.md.
#pragma once

#include "arch/cpu.h"

#include <stdint.h>

struct spinlock {
    uint16_t next, owner;
};

#define SPINLOCK_INIT \
    {                 \
        0, 0          \
    }

static inline void spin_lock(struct spinlock *l)
{
    uint16_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    uint16_t owner = __atomic_load_n(&l->owner, __ATOMIC_ACQUIRE);
    while (owner != ticket) {
        owner = cpu_wait_while(&l->owner, owner);
    }
}

static inline void spin_unlock(struct spinlock *l)
{
    __atomic_store_n(&l->owner, (uint16_t)(l->owner + 1), __ATOMIC_RELEASE);
}
