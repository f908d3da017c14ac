// SPDX-License-Identifier: Apache-2.0
#include "cpu/timer.h"

#include "arch/timer.h"
#include "cpu/percpu.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "lib/spinlock.h"

void timer_init_cpu(void)
{
    struct timer_queue *q = &this_cpu()->timers;
    list_init(&q->list);
    q->first = q->slice = TIMER_NEVER;
    el2_timer_init();
}

static void program(const struct timer_queue *q)
{
    el2_timer_set(MIN(q->first, q->slice));
}

void timer_set_slice(uint64_t deadline)
{
    struct timer_queue *q = &this_cpu()->timers;
    q->slice = deadline;
    program(q);
}

void timer_set_turn(uint64_t earliest, uint64_t latest)
{
    struct timer_queue *q = &this_cpu()->timers;
    q->slice = latest;
    el2_timer_set(MAX(MIN(q->first, latest), earliest));
}

// With the lock, on the queue's own CPU.
static void look_at_first(struct timer_queue *q)
{
    q->first =
        list_empty(&q->list) ? TIMER_NEVER : list_entry(q->list.next, struct timer, link)->deadline;
    program(q);
}

// Off the list that it is on, whichever CPU's. The hardware timer of another CPU may then fire for
// nothing.
static void unlink(struct timer *t)
{
    int cpu = __atomic_load_n(&t->cpu, __ATOMIC_ACQUIRE);
    while (cpu >= 0) {
        spin_lock(&percpus[cpu].timers.lock);
        bool still = t->cpu == cpu;
        if (still) {
            list_remove(&t->link);
            __atomic_store_n(&t->cpu, -1, __ATOMIC_RELEASE);
        }
        spin_unlock(&percpus[cpu].timers.lock);
        if (still) {
            break;
        }
        cpu = __atomic_load_n(&t->cpu, __ATOMIC_ACQUIRE);
    }
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    unsigned cpu = this_cpu()->id;
    unlink(t);
    spin_lock(&percpus[cpu].timers.lock);
    struct list *pos = percpus[cpu].timers.list.next;
    while (pos != &percpus[cpu].timers.list &&
           list_entry(pos, struct timer, link)->deadline <= deadline) {
        pos = pos->next;
    }
    t->deadline = deadline;
    t->cpu = (int)cpu;
    list_insert_before(pos, &t->link);
    look_at_first(&percpus[cpu].timers);
    spin_unlock(&percpus[cpu].timers.lock);
}

void timer_cancel(struct timer *t)
{
    unlink(t);
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        while (cpu != this_cpu()->id &&
               __atomic_load_n(&percpus[cpu].timers.running, __ATOMIC_ACQUIRE) == t) {
            cpu_relax();
        }
    }
}

static OUTLINE void run_list(struct timer_queue *q)
{
    spin_lock(&q->lock);
    while (!list_empty(&q->list)) {
        struct timer *t = list_entry(q->list.next, struct timer, link);
        if (t->deadline > timer_now()) {
            break;
        }
        list_remove(&t->link);
        q->running = t;
        __atomic_store_n(&t->cpu, -1, __ATOMIC_RELEASE);
        spin_unlock(&q->lock);
        t->expired(t);
        spin_lock(&q->lock);
        __atomic_store_n(&q->running, NULL, __ATOMIC_RELEASE);
    }
    look_at_first(q);
    spin_unlock(&q->lock);
}

static OUTLINE void not_just_a_turns_end(struct timer_queue *q, uint64_t now)
{
    if (q->slice <= now && this_cpu()->current == NULL) {
        q->slice = TIMER_NEVER;
    }
    if (q->first <= now) {
        run_list(q);
    } else {
        program(q);
    }
}

void timer_interrupt(void)
{
    struct timer_queue *q = &this_cpu()->timers;
    uint64_t now = timer_now();
    bool turn_over = likely(q->slice <= now) && sched_slice_expired();
    // A turn's end: the scheduler sets the timer for the next one before any guest runs.
    if (unlikely(!turn_over || q->first <= now)) {
        not_just_a_turns_end(q, now);
    }
}

uint64_t timer_now(void)
{
    return counter_read();
}

uint64_t timer_frequency(void)
{
    return counter_frequency();
}

uint64_t timer_ticks_from_us(uint64_t us)
{
    // Microseconds up to 2^40 and frequencies up to 2^30 stay within 64 bits when seconds are split
    // off.
    return us / 1000000 * timer_frequency() + us % 1000000 * timer_frequency() / 1000000;
}

uint64_t timer_ns_from_ticks(uint64_t ticks)
{
    // Frequencies have 32 bits, so what is below a second stays within 64.
    uint64_t frequency = timer_frequency();
    return ticks / frequency * 1000000000 + ticks % frequency * 1000000000 / frequency;
}
