// SPDX-License-Identifier: Apache-2.0
// newel/detect.h: what is concluded from what was counted.
#include <newel/detect.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 64

static struct newel_detect d;

static void count(struct newel_detect_count *c, uint32_t stores)
{
    c->tries = ROUNDS;
    c->stores[NEWEL_DETECT_X] = stores;
}

// A machine where nothing traps and every store stores.
static int set_up(void **state)
{
    (void)state;
    memset(&d, 0, sizeof(d));
    d.level = 1;
    count(&d.control, ROUNDS);
    count(&d.row[NEWEL_DETECT_id_aa64pfr0_el1], ROUNDS);
    count(&d.row[NEWEL_DETECT_ctr_el0], ROUNDS);
    return 0;
}

static void test_nothing_traps(void **state)
{
    (void)state;
    assert_int_equal(newel_detect_state(&d, NEWEL_DETECT_ctr_el0), NEWEL_DETECT_UNTRAPPED);
    assert_int_equal(newel_detect_state(&d, NEWEL_DETECT_fpcr), NEWEL_DETECT_NOT_TRIED);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_ABSENT);
}

static void test_one_success_is_enough(void **state)
{
    (void)state;
    memset(&d.row[NEWEL_DETECT_ctr_el0].stores, 0, sizeof(d.row[0].stores));
    d.row[NEWEL_DETECT_ctr_el0].stores[NEWEL_DETECT_ACQUIRE_W] = 1;
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_ABSENT);
}

static void test_one_register_traps(void **state)
{
    (void)state;
    count(&d.row[NEWEL_DETECT_ctr_el0], 0);
    assert_int_equal(newel_detect_state(&d, NEWEL_DETECT_ctr_el0), NEWEL_DETECT_TRAPPED);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_PRESENT);
}

// Device memory, or a neighbour in the granule: neither verdict.
static void test_control_fails(void **state)
{
    (void)state;
    count(&d.row[NEWEL_DETECT_ctr_el0], 0);
    count(&d.control, 0);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_INCONCLUSIVE);
    count(&d.control, NEWEL_DETECT_ENOUGH - 1);
    assert_int_equal(newel_detect_state(&d, NEWEL_DETECT_ctr_el0), NEWEL_DETECT_UNKNOWN);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_INCONCLUSIVE);
    count(&d.control, NEWEL_DETECT_ENOUGH);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_PRESENT);
}

// What the operating system may emulate is of no account at EL0, and of all at EL1.
static void test_operating_system(void **state)
{
    (void)state;
    d.level = 0;
    memset(&d.row[NEWEL_DETECT_id_aa64pfr0_el1], 0, sizeof(d.row[0]));
    count(&d.row[NEWEL_DETECT_ctr_el0], 0);
    assert_int_equal(newel_detect_state(&d, NEWEL_DETECT_ctr_el0), NEWEL_DETECT_TRAPPED);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_INCONCLUSIVE);
    count(&d.row[NEWEL_DETECT_fpcr], 1);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_ABSENT);
    count(&d.row[NEWEL_DETECT_fpcr], 0);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_PRESENT);
}

static void test_faults_say_nothing(void **state)
{
    (void)state;
    d.faulted[NEWEL_DETECT_zcr_el1] = true;
    assert_int_equal(newel_detect_state(&d, NEWEL_DETECT_zcr_el1), NEWEL_DETECT_FAULTS);
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_ABSENT);
    memset(d.row, 0, sizeof(d.row));
    assert_int_equal(newel_detect_verdict(&d), NEWEL_DETECT_INCONCLUSIVE);
}

static void test_table(void **state)
{
    (void)state;
    assert_true(sizeof(struct newel_detect_cell) == NEWEL_DETECT_GRANULE);
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        uint32_t flags = newel_detect_info(row)->flags;
        assert_true((flags & (NEWEL_DETECT_EL0 | NEWEL_DETECT_EL1 | NEWEL_DETECT_EL2)) != 0);
        assert_true(strchr(newel_detect_info(row)->trap, '.') != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_traps, set_up),
        cmocka_unit_test_setup(test_one_success_is_enough, set_up),
        cmocka_unit_test_setup(test_one_register_traps, set_up),
        cmocka_unit_test_setup(test_control_fails, set_up),
        cmocka_unit_test_setup(test_operating_system, set_up),
        cmocka_unit_test_setup(test_faults_say_nothing, set_up),
        cmocka_unit_test_setup(test_table, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
