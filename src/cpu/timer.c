// SPDX-License-Identifier: Apache-2.0
#include "cpu/timer.h"

#include "arch/timer.h"
#include "cpu/percpu.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "lib/spinlock.h"

// One list per CPU, earliest first. Expired callbacks run with the lock dropped; `running` lets
// timer_cancel() wait.
static struct queue {
    struct spinlock lock;
    struct list list;
    struct timer *running;
    uint64_t first; // deadline of the first in the list, or earlier if another CPU took that away;
                    // its own CPU's
    uint64_t slice;
} queues[MAX_CPUS];

void timer_init_cpu(void)
{
    struct queue *q = &queues[this_cpu()->id];
    list_init(&q->list);
    q->first = q->slice = TIMER_NEVER;
    el2_timer_stop();
}

static void program(const struct queue *q)
{
    uint64_t deadline = MIN(q->first, q->slice);
    if (deadline == TIMER_NEVER) {
        el2_timer_stop();
    } else {
        el2_timer_set(deadline);
    }
}

void timer_set_slice(uint64_t deadline)
{
    struct queue *q = &queues[this_cpu()->id];
    q->slice = deadline;
    program(q);
}

// With the lock, on the queue's own CPU.
static void look_at_first(struct queue *q)
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
        spin_lock(&queues[cpu].lock);
        bool still = t->cpu == cpu;
        if (still) {
            list_remove(&t->link);
            __atomic_store_n(&t->cpu, -1, __ATOMIC_RELEASE);
        }
        spin_unlock(&queues[cpu].lock);
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
    spin_lock(&queues[cpu].lock);
    struct list *pos = queues[cpu].list.next;
    while (pos != &queues[cpu].list && list_entry(pos, struct timer, link)->deadline <= deadline) {
        pos = pos->next;
    }
    t->deadline = deadline;
    t->cpu = (int)cpu;
    list_insert_before(pos, &t->link);
    look_at_first(&queues[cpu]);
    spin_unlock(&queues[cpu].lock);
}

void timer_cancel(struct timer *t)
{
    unlink(t);
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        while (cpu != this_cpu()->id &&
               __atomic_load_n(&queues[cpu].running, __ATOMIC_ACQUIRE) == t) {
            cpu_relax();
        }
    }
}

static OUTLINE void run_list(struct queue *q)
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

void timer_interrupt(void)
{
    struct queue *q = &queues[this_cpu()->id];
    uint64_t now = timer_now();
    bool turn_over = q->slice <= now && sched_slice_expired();
    if (q->slice <= now && !turn_over) {
        q->slice = TIMER_NEVER;
    }
    if (q->first <= now) {
        run_list(q);
    } else if (!turn_over) { // else the scheduler sets it for the next one before any guest runs
        program(q);
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
