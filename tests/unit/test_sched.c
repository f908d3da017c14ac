// SPDX-License-Identifier: Apache-2.0
// The scheduler on a machine of make-believe CPUs, each played in turn, with a clock turned by
// hand.
#include "arch/timer.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/sched.h"
#include "cpu/stolen.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned playing, kicks[MAX_CPUS], waits;
static struct vcpu *wake_at_wait;

struct percpu *cpu_local(void)
{
    return &percpus[playing];
}

void machine_kick(unsigned cpu)
{
    kicks[cpu]++;
}

void machine_interrupts(void)
{
    if (fake_timer.armed && fake_timer.now >= fake_timer.deadline) {
        timer_interrupt();
    }
}

void cpu_wfi(void)
{
    waits++;
    assert_non_null(wake_at_wait); // or the test would hang
    struct vcpu *v = wake_at_wait;
    wake_at_wait = NULL;
    vcpu_notify(v, ATTN_VIRQ);
}

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

static void machine(unsigned cpus)
{
    memset(percpus, 0, sizeof(percpus));
    memset(kicks, 0, sizeof(kicks));
    cpu_count = cpus;
    waits = 0;
    for (unsigned i = 0; i < cpus; i++) {
        percpus[i].id = playing = i;
        timer_init_cpu();
    }
    playing = 0;
    sched_init();
}

static struct vcpu *make(struct sched_share *share, uint32_t affinity)
{
    struct vcpu *v = calloc(1, sizeof(*v));
    v->share = share;
    v->affinity = affinity;
    v->last_cpu = -1;
    list_init(&v->queue);
    assert_true(sched_claim(v));
    sched_start(v);
    return v;
}

static struct vcpu *leave(struct vcpu *v)
{
    v->attention = 0;
    return sched_next();
}

static void finish(struct vcpu *v)
{
    if (v->state == VCPU_READY) {
        percpus[playing].current = NULL;
        assert_ptr_equal(sched_next(), v);
    }
    sched_off(v);
    percpus[playing].current = NULL;
    free(v);
}

static void claim_once(void **state)
{
    (void)state;
    machine(1);
    struct sched_share share = {.weight = 100};
    struct vcpu *v = make(&share, ~0u);
    assert_false(sched_claim(v)); // READY
    assert_int_equal(share.on, 1);
    assert_ptr_equal(sched_next(), v);
    assert_false(sched_claim(v)); // RUNNING
    finish(v);
    assert_int_equal(share.on, 0);
}

static void wakes_from_block(void **state)
{
    (void)state;
    machine(1);
    struct sched_share share = {.weight = 100};
    struct vcpu *v = make(&share, ~0u);
    assert_ptr_equal(sched_next(), v);
    sched_block(v);
    assert_int_equal(v->state, VCPU_BLOCKED);
    wake_at_wait = v; // the idle CPU waits, an interrupt makes v ready
    assert_ptr_equal(sched_next(), v);
    assert_int_equal(waits, 1);
    finish(v);
}

static void does_not_block_past_a_request(void **state)
{
    (void)state;
    machine(1);
    struct sched_share share = {.weight = 100};
    struct vcpu *v = make(&share, ~0u);
    assert_ptr_equal(sched_next(), v);
    vcpu_notify(v, ATTN_VIRQ); // came in after the guest's WFI trapped
    sched_block(v);
    assert_int_equal(v->state, VCPU_RUNNING);
    assert_ptr_equal(sched_next(), v);
    assert_int_equal(waits, 0);
    finish(v);
}

// Between its blocking and this CPU's choice of the next one, another CPU wakes it and runs it.
static void blocked_here_runs_elsewhere(void **state)
{
    (void)state;
    machine(2);
    struct sched_share share = {.weight = 100};
    struct vcpu *v = make(&share, ~0u);
    assert_ptr_equal(sched_next(), v);
    sched_block(v);
    playing = 1;
    vcpu_notify(v, ATTN_VIRQ);
    assert_ptr_equal(sched_next(), v);
    playing = 0;
    struct vcpu *w = make(&share, BIT(0));
    assert_ptr_equal(sched_next(), w);
    assert_int_equal(v->state, VCPU_RUNNING);
    assert_int_equal(share.active, 2);
    playing = 1;
    assert_ptr_equal(leave(v), v);
    finish(v);
    playing = 0;
    finish(w);
}

// Run `turns` slices on each CPU; returns how the ticks were shared.
// Does what trap_leave() does about the order.
static void rest(struct vcpu *v)
{
    assert_true((v->attention & ATTN_PAUSE) != 0);
    v->attention &= ~(uint32_t)ATTN_PAUSE;
    sched_pause(v);
}

// CPU_ON at the moment of a pause, by a vCPU that has not left its CPU yet: whether the one that it
// starts was told before, and lost that when it turned itself off, or is started first and told
// then, it does not run.
static void starting_a_vcpu_in_a_pause(void **state)
{
    (void)state;
    for (int order = 0; order < 3; order++) {
        machine(1);
        struct sched_share share = {.weight = 100};
        struct vcpu *one = make(&share, ~0u), *two = make(&share, ~0u);
        assert_ptr_equal(sched_next(), one);
        assert_ptr_equal(leave(one), two);
        if (order == 0) { // it is told, and on its way out
            sched_set_paused(&share);
            vcpu_notify(one, ATTN_PAUSE);
            vcpu_notify(two, ATTN_PAUSE);
        }
        two->attention = 0;
        sched_off(two);
        assert_ptr_equal(sched_next(), one);
        assert_true(sched_claim(two));
        if (order == 1) {
            sched_set_paused(&share);
            vcpu_notify(two, ATTN_PAUSE);
            two->attention = 0; // to be sure
        }
        sched_start(two);
        if (order == 2) {
            sched_set_paused(&share);
            vcpu_notify(two, ATTN_PAUSE);
        }
        one->attention = ATTN_PAUSE;
        rest(one);
        assert_int_equal(one->state, VCPU_PAUSED);
        assert_ptr_equal(sched_next(), two);
        rest(two);
        assert_int_equal(two->state, VCPU_PAUSED);
        assert_int_equal(share.resting, 2);
        sched_end_pause(&share);
        sched_resume(one);
        sched_resume(two);
        assert_int_equal(share.resting, 0);
        finish(one);
        finish(two);
    }
}

// From the moment when the last one has left its CPU to the order to go on; and not at all if one
// never left.
static void counts_how_long_a_vm_stood_still(void **state)
{
    (void)state;
    machine(1);
    struct sched_share share = {.weight = 100};
    struct vcpu *one = make(&share, ~0u), *two = make(&share, ~0u), *off = make(&share, ~0u);
    assert_ptr_equal(sched_next(), one);
    assert_ptr_equal(leave(one), two);
    assert_ptr_equal(leave(two), off);
    sched_off(off); // does not count
    assert_ptr_equal(sched_next(), one);
    sched_block(one); // asleep, and woken to be told
    sched_set_paused(&share);
    vcpu_notify(one, ATTN_PAUSE);
    vcpu_notify(two, ATTN_PAUSE);
    fake_timer.now += 10;
    assert_ptr_equal(sched_next(), two);
    rest(two);
    fake_timer.now += 10;
    assert_int_equal(sched_end_pause(&share), 0); // but the first one is on its way
    sched_resume(two);
    sched_set_paused(&share);
    vcpu_notify(two, ATTN_PAUSE);
    struct vcpu *next = sched_next();
    rest(next);
    fake_timer.now += 5;
    next = sched_next();
    rest(next);
    fake_timer.now += 1000;
    assert_int_equal(sched_end_pause(&share), 1000);
    assert_int_equal(sched_end_pause(&share), 0);
    sched_resume(one);
    sched_resume(two);
    vcpu_notify(one, ATTN_STOP);
    assert_int_equal(share.resting, 0);
    // A stop ends a rest.
    sched_set_paused(&share);
    one->attention = two->attention = ATTN_PAUSE;
    next = sched_next();
    rest(next);
    assert_int_equal(share.resting, 1);
    vcpu_notify(next, ATTN_STOP);
    assert_int_equal(share.resting, 0);
    assert_int_equal(next->state, VCPU_READY);
    finish(sched_next());
    finish(sched_next());
    free(off);
}

static void share_time(unsigned cpus, unsigned turns)
{
    struct vcpu *on[MAX_CPUS];
    for (unsigned c = 0; c < cpus; c++) {
        playing = c;
        on[c] = sched_next();
    }
    for (unsigned t = 0; t < turns; t++) {
        fake_timer.now += 6000 / cpus;
        playing = t % cpus;
        on[playing] = leave(on[playing]);
    }
    for (unsigned c = 0; c < cpus; c++) {
        playing = c;
        sched_off(on[c]);
        percpus[c].current = NULL;
    }
}

static void within_percent(double got, double want, double percent)
{
    assert_true(got > want * (1 - percent / 100) && got < want * (1 + percent / 100));
}

static void honours_weights(void **state)
{
    (void)state;
    machine(1);
    struct sched_share light = {.weight = 100}, heavy = {.weight = 300};
    struct vcpu *a = make(&light, ~0u), *b = make(&heavy, ~0u);
    share_time(1, 1000);
    within_percent((double)b->run_total / (double)a->run_total, 3.0, 2);
    playing = 0;
    finish(a->state == VCPU_READY ? a : b);
    free(a->state == VCPU_OFF ? a : b);
}

static void shares_by_vm_not_by_vcpu(void **state)
{
    (void)state;
    machine(2);
    struct sched_share one = {.weight = 100}, four = {.weight = 100};
    struct vcpu *v[6];
    for (unsigned i = 0; i < 6; i++) {
        v[i] = make(i < 2 ? &one : &four, ~0u);
    }
    share_time(2, 4000);
    uint64_t a = v[0]->run_total + v[1]->run_total, b = 0;
    for (unsigned i = 2; i < 6; i++) {
        b += v[i]->run_total;
        assert_true(v[i]->run_total > 0);
    }
    within_percent((double)a / (double)b, 1.0, 3);
    playing = 0;
    for (struct vcpu *n = NULL; one.on + four.on > 0;) {
        n = sched_next();
        sched_off(n);
    }
    for (unsigned i = 0; i < 6; i++) {
        free(v[i]);
    }
}

// Thirty years of a counter of 1 GHz at the least weight, one of the most vCPUs: its run time goes
// on, and whoever comes then shares with it as ever.
static void goes_on_for_years(void **state)
{
    (void)state;
    machine(1);
    struct sched_share old = {.weight = 1}, young = {.weight = 1};
    struct vcpu *v = make(&old, ~0u);
    assert_ptr_equal(sched_next(), v);
    old.active = VM_MAX_VCPUS;
    const uint64_t start = v->vruntime, month = UINT64_C(30) * 86400 * 1000000000;
    for (uint64_t i = 1; i <= 360; i++) {
        fake_timer.now += month;
        assert_ptr_equal(leave(v), v);
        assert_int_equal(v->vruntime - start, i * month * VM_MAX_VCPUS);
    }
    old.active = 1;
    struct vcpu *w = make(&young, ~0u), *runs = v;
    for (unsigned i = 0; i < 1000; i++) {
        fake_timer.now += 6000;
        runs = leave(runs);
    }
    within_percent((double)w->run_total, 3000000, 2);
    finish(runs);
    finish(runs == v ? w : v);
}

static void keeps_to_affinity(void **state)
{
    (void)state;
    machine(2);
    struct sched_share share = {.weight = 100};
    struct vcpu *a = make(&share, BIT(1)), *b = make(&share, BIT(0));
    playing = 0;
    assert_ptr_equal(sched_next(), b);
    playing = 1;
    assert_ptr_equal(sched_next(), a);
    finish(a);
    playing = 0;
    finish(b);
}

static void interrupts_a_busy_cpu_for_a_waking_vcpu(void **state)
{
    (void)state;
    machine(2);
    struct sched_share share = {.weight = 100};
    struct vcpu *a = make(&share, ~0u);
    playing = 1;
    assert_ptr_equal(sched_next(), a);
    playing = 0;
    kicks[1] = 0;
    struct vcpu *b = make(&share, BIT(1)); // only where a runs, without a slice timer so far
    assert_int_equal(kicks[1], 1);
    assert_true(vcpu_attention(a) & ATTN_RESCHED);
    playing = 1;
    fake_timer.now += 10000;
    assert_ptr_equal(leave(a), b);
    assert_true(fake_timer.armed); // now there is somebody to share with
    finish(b);
    finish(a);
}

// Two CPUs had a vCPU each and nobody waiting, for a minute; then there is a third: both CPUs must
// get slices, and nobody waits until the others have caught up with that minute.
static void nobody_keeps_a_cpu_nor_pays_for_having_had_it(void **state)
{
    (void)state;
    machine(2);
    struct sched_share share = {.weight = 100};
    struct vcpu *v[3] = {make(&share, ~0u), make(&share, ~0u)};
    for (playing = 0; playing < 2; playing++) {
        assert_non_null(sched_next());
    }
    for (playing = 0; playing < 2; playing++) {
        struct vcpu *alone = percpus[playing].current;
        assert_ptr_equal(leave(alone), alone);
        assert_false(cpu_is_sliced(&percpus[playing]));
    }
    fake_timer.now += timer_ticks_from_us(60000000);
    playing = 0;
    v[2] = make(&share, ~0u);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(vcpu_attention(percpus[i].current) & ATTN_RESCHED);
    }
    uint64_t before[3];
    for (unsigned t = 0; t < 32; t++) {
        playing = t % 2;
        leave(percpus[playing].current);
        fake_timer.now += timer_ticks_from_us(3000);
        for (unsigned i = 0; t == 1 && i < 3; i++) {
            before[i] = v[i]->run_total;
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        within_percent((double)(v[i]->run_total - before[i]), timer_ticks_from_us(60000), 25);
    }
    for (playing = 0; playing < 2; playing++) {
        sched_off(percpus[playing].current);
    }
    playing = 0;
    while (share.on > 0) {
        sched_off(sched_next());
    }
    for (unsigned i = 0; i < 3; i++) {
        free(v[i]);
    }
}

static unsigned steps;

static bool three_steps(struct work *w)
{
    (void)w;
    return ++steps < 3;
}

static void work_goes_on_between_guests(void **state)
{
    (void)state;
    machine(1);
    struct sched_share share = {.weight = 100};
    struct vcpu *v = make(&share, ~0u);
    struct work work = {.step = three_steps};
    sched_work(&work);
    struct vcpu *n = sched_next();
    assert_ptr_equal(n, v);
    assert_int_equal(steps, 1); // one step, then the guest has its turn
    assert_true(fake_timer.armed);
    n = leave(n);
    n = leave(n);
    assert_int_equal(steps, 3);
    finish(n);
}

// Work of one CPU's alone: it is that one that is woken or asked, and no other makes a step.
static void work_of_one_cpu(void **state)
{
    (void)state;
    machine(3);
    struct sched_share share = {.weight = 100};
    struct vcpu *a = make(&share, 1), *b = make(&share, 2);
    struct work work = {.step = three_steps, .only_on = 2};
    steps = 0;
    percpus[2].idle = true;
    assert_ptr_equal(sched_next(), a);
    playing = 1;
    assert_ptr_equal(sched_next(), b);
    a->attention = b->attention = 0;
    playing = 0;
    memset(kicks, 0, sizeof(kicks));
    sched_work(&work);
    assert_true(percpus[2].idle && kicks[2] == 0 && kicks[0] == 0);
    assert_int_equal(kicks[1], 1);
    assert_int_equal(b->attention, ATTN_RESCHED);
    assert_int_equal(a->attention, 0);
    assert_ptr_equal(leave(a), a);
    assert_int_equal(steps, 0);
    assert_false(fake_timer.armed); // and its guest's turn has no end for it
    playing = 1;
    assert_ptr_equal(leave(b), b);
    assert_int_equal(steps, 1);
    assert_true(fake_timer.armed);
    leave(b);
    leave(b);
    assert_int_equal(steps, 3);
    assert_false(fake_timer.armed);
    percpus[2].idle = false;
    percpus[1].idle = true; // as if it had nobody
    memset(kicks, 0, sizeof(kicks));
    sched_work(&work);
    assert_true(kicks[1] == 1 && !percpus[1].idle);
    leave(b);
    finish(b);
    playing = 0;
    finish(a);
}

static void borrowed_from_the_queue(void **state)
{
    (void)state;
    machine(2);
    struct sched_share share = {.weight = 100};
    struct vcpu *v = make(&share, ~0u);
    enum vcpu_state was;
    assert_int_equal(sched_borrow(v, &was), 0);
    assert_int_equal(was, VCPU_READY);
    assert_false(sched_claim(v));
    assert_int_equal(v->state, VCPU_RUNNING);
    sched_give_back(v, was);
    assert_int_equal(share.active, 1);
    assert_ptr_equal(sched_next(), v);
    // Elsewhere: it is asked to leave.
    playing = 1;
    v->attention = kicks[0] = 0;
    assert_int_equal(sched_borrow(v, &was), ERR_BUSY);
    assert_int_equal(v->attention, ATTN_RESCHED);
    assert_int_equal(kicks[0], 1);
    playing = 0;
    finish(v);
}

static void borrowed_asleep(void **state)
{
    (void)state;
    machine(1);
    struct sched_share share = {.weight = 100};
    struct vcpu *v = make(&share, ~0u);
    enum vcpu_state was;
    assert_ptr_equal(sched_next(), v);
    v->attention = 0;
    sched_block(v);
    assert_int_equal(sched_borrow(v, &was), 0);
    sched_give_back(v, was);
    assert_int_equal(v->state, VCPU_BLOCKED);
    assert_int_equal(share.active, 0);
    // Woken meanwhile.
    assert_int_equal(sched_borrow(v, &was), 0);
    vcpu_notify(v, ATTN_VIRQ);
    assert_int_equal(v->state, VCPU_RUNNING);
    sched_give_back(v, was);
    assert_int_equal(v->state, VCPU_READY);
    assert_int_equal(share.active, 1);
    assert_ptr_equal(sched_next(), v);
    // Paused, which ends meanwhile.
    v->attention = 0;
    sched_set_paused(&share);
    sched_pause(v);
    assert_int_equal(sched_borrow(v, &was), 0);
    assert_int_equal(was, VCPU_PAUSED);
    sched_give_back(v, was);
    assert_int_equal(v->state, VCPU_PAUSED);
    assert_int_equal(share.resting, 1);
    assert_int_equal(sched_borrow(v, &was), 0);
    sched_end_pause(&share);
    sched_resume(v);
    sched_give_back(v, was);
    assert_int_equal(v->state, VCPU_READY);
    assert_int_equal(share.resting, 0);
    finish(v);
}

static void none_borrowed_that_is_off(void **state)
{
    (void)state;
    machine(1);
    struct sched_share share = {.weight = 100};
    struct vcpu v = {.share = &share, .state = VCPU_OFF};
    enum vcpu_state was;
    assert_int_equal(sched_borrow(&v, &was), ERR_NOENT);
    assert_int_equal(v.state, VCPU_OFF);
    v.state = VCPU_CLAIMED;
    assert_int_equal(sched_borrow(&v, &was), ERR_BUSY);
}

// As trap_leave() does.
static struct vcpu *switch_from(struct vcpu *v)
{
    struct vcpu *next = v != NULL ? leave(v) : sched_next();
    stolen_update(next);
    return next;
}

static void counts_what_is_stolen(void **state)
{
    (void)state;
    machine(1);
    struct stolen_time record = {0};
    struct sched_share share = {.weight = 1};
    struct vcpu *v = make(&share, ~0u), *w = make(&share, ~0u);
    v->stolen = &record;
    assert_ptr_equal(switch_from(NULL), v);
    assert_int_equal(record.nanoseconds, 0);
    fake_timer.now += 5; // v runs
    assert_ptr_equal(leave(v), w);
    fake_timer.now += 7; // w does
    assert_ptr_equal(switch_from(w), v);
    assert_int_equal(record.nanoseconds, 7000);
    sched_block(v);
    fake_timer.now += 100; // it wants none of this
    assert_ptr_equal(sched_next(), w);
    vcpu_notify(v, ATTN_VIRQ);
    fake_timer.now += 20;
    assert_ptr_equal(switch_from(w), v);
    assert_int_equal(record.nanoseconds, 27000);
    assert_ptr_equal(switch_from(v), v);
    assert_int_equal(record.nanoseconds, 27000);
    finish(w);
    finish(v);
}

static void stolen_ticks_in_nanoseconds(void **state)
{
    (void)state;
    struct stolen_time record = {0};
    struct vcpu v = {.stolen = &record};
    stolen_add(&v, 3); // of a microsecond
    assert_int_equal(record.nanoseconds, 3000);
    stolen_add(&v, UINT64_C(1) << 50); // 35 years
    assert_int_equal(record.nanoseconds, ((UINT64_C(1) << 50) + 3) * 1000);
    assert_int_equal(record.revision | record.attributes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_once),
        cmocka_unit_test(wakes_from_block),
        cmocka_unit_test(does_not_block_past_a_request),
        cmocka_unit_test(blocked_here_runs_elsewhere),
        cmocka_unit_test(starting_a_vcpu_in_a_pause),
        cmocka_unit_test(counts_how_long_a_vm_stood_still),
        cmocka_unit_test(honours_weights),
        cmocka_unit_test(shares_by_vm_not_by_vcpu),
        cmocka_unit_test(goes_on_for_years),
        cmocka_unit_test(keeps_to_affinity),
        cmocka_unit_test(interrupts_a_busy_cpu_for_a_waking_vcpu),
        cmocka_unit_test(nobody_keeps_a_cpu_nor_pays_for_having_had_it),
        cmocka_unit_test(work_goes_on_between_guests),
        cmocka_unit_test(work_of_one_cpu),
        cmocka_unit_test(borrowed_from_the_queue),
        cmocka_unit_test(borrowed_asleep),
        cmocka_unit_test(none_borrowed_that_is_off),
        cmocka_unit_test(counts_what_is_stolen),
        cmocka_unit_test(stolen_ticks_in_nanoseconds),
    };
    return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
