// SPDX-License-Identifier: Apache-2.0
#include "cpu/stolen.h"

#include "cpu/timer.h"

// The sum is kept in ticks, so that roundings do not add up.
void stolen_add(struct vcpu *v, uint64_t ticks)
{
    v->stolen_ticks += ticks;
    __atomic_store_n(&v->stolen->nanoseconds, timer_ns_from_ticks(v->stolen_ticks),
                     __ATOMIC_RELAXED); // whole, as DEN0057 demands
}
