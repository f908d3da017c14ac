// SPDX-License-Identifier: Apache-2.0
// Rights that are overridden in ranges of a VM's memory.
#include "lib/error.h"
#include "space_guest.h"

static void override_truth_table(void **state)
{
    (void)state;
    static const enum s2_rights rights[] = {S2_NONE, S2_R, S2_W, S2_RW, S2_RX, S2_RWX};

    for (int touched = 0; touched < 2; touched++) {
        for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
            start((struct space_config){.lazy = true}, CTR_A57, false);
            if (touched != 0) {
                fetch(20);
                store(21, 1);
            }
            assert_int_equal(space_protect(&sp, gpa(BASE + 20 * PAGE_SIZE), 2 * PAGE_SIZE,
                                           rights[i], OVERRIDE_PAUSE),
                             0);
            for (size_t p = 20; p < 22; p++) {
                expect_answer(p, SPACE_READ, (rights[i] & S2_R) != 0 ? SPACE_RETRY : SPACE_DENIED);
                expect_answer(p, SPACE_WRITE, (rights[i] & S2_W) != 0 ? SPACE_RETRY : SPACE_DENIED);
                expect_answer(p, SPACE_FETCH, (rights[i] & S2_X) != 0 ? SPACE_RETRY : SPACE_DENIED);
            }
            load(19);
            store(22, 3);
            fetch(22);
            // And back.
            assert_int_equal(space_protect(&sp, gpa(BASE), RAM_SIZE, S2_RWX, OVERRIDE_FAULT), 0);
            assert_int_equal(sp.overrides.count, 0);
            store(20, 9);
            fetch(20);
            fetch(21);
            finish();
        }
    }
}

static void lift_after_log(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(space_protect(&sp, gpa(BASE), MIB, S2_R, OVERRIDE_LOG), 0);
    expect_answer(4, SPACE_WRITE, SPACE_DENIED);
    assert_int_equal(override_find(&sp.overrides, gpa(BASE + 4 * PAGE_SIZE))->policy, OVERRIDE_LOG);
    assert_int_equal(space_lift(&sp, gpa(BASE + 4 * PAGE_SIZE + 8)), 0);
    store(4, 1);
    expect_answer(3, SPACE_WRITE, SPACE_DENIED);
    expect_answer(5, SPACE_WRITE, SPACE_DENIED);
    assert_int_equal(sp.counters.denied, 3);
    finish();
}

// A guest that touches every other page makes a range of each that is left.
static void lift_more_than_ranges(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(space_protect(&sp, gpa(BASE), 4 * MIB, S2_R, OVERRIDE_LOG), 0);
    for (size_t i = 0; i < OVERRIDE_MAX + 8; i++) {
        gpa_t at = gpa(BASE + (2 * i + 1) * PAGE_SIZE);

        if (override_find(&sp.overrides, at) != NULL) {
            expect_answer(2 * i + 1, SPACE_WRITE, SPACE_DENIED);
        }
        assert_int_equal(space_lift(&sp, at), 0);
        store(2 * i + 1, 1);
    }
    expect_answer(0, SPACE_WRITE, SPACE_DENIED); // the others are as they were
    finish();
}

// Somebody else changed the protection between the access and what it leads to.
static void lift_of_what_changed(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(space_protect(&sp, gpa(BASE), MIB, S2_R, OVERRIDE_LOG), 0);
    expect_answer(4, SPACE_WRITE, SPACE_DENIED);
    assert_int_equal(space_protect(&sp, gpa(BASE), MIB, S2_R, OVERRIDE_FAULT), 0);
    assert_int_equal(space_lift(&sp, gpa(BASE + 4 * PAGE_SIZE)), 0);
    expect_answer(4, SPACE_WRITE, SPACE_DENIED);
    assert_int_equal(space_lift(&sp, gpa(BASE + 2 * MIB)), 0);
    finish();
}

static void override_errors(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(space_protect(&sp, gpa(BASE - PAGE_SIZE), PAGE_SIZE, S2_R, 0), ERR_RANGE);
    assert_int_equal(space_protect(&sp, gpa(BASE), RAM_SIZE + PAGE_SIZE, S2_R, 0), ERR_RANGE);
    assert_int_equal(space_protect(&sp, gpa(BASE + 1), PAGE_SIZE, S2_R, 0), ERR_INVALID);
    assert_int_equal(space_protect(&sp, gpa(BASE), PAGE_SIZE, S2_X, 0), ERR_INVALID);
    for (size_t i = 0; i < OVERRIDE_MAX; i++) {
        assert_int_equal(space_protect(&sp, gpa(BASE + 2 * i * PAGE_SIZE), PAGE_SIZE, S2_R, 0), 0);
    }
    assert_int_equal(
        space_protect(&sp, gpa(BASE + 2 * OVERRIDE_MAX * PAGE_SIZE), PAGE_SIZE, S2_R, 0),
        ERR_NOMEM);
    expect_answer(0, SPACE_WRITE, SPACE_DENIED);
    store(1, 1);
    store(2 * OVERRIDE_MAX, 1);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(override_truth_table),  cmocka_unit_test(lift_after_log),
        cmocka_unit_test(lift_more_than_ranges), cmocka_unit_test(lift_of_what_changed),
        cmocka_unit_test(override_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
