// SPDX-License-Identifier: Apache-2.0
// Stolen time: how long a vCPU could have run and did not, in a record that its guest reads
// (DEN0057 3.2). Kept only for vCPUs whose guest asked for it.
#pragma once

#include "cpu/vcpu.h"

#include <stddef.h>

// One a vCPU. The guest has it read-only.
struct stolen_time {
    uint32_t revision;    // 0
    uint32_t attributes;  // 0
    uint64_t nanoseconds; // since it was asked for
    uint8_t reserved[48];
};
_Static_assert(sizeof(struct stolen_time) == 64, "DEN0057 3.2.1");

void stolen_add(struct vcpu *v, uint64_t ticks);

// When sched_next() has given v to this CPU, and before v's guest runs: what it waited for in the
// run queue is added, if its guest asked for that.
static inline void stolen_update(struct vcpu *v)
{
    if (v->stolen != NULL) {
        stolen_add(v, v->run_since - v->ready_since);
    }
}
