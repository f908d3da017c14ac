// SPDX-License-Identifier: Apache-2.0
// One run queue for the machine, under one lock, ordered by weighted run time: with the few dozen
// vCPUs that a machine runs this is simpler than a queue per CPU, and weights hold across CPUs.
#include "cpu/sched.h"

#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/spinlock.h"
#include "mem/stage2.h"

#include <stddef.h>

#define SLICE_US      6000
#define WORK_SLICE_US 1000 // a guest's turn between two steps of Newel's own work

static struct run_queue {
    struct spinlock lock;
    struct list ready; // smallest vruntime first
    struct list work;
    uint64_t slice, work_slice; // counter ticks
    uint64_t floor; // vruntime of the last vCPU that was chosen: where a waking one starts
} sched = {.ready = LIST_INIT(sched.ready), .work = LIST_INIT(sched.work)};

struct percpu percpus[MAX_CPUS];
unsigned cpu_count;

void sched_init(void)
{
    sched.slice = timer_ticks_from_us(SLICE_US);
    sched.work_slice = timer_ticks_from_us(WORK_SLICE_US);
}

bool sched_slice_expired(void)
{
    struct vcpu *v = this_cpu()->current;
    if (unlikely(v == NULL)) {
        return false;
    }
    vcpu_request(v, ATTN_RESCHED);
    return true;
}

static void slice_stop(const struct percpu *cpu)
{
    if (cpu_is_sliced(cpu)) {
        timer_set_slice(TIMER_NEVER);
    }
}

static bool may_run_on(const struct vcpu *v, unsigned cpu)
{
    return v->affinity >> cpu & 1;
}

static void enqueue(struct run_queue *q, struct vcpu *v, uint64_t now)
{
    struct list *pos = q->ready.next;
    while (pos != &q->ready && list_entry(pos, struct vcpu, queue)->vruntime <= v->vruntime) {
        pos = pos->next;
    }
    v->state = VCPU_READY;
    v->ready_since = now;
    list_insert_before(pos, &v->queue);
}

// Run time since the last account, divided by the VM's weight and shared by its active vCPUs: a VM
// gets its weight however many vCPUs it has. Returns until when.
static uint64_t account(struct vcpu *v)
{
    uint64_t now = timer_now(), since = v->run_since;
    uint64_t ran = now - since;
    if (unlikely((int64_t)ran < 0)) { // another CPU has just accounted
        return since;
    }
    uint64_t weight = v->share->weight, charge = ran * v->share->active + v->remainder;
    v->run_since = now;
    v->run_total += ran;
    v->vruntime += charge / weight;
    v->remainder = charge % weight;
    return now;
}

static void set_active(struct vcpu *v, bool active)
{
    v->share->active += active ? 1 : -1;
}

// The floor as of now: a vCPU that had a CPU to itself for long is as far ahead of one that wakes
// as its last slice, not as all that time.
static void raise_floor(void)
{
    uint64_t least = list_empty(&sched.ready)
                         ? UINT64_MAX
                         : list_entry(sched.ready.next, struct vcpu, queue)->vruntime;
    for (unsigned i = 0; i < cpu_count; i++) {
        struct vcpu *c = percpus[i].current;
        if (c != NULL) {
            account(c);
            least = MIN(least, c->vruntime);
        }
    }
    if (least != UINT64_MAX) {
        sched.floor = MAX(sched.floor, least);
    }
}

// An idle CPU for v, best the one it last ran on; -1 if there is none.
static int idle_cpu_for(const struct vcpu *v)
{
    int best = -1;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (may_run_on(v, i) && percpus[i].idle && (best < 0 || (int)i == v->last_cpu)) {
            best = (int)i;
        }
    }
    return best;
}

static void ask_to_choose(unsigned cpu)
{
    __atomic_or_fetch(&percpus[cpu].current->attention, ATTN_RESCHED, __ATOMIC_RELEASE);
    if (cpu != this_cpu()->id) {
        machine_kick(cpu);
    }
}

// Make sure that some CPU looks at the queue for v's sake: an idle one; else each that would never
// do so by itself, since nobody was ready when it chose; else the one whose vCPU has had the most.
static void find_cpu_for(struct vcpu *v)
{
    int most = idle_cpu_for(v);
    bool asked = false;
    if (most >= 0) {
        percpus[most].idle = false; // chosen: the next waking vCPU picks another one
        machine_kick((unsigned)most);
        return;
    }
    for (unsigned i = 0; i < cpu_count; i++) {
        struct vcpu *c = percpus[i].current;
        if (c == NULL || !may_run_on(v, i)) {
            continue;
        }
        if (!cpu_is_sliced(&percpus[i])) {
            ask_to_choose(i);
            asked = true;
        } else if (most < 0 || c->vruntime > percpus[most].current->vruntime) {
            most = (int)i;
        }
    }
    if (!asked && most >= 0 && percpus[most].current->vruntime > v->vruntime) {
        ask_to_choose((unsigned)most);
    }
}

static void make_ready(struct vcpu *v)
{
    raise_floor();
    // Sleeping earns no credit beyond half a slice.
    uint64_t credit = sched.slice / 2 / v->share->weight;
    uint64_t least = sched.floor > credit ? sched.floor - credit : 0;
    if (v->vruntime < least) {
        v->vruntime = least;
    }
    set_active(v, true);
    enqueue(&sched, v, timer_now());
    find_cpu_for(v);
}

bool sched_claim(struct vcpu *v)
{
    spin_lock(&sched.lock);
    bool claimed = v->state == VCPU_OFF;
    if (claimed) {
        v->state = VCPU_CLAIMED;
        v->share->on++;
    }
    spin_unlock(&sched.lock);
    return claimed;
}

void sched_start(struct vcpu *v)
{
    spin_lock(&sched.lock);
    CHECK(v->state == VCPU_CLAIMED);
    if (v->share->paused) { // it may have lost its notice when it turned itself off
        vcpu_request(v, ATTN_PAUSE);
    }
    make_ready(v);
    spin_unlock(&sched.lock);
}

void sched_block(struct vcpu *v)
{
    spin_lock(&sched.lock);
    v->state = VCPU_BLOCKED;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the one in vcpu_notify()
    if (vcpu_attention(v) & ~(uint32_t)ATTN_RESCHED) {
        v->state = VCPU_RUNNING;
    } else {
        account(v);
        set_active(v, false);
        count(&v->count, CNT_SCHED_BLOCK);
        this_cpu()->current = NULL; // from here on, another CPU may wake it and run it
    }
    spin_unlock(&sched.lock);
}

void sched_set_paused(struct sched_share *share)
{
    spin_lock(&sched.lock);
    share->paused = true;
    spin_unlock(&sched.lock);
}

static bool stands_still(const struct sched_share *share)
{
    return share->paused && share->resting > 0 && share->resting == share->on;
}

bool sched_stands_still(const struct sched_share *share)
{
    spin_lock(&sched.lock);
    bool still = stands_still(share);
    spin_unlock(&sched.lock);
    return still;
}

uint64_t sched_end_pause(struct sched_share *share)
{
    spin_lock(&sched.lock);
    bool stood = stands_still(share);
    uint64_t ticks = stood ? timer_now() - share->rested_at : 0;
    share->paused = false;
    spin_unlock(&sched.lock);
    return ticks;
}

static void end_rest(struct vcpu *v)
{
    v->share->resting -= v->state == VCPU_PAUSED;
    make_ready(v);
}

void sched_pause(struct vcpu *v)
{
    spin_lock(&sched.lock);
    v->state = VCPU_PAUSED;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the one in vcpu_notify()
    if (!v->share->paused || (vcpu_attention(v) & ATTN_STOP)) {
        v->state = VCPU_RUNNING;
    } else {
        account(v);
        set_active(v, false);
        v->share->resting++;
        v->share->rested_at = v->run_since;
        this_cpu()->current = NULL;
    }
    spin_unlock(&sched.lock);
}

void sched_resume(struct vcpu *v)
{
    spin_lock(&sched.lock);
    if (v->state == VCPU_PAUSED) {
        end_rest(v);
    }
    spin_unlock(&sched.lock);
}

bool sched_off(struct vcpu *v)
{
    spin_lock(&sched.lock);
    account(v);
    set_active(v, false);
    v->state = VCPU_OFF;
    v->share->rested_at = v->run_since;
    this_cpu()->current = NULL;
    bool last = --v->share->on == 0;
    spin_unlock(&sched.lock);
    return last;
}

void vcpu_notify(struct vcpu *v, uint32_t attention)
{
    __atomic_or_fetch(&v->attention, attention, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    enum vcpu_state state = __atomic_load_n(&v->state, __ATOMIC_RELAXED);
    if (state == VCPU_RUNNING) {
        int cpu = __atomic_load_n(&v->last_cpu, __ATOMIC_RELAXED);
        if (cpu >= 0 && cpu != (int)this_cpu()->id) {
            machine_kick((unsigned)cpu);
        }
    } else if (state == VCPU_BLOCKED || (state == VCPU_PAUSED && (attention & ATTN_STOP))) {
        spin_lock(&sched.lock);
        if (v->state == state) {
            end_rest(v);
        }
        spin_unlock(&sched.lock);
    }
}

// It counts as active, on and resting as it did before.
static void hold(struct vcpu *v)
{
    struct percpu *cpu = this_cpu();

    if (v->state == VCPU_READY) {
        list_remove(&v->queue);
    }
    v->state = VCPU_RUNNING;
    v->last_cpu = (int)cpu->id;
    v->run_since = timer_now();
    cpu->current = v;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the one in vcpu_notify()
}

int sched_borrow(struct vcpu *v, enum vcpu_state *was)
{
    spin_lock(&sched.lock);
    CHECK(this_cpu()->current == NULL);
    *was = v->state;
    bool still = *was == VCPU_READY || *was == VCPU_BLOCKED || *was == VCPU_PAUSED;
    if (still) {
        hold(v);
    }
    spin_unlock(&sched.lock);
    if (*was == VCPU_RUNNING) {
        vcpu_notify(v, ATTN_RESCHED);
    }
    return still ? 0 : *was == VCPU_OFF ? ERR_NOENT : ERR_BUSY;
}

// What a sleeper was told meanwhile found it awake.
static bool must_go_on(const struct vcpu *v)
{
    uint32_t attention = vcpu_attention(v);

    return v->state == VCPU_BLOCKED ? (attention & ~(uint32_t)ATTN_RESCHED) != 0
                                    : !v->share->paused || (attention & ATTN_STOP) != 0;
}

void sched_give_back(struct vcpu *v, enum vcpu_state was)
{
    spin_lock(&sched.lock);
    this_cpu()->current = NULL;
    v->state = was;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the one in vcpu_notify()
    if (was == VCPU_READY) {
        enqueue(&sched, v, v->ready_since);
        find_cpu_for(v);
    } else if (must_go_on(v)) {
        end_rest(v);
    }
    spin_unlock(&sched.lock);
}

static bool may_step_on(const struct work *w, unsigned cpu)
{
    return w->only_on == 0 || w->only_on == cpu + 1;
}

// The first item of which this CPU may make a step, or NULL.
static OUTLINE struct work *first_work_for(const struct run_queue *q, unsigned cpu)
{
    list_for_each (it, &q->work) {
        struct work *w = list_entry(it, struct work, link);
        if (may_step_on(w, cpu)) {
            return w;
        }
    }
    return NULL;
}

static bool has_work(const struct run_queue *q, unsigned cpu)
{
    return unlikely(!list_empty(&q->work)) && first_work_for(q, cpu) != NULL;
}

// An idle CPU; all busy, one of them makes a step at its next exit.
static void find_cpu_for_work(const struct work *w)
{
    int busy = -1;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (!may_step_on(w, i)) {
            continue;
        }
        if (percpus[i].idle) {
            percpus[i].idle = false;
            machine_kick(i);
            return;
        }
        busy = (int)i;
    }
    if (busy >= 0 && percpus[busy].current != NULL) {
        __atomic_or_fetch(&percpus[busy].current->attention, ATTN_RESCHED, __ATOMIC_RELEASE);
        machine_kick((unsigned)busy);
    }
}

void sched_work(struct work *work)
{
    spin_lock(&sched.lock);
    list_insert_before(&sched.work, &work->link);
    find_cpu_for_work(work);
    spin_unlock(&sched.lock);
}

// One step of the first work item for this CPU, if there is one, with the lock dropped around it.
static void work_step(const struct percpu *cpu)
{
    struct work *w = first_work_for(&sched, cpu->id);
    if (w == NULL) {
        return;
    }
    list_remove(&w->link);
    spin_unlock(&sched.lock);
    bool more = w->step(w);
    spin_lock(&sched.lock);
    if (more) {
        list_insert_before(&sched.work, &w->link);
    }
}

// The first in the queue that may run on the CPU, or NULL.
static struct vcpu *first_for(const struct run_queue *q, unsigned cpu)
{
    list_for_each (it, &q->ready) {
        struct vcpu *v = list_entry(it, struct vcpu, queue);
        if (likely(may_run_on(v, cpu))) {
            return v;
        }
    }
    return NULL;
}

static void take(struct run_queue *q, struct percpu *cpu, struct vcpu *v, uint64_t now)
{
    q->floor = MAX(q->floor, v->vruntime);
    v->state = VCPU_RUNNING;
    v->last_cpu = (int)cpu->id;
    v->run_since = now;
    count(&v->count, CNT_SCHED_IN);
    cpu->current = v;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the one in vcpu_notify()
    if (has_work(q, cpu->id)) {
        timer_set_slice(now + q->work_slice);
    } else if (likely(!list_empty(&q->ready))) {
        timer_set_slice(now + q->slice);
    } else {
        slice_stop(cpu);
    }
}

// Nothing to run: wait for an interrupt, unless there is work to go on with, and serve what came.
// With the lock held; returns with it held.
static void idle(struct percpu *cpu, bool wait)
{
    cpu->idle = wait;
    spin_unlock(&sched.lock);
    if (wait) {
        slice_stop(cpu);
        uint64_t since = timer_now();
        cpu_wfi();
        cpu->idle_ticks += timer_now() - since;
    }
    machine_interrupts();
    spin_lock(&sched.lock);
    cpu->idle = false;
}

// take() publishes a vCPU under the lock, and vcpu_load() looks at the generation after that.
void vmid_new_generation(uint64_t generation)
{
    for (unsigned i = 0; i < MAX_CPUS; i++) { // also those that come up later
        __atomic_store_n(&percpus[i].vmid_generation, generation, __ATOMIC_RELAXED);
    }
    spin_lock(&sched.lock);
    for (unsigned i = 0; i < cpu_count; i++) {
        if (percpus[i].current != NULL) {
            vmid_keep(&percpus[i].current->s2->vmid);
        }
        vmid_reserve((uint16_t)(percpus[i].vttbr >> 48));
    }
    spin_unlock(&sched.lock);
}

// Steps of work and waiting, until there is a vCPU for this CPU. With the lock held; returns with
// it held.
static OUTLINE struct vcpu *work_or_wait(struct percpu *cpu)
{
    cpu->current = NULL;
    work_step(cpu);
    for (;;) {
        struct vcpu *v = first_for(&sched, cpu->id);
        if (v != NULL) {
            list_remove(&v->queue);
            return v;
        }
        idle(cpu, !has_work(&sched, cpu->id)); // what it serves may have made a vCPU ready
        if (first_for(&sched, cpu->id) == NULL) {
            work_step(cpu);
        }
    }
}

// Who goes on after prev, which ran until now: the first in the queue unless prev, which stands
// behind its equals, is before it. NULL if that is not all there is to do.
static struct vcpu *choose(struct run_queue *q, const struct percpu *cpu, struct vcpu *prev,
                           uint64_t now)
{
    bool work = has_work(q, cpu->id);
    struct vcpu *v = first_for(q, cpu->id);
    if (likely(v != NULL && v->vruntime <= prev->vruntime && !work)) {
        list_remove(&v->queue);
        enqueue(q, prev, now);
        return v;
    }
    if (work) {
        enqueue(q, prev, now);
        return NULL;
    }
    prev->ready_since = now;
    return prev;
}

struct vcpu *sched_next(void)
{
    struct percpu *cpu = this_cpu();
    struct run_queue *q = IN_REGISTER(&sched);
    spin_lock(&q->lock);
    struct vcpu *prev = cpu->current, *v = NULL; // NULL if it does not run on
    uint64_t now = 0;
    if (likely(prev != NULL)) {
        now = account(prev);
        v = choose(q, cpu, prev, now);
    }
    if (unlikely(v == NULL)) {
        v = work_or_wait(cpu);
        now = timer_now();
    }
    take(q, cpu, v, now);
    spin_unlock(&q->lock);
    return v;
}
