// SPDX-License-Identifier: Apache-2.0
#include "cpu/timer.h"

#include "arch/timer.h"
#include "cpu/percpu.h"
#include "lib/spinlock.h"

// One list per CPU, earliest first. Expired callbacks run with the lock dropped; `running` lets
// timer_cancel() wait.
static struct {
    struct spinlock lock;
    struct list list;
    struct timer *running;
} queues[MAX_CPUS];

void timer_init_cpu(void)
{
    list_init(&queues[this_cpu()->id].list);
    el2_timer_stop();
}

static void program(unsigned cpu)
{
    if (list_empty(&queues[cpu].list)) {
        el2_timer_stop();
    } else {
        el2_timer_set(list_entry(queues[cpu].list.next, struct timer, link)->deadline);
    }
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
    program(cpu);
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

void timer_interrupt(void)
{
    unsigned cpu = this_cpu()->id;
    spin_lock(&queues[cpu].lock);
    while (!list_empty(&queues[cpu].list)) {
        struct timer *t = list_entry(queues[cpu].list.next, struct timer, link);
        if (t->deadline > timer_now()) {
            break;
        }
        list_remove(&t->link);
        queues[cpu].running = t;
        __atomic_store_n(&t->cpu, -1, __ATOMIC_RELEASE);
        spin_unlock(&queues[cpu].lock);
        t->expired(t);
        spin_lock(&queues[cpu].lock);
        __atomic_store_n(&queues[cpu].running, NULL, __ATOMIC_RELEASE);
    }
    program(cpu);
    spin_unlock(&queues[cpu].lock);
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
