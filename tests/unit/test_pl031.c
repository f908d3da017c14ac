// SPDX-License-Identifier: Apache-2.0
// The virtual PL031 on a clock turned by hand: a tick of the counter is a millisecond.
#include "dev/pl031.h"
#include "irq/vgic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    DR = 0x00,
    MR = 0x04,
    LR = 0x08,
    CR = 0x0c,
    IMSC = 0x10,
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c,
};

#define EPOCH 1700000000u

static struct pl031 rtc;
static bool line;
static uint64_t now;
static struct timer *armed;

void vgic_set_spi(struct vgic *g, uint32_t intid, bool level)
{
    assert_ptr_equal(g, &line);
    assert_int_equal(intid, PL031_INTID);
    line = level;
}

uint64_t timer_now(void)
{
    return now;
}

uint64_t timer_frequency(void)
{
    return 1000;
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    t->deadline = deadline;
    armed = t;
}

void timer_cancel(struct timer *t)
{
    assert_non_null(t->expired);
    armed = NULL;
}

static uint32_t get(uint64_t offset)
{
    return (uint32_t)rtc.dev.ops->read(&rtc.dev, NULL, offset, 4);
}

static void set(uint64_t offset, uint32_t value)
{
    rtc.dev.ops->write(&rtc.dev, NULL, offset, 4, value);
}

static void pass(uint64_t ms)
{
    now += ms;
    if (armed != NULL && armed->deadline <= now) {
        struct timer *t = armed;
        armed = NULL;
        t->expired(t);
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&rtc, 0, sizeof(rtc));
    line = false;
    armed = NULL;
    now = 5400; // 0.6 seconds before the counter's next whole second
    pl031_init(&rtc, (struct vgic *)&line, EPOCH);
    return 0;
}

static void test_identification(void **state)
{
    static const uint8_t ids[] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(get(0xfe0 + 4 * i), ids[i]);
    }
    assert_int_equal(get(CR), 1);
    set(CR, 0);
    assert_int_equal(get(CR), 1);
    assert_int_equal(get(0x200), 0);
}

static void test_time_goes_on(void **state)
{
    (void)state;
    assert_int_equal(get(DR), EPOCH);
    pass(599);
    assert_int_equal(get(DR), EPOCH);
    pass(1);
    assert_int_equal(get(DR), EPOCH + 1);
    pass(86400000);
    assert_int_equal(get(DR), EPOCH + 86401);
    set(DR, 1);
    assert_int_equal(get(DR), EPOCH + 86401);
}

static void test_load(void **state)
{
    (void)state;
    set(LR, 12345);
    assert_int_equal(get(DR), 12345);
    assert_int_equal(get(LR), 12345);
    pass(1000);
    assert_int_equal(get(DR), 12346);
    assert_int_equal(get(LR), 12345);
    set(LR, 0xffffffff);
    pass(1000);
    assert_int_equal(get(DR), 0);
}

static void test_match(void **state)
{
    (void)state;
    set(IMSC, 1);
    set(MR, EPOCH + 2);
    assert_int_equal(get(MR), EPOCH + 2);
    pass(1599);
    assert_int_equal(get(RIS), 0);
    assert_false(line);
    pass(1);
    assert_int_equal(get(DR), EPOCH + 2);
    assert_int_equal(get(RIS), 1);
    assert_int_equal(get(MIS), 1);
    assert_true(line);
    set(IMSC, 0);
    assert_false(line);
    assert_int_equal(get(MIS), 0);
    set(IMSC, 1);
    assert_true(line);
    set(ICR, 1);
    assert_false(line);
    assert_int_equal(get(RIS), 0);
    pass(10000000);
    assert_int_equal(get(RIS), 0);
}

static void test_match_now(void **state)
{
    (void)state;
    set(MR, EPOCH);
    assert_int_equal(get(RIS), 1);
    assert_false(line);
}

static void test_match_behind_is_far_ahead(void **state)
{
    (void)state;
    set(MR, EPOCH - 1);
    pass(3600000);
    assert_int_equal(get(RIS), 0);
    assert_int_equal(armed->deadline, (UINT64_C(5) + 0xffffffff) * 1000);
}

static void test_moved_match_does_not_fire_early(void **state)
{
    (void)state;
    set(MR, EPOCH + 2);
    set(MR, EPOCH + 10);
    struct timer *t = armed;
    now += 3000;
    t->expired(t); // the first alarm was under way already
    assert_int_equal(get(RIS), 0);
    pass(8000);
    assert_int_equal(get(RIS), 1);
}

static void test_load_moves_the_match(void **state)
{
    (void)state;
    set(IMSC, 1);
    set(MR, EPOCH + 100);
    set(LR, EPOCH + 98);
    pass(1600);
    assert_true(line);
}

static int64_t moved_by;

static void moved(struct pl031 *r, int64_t by)
{
    assert_ptr_equal(r, &rtc);
    moved_by += by;
}

// The owner hears of what the guest does to the clock, and of nothing else.
static void test_tells_who_moves_it(void **state)
{
    (void)state;
    moved_by = 0;
    rtc.moved = moved;
    pass(10600);
    set(MR, EPOCH + 50);
    assert_int_equal(moved_by, 0);
    set(LR, EPOCH);
    assert_int_equal(moved_by, -11);
    pl031_set(&rtc, INT64_C(1) << 37);
    assert_int_equal(moved_by, (INT64_C(1) << 37) - EPOCH - 11);
    assert_int_equal(pl031_offset(&rtc), (INT64_C(1) << 37) - 16);
    pl031_init(&rtc, (struct vgic *)&line, EPOCH);
    assert_int_equal(moved_by, (INT64_C(1) << 37) - EPOCH - 11);
}

static void test_again_after_reset(void **state)
{
    (void)state;
    set(IMSC, 1);
    set(MR, EPOCH + 1);
    pl031_init(&rtc, (struct vgic *)&line, EPOCH + 50);
    assert_null(armed);
    assert_int_equal(get(DR), EPOCH + 50);
    assert_int_equal(get(IMSC), 0);
    assert_int_equal(get(MR), 0);
    set(MR, EPOCH + 51);
    rtc.dev.ops->reset(&rtc.dev);
    assert_null(armed);
    assert_int_equal(get(MR), 0);
    assert_int_equal(get(DR), EPOCH + 50);
}

static void test_narrow_access(void **state)
{
    (void)state;
    set(MR, 0x12345678);
    assert_int_equal(rtc.dev.ops->read(&rtc.dev, NULL, MR, 1), 0x78);
    assert_int_equal(rtc.dev.ops->read(&rtc.dev, NULL, MR + 2, 2), 0x1234);
    assert_int_equal(rtc.dev.ops->read(&rtc.dev, NULL, 0, 8), EPOCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_identification, setup),
        cmocka_unit_test_setup(test_time_goes_on, setup),
        cmocka_unit_test_setup(test_load, setup),
        cmocka_unit_test_setup(test_match, setup),
        cmocka_unit_test_setup(test_match_now, setup),
        cmocka_unit_test_setup(test_match_behind_is_far_ahead, setup),
        cmocka_unit_test_setup(test_moved_match_does_not_fire_early, setup),
        cmocka_unit_test_setup(test_load_moves_the_match, setup),
        cmocka_unit_test_setup(test_tells_who_moves_it, setup),
        cmocka_unit_test_setup(test_again_after_reset, setup),
        cmocka_unit_test_setup(test_narrow_access, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
