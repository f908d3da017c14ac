// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "lib/error.h"
#include "mem/pool.h"

static int start(void **state)
{
    (void)state;
    struct mem_region ram = {arena_base(), 32 << 20};

    return frames_init(&ram, 1, NULL, 0);
}

static void all_zero(const unsigned char *page, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(page[i], 0);
    }
}

static void get_put_and_exhaust(void **state)
{
    (void)state;
    struct pool pool;
    void *page[40];

    assert_int_equal(pool_create(&pool, OWNER_VM, 40), 0);
    assert_int_equal(frames_owned_by(OWNER_VM), 40);
    for (int i = 0; i < 40; i++) {
        page[i] = pool_get(&pool);
        assert_non_null(page[i]);
        assert_int_equal(frames_owner(ptr_hpa(page[i])), OWNER_VM);
        all_zero(page[i], PAGE_SIZE);
        memset(page[i], 0xa5, PAGE_SIZE);
    }
    assert_null(pool_get(&pool));
    assert_null(pool_get_run(&pool, 1));
    for (int i = 0; i < 40; i += 2) {
        pool_put(&pool, page[i]);
    }
    assert_int_equal(pool.used, 20);
    assert_int_equal(pool.high_water, 40);
    for (int i = 0; i < 20; i++) {
        unsigned char *p = pool_get(&pool);

        assert_non_null(p);
        all_zero(p, PAGE_SIZE);
    }
    assert_null(pool_get(&pool));
    pool_destroy(&pool);
    assert_int_equal(frames_owned_by(OWNER_FREE), frames_total());
}

static void runs_are_aligned(void **state)
{
    (void)state;
    struct pool pool;

    assert_int_equal(pool_create(&pool, OWNER_VM, 64), 0);
    assert_non_null(pool_get(&pool));
    for (size_t n = 16; n > 0; n /= 2) {
        void *run = pool_get_run(&pool, n);

        assert_non_null(run);
        assert_true(is_aligned(ptr_hpa(run).v, n * PAGE_SIZE));
        all_zero(run, n * PAGE_SIZE);
    }
    assert_int_equal(pool.used, 1 + 31);
    // The pages skipped for alignment serve single requests.
    size_t rest = 0;

    while (pool_get(&pool) != NULL) {
        rest++;
    }
    assert_int_equal(rest, 32);
    assert_null(pool_get_run(&pool, 1));
    pool_destroy(&pool);
}

static void too_large(void **state)
{
    (void)state;
    struct pool pool;

    assert_int_equal(pool_create(&pool, OWNER_VM, 8192), ERR_NOMEM);
    assert_null(pool_get(&pool));
    assert_null(pool_get_run(&pool, 1));
    pool_destroy(&pool);
    assert_int_equal(frames_owned_by(OWNER_FREE), frames_total());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(get_put_and_exhaust, start),
        cmocka_unit_test_setup(runs_are_aligned, start),
        cmocka_unit_test_setup(too_large, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
