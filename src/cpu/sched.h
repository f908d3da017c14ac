// SPDX-License-Identifier: Apache-2.0
// Who is next on this CPU, and until when. One queue for the machine, ordered by weighted run time.
#pragma once

#include "cpu/vcpu.h"

#include <stdbool.h>

// Once, before any vCPU or work is known.
void sched_init(void);

// A piece of work of Newel's own that is longer than a handler may take: done in steps, between
// guests.
struct work {
    struct list link;
    // One step, at most about a millisecond; true while there is more to do.
    bool (*step)(struct work *work);
    unsigned only_on; // 1 + the CPU that makes all of its steps; 0: any makes any
};

// Any CPU. A work item is queued once at a time.
void sched_work(struct work *work);

// OFF -> CLAIMED, for one caller only (PSCI CPU_ON races): false if it was not OFF. The caller then
// calls vcpu_reset() and sched_start().
bool sched_claim(struct vcpu *v);

// Any CPU: from now on sched_pause() keeps the VM's vCPUs; each has to be told, by ATTN_PAUSE. One
// that starts meanwhile is kept as well.
void sched_set_paused(struct sched_share *share);
// It keeps none any more; those it has need sched_resume(). The counter ticks for which all of them
// have stood still, 0 if one has not been paused yet.
uint64_t sched_end_pause(struct sched_share *share);
// Have all that are on left their CPUs by now, and rest?
bool sched_stands_still(const struct sched_share *share);
// The vCPU goes on, its VM being paused no more.
void sched_resume(struct vcpu *v);

// For Newel to look at what a vCPU has loaded: none runs on this CPU, and until sched_give_back()
// this one does for the scheduler, wherever it was wanted else. In between it is loaded by
// vcpu_load() and saved by vcpu_save(), and enters no guest; keep it short. From a step of work
// only. ERR_BUSY while it runs or starts elsewhere: it has been asked to leave, so try again in a
// later step. ERR_NOENT if it is off.
int sched_borrow(struct vcpu *v, enum vcpu_state *was);
void sched_give_back(struct vcpu *v, enum vcpu_state was);

// The claimed vCPU becomes runnable.
void sched_start(struct vcpu *v);

// These are trap_leave()'s, when the vCPU that ran here is whole in memory; handlers ask by
// vcpu_request(). It goes to sleep until vcpu_notify(), unless there is an attention bit already.
void sched_block(struct vcpu *v);
// It waits while its VM is paused; if that is over, or the VM stops, it goes on.
void sched_pause(struct vcpu *v);
// It is turned off. True if it was the last of its VM to be on.
bool sched_off(struct vcpu *v);
// The next vCPU for this CPU. Does work and waits for interrupts while there is none.
struct vcpu *sched_next(void);

// By timer_interrupt(): whoever runs on this CPU has had its turn. True if sched_next() comes next,
// and with it another timer_set_slice(); false if nobody runs.
bool sched_slice_expired(void);
