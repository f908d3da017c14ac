// SPDX-License-Identifier: Apache-2.0
// ram.c and override.c against plain arrays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/override.h"
#include "mem/ram.h"

#define BLOCKS 16
#define PAGES  (BLOCKS * 512)
#define BASE   UINT64_C(0x80000000)

static bool used[PAGES];

static size_t used_in(size_t block)
{
    size_t n = 0;

    for (size_t p = block * 512; p < (block + 1) * 512; p++) {
        n += used[p];
    }
    return n;
}

static bool any_block_with(size_t low, size_t high)
{
    for (size_t b = 0; b < BLOCKS; b++) {
        if (used_in(b) >= low && used_in(b) <= high) {
            return true;
        }
    }
    return false;
}

static void take_page(struct ram *ram)
{
    bool partial = any_block_with(1, 511), any = any_block_with(0, 511);
    hpa_t a;
    int err = ram_get_page(ram, &a);

    assert_int_equal(err, any ? 0 : ERR_NOMEM);
    if (err == 0) {
        size_t p = (a.v - BASE) / PAGE_SIZE;

        assert_false(used[p]);
        assert_true((used_in(p / 512) > 0) == partial);
        used[p] = true;
    }
}

static void take_block(struct ram *ram)
{
    bool any = any_block_with(0, 0);
    hpa_t a;
    int err = ram_get_block(ram, &a);

    assert_int_equal(err, any ? 0 : ERR_NOMEM);
    if (err == 0) {
        assert_true(is_aligned(a.v, BLOCK_SIZE));
        assert_int_equal(used_in((a.v - BASE) / BLOCK_SIZE), 0);
        memset(&used[(a.v - BASE) / PAGE_SIZE], 1, 512);
    }
}

static void ram_at_random(void **state)
{
    (void)state;
    void *table = malloc(ram_table_bytes(BLOCKS * BLOCK_SIZE));
    struct ram ram;
    uint64_t rng = 9;

    ram_init(&ram, hpa(BASE), BLOCKS * BLOCK_SIZE, table);
    assert_int_equal(ram.free_pages, PAGES);
    for (int i = 0; i < 20000; i++) {
        size_t p = arena_random(&rng) % PAGES;
        bool filling = i / 5000 % 2 == 0;

        if (used_in(p / 512) == 512 && arena_random(&rng) % 8 == 0) {
            ram_put_block(&ram, hpa(BASE + p / 512 * BLOCK_SIZE));
            memset(&used[p / 512 * 512], 0, 512);
        } else if (used[p] && !filling) {
            ram_put_page(&ram, hpa(BASE + p * PAGE_SIZE));
            used[p] = false;
        } else if (arena_random(&rng) % 64 == 0) {
            take_block(&ram);
        } else {
            take_page(&ram);
        }
        size_t n = 0;

        for (size_t b = 0; b < BLOCKS && i % 64 == 0; b++) {
            n += used_in(b);
        }
        assert_true(i % 64 != 0 || ram.free_pages == PAGES - n);
    }
    free(table);
}

// ---- Overrides

#define WINDOW 200

static void overrides_at_random(void **state)
{
    (void)state;
    static struct overrides o;
    static struct {
        enum s2_rights rights;
        enum override_policy policy;
    } model[WINDOW];
    static const enum s2_rights rights[] = {S2_NONE, S2_R, S2_RX, S2_RW, S2_RWX, S2_RWX};
    uint64_t rng = 4, refused = 0;

    for (size_t p = 0; p < WINDOW; p++) {
        model[p].rights = S2_RWX;
    }
    for (int i = 0; i < 100000; i++) {
        size_t first = arena_random(&rng) % WINDOW;
        size_t n = 1 + arena_random(&rng) % (i % 1000 == 0 ? WINDOW : 3);
        enum s2_rights r = rights[arena_random(&rng) % 6];
        enum override_policy policy = arena_random(&rng) % 3;
        struct overrides before = o;

        n = MIN(n, WINDOW - first);
        if (override_set(&o, gpa(first * PAGE_SIZE), n * PAGE_SIZE, r, policy) == 0) {
            for (size_t p = first; p < first + n; p++) {
                model[p].rights = r;
                model[p].policy = policy;
            }
        } else {
            refused++;
            assert_int_equal(o.count, before.count);
        }
        size_t p = arena_random(&rng) % WINDOW;
        uint64_t extent = 0;
        const struct override *found = override_find(&o, gpa(p * PAGE_SIZE + 5));

        assert_int_equal(override_at(&o, gpa(p * PAGE_SIZE), &extent), model[p].rights);
        assert_true((found == NULL) == (model[p].rights == S2_RWX));
        assert_true(found == NULL || found->policy == model[p].policy);
        for (size_t q = p; q < MIN(WINDOW, p + extent / PAGE_SIZE); q++) {
            assert_int_equal(model[q].rights, model[p].rights);
        }
    }
    assert_true(refused > 0);
    assert_int_equal(override_set(&o, gpa(0), WINDOW * PAGE_SIZE, S2_RWX, 0), 0);
    assert_int_equal(o.count, 0);
    assert_int_equal(override_set(&o, gpa(0), 0, S2_R, 0), ERR_INVALID);
    assert_int_equal(override_set(&o, gpa(-PAGE_SIZE), 2 * PAGE_SIZE, S2_R, 0), ERR_INVALID);
    assert_int_equal(override_set(&o, gpa(1), PAGE_SIZE, S2_R, 0), ERR_INVALID);
    assert_int_equal(override_set(&o, gpa(0), PAGE_SIZE, S2_RW | S2_X_LATER, 0), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ram_at_random),
        cmocka_unit_test(overrides_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
