// SPDX-License-Identifier: Apache-2.0
// The wake-up alarm on a counter turned by hand: a tick is a tenth of a second.
#include "vm/wakeup.h"

#include "arena.h"
#include "lib/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct wakeup alarm_;
static struct timer *armed;
static uint64_t now;
static unsigned came;
static bool taken; // by who is told
static uint64_t frequency;

// ---- Stand-ins ----

uint64_t timer_now(void)
{
    return now;
}

uint64_t timer_frequency(void)
{
    return frequency;
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    assert_ptr_equal(t, &alarm_.timer);
    t->deadline = deadline;
    armed = t;
}

static void told(struct wakeup *w)
{
    assert_ptr_equal(w, &alarm_);
    assert_int_equal(w->lock.next, w->lock.owner); // it is for the VM's to be taken
    came++;
    taken |= wakeup_take(w);
}

static void pass(uint64_t ticks)
{
    now += ticks;
    while (armed != NULL && armed->deadline <= now) {
        struct timer *t = armed;
        armed = NULL;
        t->expired(t);
    }
}

static int begin(void **state)
{
    (void)state;
    now = 1005;
    frequency = 10;
    came = 0;
    taken = false;
    armed = NULL;
    wakeup_init(&alarm_, told);
    return 0;
}

static void set(bool enabled, int64_t at)
{
    wakeup_set(&alarm_, &(struct wakeup_setting){enabled, true, at, 0, 0});
}

static void expect(bool enabled, bool pending)
{
    struct wakeup_setting s = wakeup_get(&alarm_);
    assert_int_equal(s.enabled, enabled);
    assert_int_equal(s.pending, pending);
}

static void expect_ahead(bool ahead, uint64_t in)
{
    uint64_t seconds = 99;
    assert_int_equal(wakeup_lies_ahead(&alarm_, &seconds), ahead);
    assert_int_equal(seconds, in);
}

// ---- Tests ----

static void test_comes_once(void **state)
{
    (void)state;
    expect(false, false);
    expect_ahead(false, 0);
    set(true, 103);
    expect(true, false);
    expect_ahead(true, 3);
    pass(24);
    assert_int_equal(came, 0);
    expect_ahead(true, 1);
    pass(1);
    assert_int_equal(came, 1);
    assert_true(taken);
    expect(true, true); // who woke up can see why
    expect_ahead(false, 0);
    assert_false(wakeup_take(&alarm_));
    pass(10000);
    assert_int_equal(came, 1);
}

static void test_one_that_has_passed(void **state)
{
    static const int64_t past[] = {100, 99, 0, -1, INT64_C(-400000000000)};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(past); i++) {
        set(true, past[i]);
        expect(true, true);
        expect_ahead(true, 0);
        assert_true(wakeup_take(&alarm_));
        assert_null(armed);
    }
    assert_int_equal(came, 0);
}

static void test_disabled_and_set_anew(void **state)
{
    (void)state;
    set(true, 103);
    set(false, 103);
    expect_ahead(false, 0);
    pass(100);
    assert_int_equal(came, 0);
    expect(false, false);
    set(true, 100); // signals
    set(true, 112);
    expect(true, false);
    assert_false(wakeup_take(&alarm_));
    set(true, 111);
    set(true, 113);
    pass(15); // the deadline of a timer that was not in time to be moved
    armed = &alarm_.timer;
    alarm_.timer.deadline = now;
    pass(0);
    assert_int_equal(came, 0);
    set(true, 113);
    pass(10);
    assert_int_equal(came, 1);
    set(true, 100);
    wakeup_forget(&alarm_);
    expect(false, false);
    assert_false(wakeup_take(&alarm_));
}

static void test_moves_with_its_clock(void **state)
{
    (void)state;
    set(true, 110);
    wakeup_clock_moved(&alarm_, 5);
    expect_ahead(true, 5);
    wakeup_clock_moved(&alarm_, -7);
    expect_ahead(true, 12);
    pass(115);
    assert_int_equal(came, 1);
    set(true, 120);
    wakeup_clock_moved(&alarm_, 1000); // over it: nobody is told who runs
    expect(true, true);
    assert_int_equal(came, 1);
    assert_true(wakeup_take(&alarm_));
    wakeup_clock_moved(&alarm_, -5000); // and back: it came nevertheless
    expect(true, true);
    assert_false(wakeup_take(&alarm_));
    set(false, 0);
    armed = NULL;
    for (unsigned i = 0; i < 100; i++) { // no number of times leads out of all bounds
        wakeup_clock_moved(&alarm_, i < 50 ? INT64_MIN / 2 : INT64_MAX / 2);
    }
    expect(false, false);
    assert_null(armed);
}

static void test_beyond_the_counter(void **state)
{
    (void)state;
    frequency = UINT32_MAX;
    now = 5 * frequency;
    set(true, INT64_C(1) << 41);
    assert_non_null(armed);
    assert_in_range(alarm_.timer.deadline, UINT64_MAX - frequency, UINT64_MAX);
    expect(true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_comes_once, begin),
        cmocka_unit_test_setup(test_one_that_has_passed, begin),
        cmocka_unit_test_setup(test_disabled_and_set_anew, begin),
        cmocka_unit_test_setup(test_moves_with_its_clock, begin),
        cmocka_unit_test_setup(test_beyond_the_counter, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
