// SPDX-License-Identifier: Apache-2.0
// frames.c against a plain array with one owner for each page.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/frames.h"

#define MIB (UINT64_C(1) << 20)

static void one_region(void **state)
{
    (void)state;
    struct mem_region ram = {arena_base(), 64 * MIB};
    struct mem_region reserved = {arena_base() + 0x1234, 0x10};

    assert_int_equal(frames_init(&ram, 1, &reserved, 1), 0);
    // 33 chunks' worth of table at most, and the reserved byte range's page.
    assert_in_range(frames_total(), 64 * 256 - 12, 64 * 256 - 2);
    assert_int_equal(frames_owned_by(OWNER_FREE), frames_total());
    assert_int_equal(frames_owner(hpa(arena_base() + 0x1000)), OWNER_NEWEL);
    assert_int_equal(frames_owner(hpa(arena_base() + 63 * MIB)), OWNER_FREE);
    assert_int_equal(frames_owner(hpa(arena_base() + 64 * MIB)), OWNER_NEWEL);
    assert_int_equal(frames_owner(hpa(0)), OWNER_NEWEL);
}

static void alloc_and_free(void **state)
{
    (void)state;
    struct mem_region ram = {arena_base(), 64 * MIB};
    hpa_t a, b;

    assert_int_equal(frames_init(&ram, 1, NULL, 0), 0);
    assert_int_equal(frames_alloc(OWNER_VM, 512 * 4, 512, &a), 0);
    assert_true(is_aligned(a.v, BLOCK_SIZE));
    assert_int_equal(frames_alloc(OWNER_VM + 1, 3, 2, &b), 0);
    assert_true(is_aligned(b.v, 2 * PAGE_SIZE));
    assert_int_equal(frames_owned_by(OWNER_VM), 2048);
    assert_int_equal(frames_owned_by(OWNER_VM + 1), 3);
    assert_int_equal(frames_owner(hpa_add(a, 2047 * PAGE_SIZE)), OWNER_VM);
    frames_free(OWNER_VM, a, 1000);
    frames_free(OWNER_VM, hpa_add(a, 1000 * PAGE_SIZE), 1048);
    frames_free(OWNER_VM + 1, b, 3);
    assert_int_equal(frames_owned_by(OWNER_FREE), frames_total());
}

// Small requests do not break up what a large one could have.
static void small_stay_together(void **state)
{
    (void)state;
    struct mem_region ram = {arena_base(), 64 * MIB};
    hpa_t a;

    assert_int_equal(frames_init(&ram, 1, NULL, 0), 0);
    size_t before = frames_largest_free_run(512);

    for (int i = 0; i < 400; i++) {
        assert_int_equal(frames_alloc(OWNER_NEWEL, 1, 1, &a), 0);
    }
    assert_int_equal(frames_largest_free_run(512), before);
}

static void ram_in_pieces(void **state)
{
    (void)state;
    // Out of order, touching, sharing a 2 MiB chunk, unaligned, empty, and above 32 bits.
    struct mem_region ram[] = {
        {arena_base() + 8 * MIB, 4 * MIB}, {arena_base() + 3 * MIB + 0x200, MIB},
        {arena_base(), 2 * MIB + 0x3000},  {arena_base() + 12 * MIB, 4 * MIB},
        {arena_base() + 20 * MIB, 0xfff},
    };

    assert_int_equal(frames_init(ram, ARRAY_SIZE(ram), NULL, 0), 0);
    assert_int_equal(frames_total() + frames_owned_by(OWNER_NEWEL), 2 * 256 + 3 + 255 + 8 * 256);
    assert_int_equal(frames_owner(hpa(arena_base() + 2 * MIB + 0x3000)), OWNER_NEWEL);
    assert_int_equal(frames_owner(hpa(arena_base() + 3 * MIB)), OWNER_NEWEL);
    assert_int_equal(frames_largest_free_run(1), 2048);
    hpa_t a;

    // More than either piece, so across where they touch.
    assert_int_equal(frames_alloc(OWNER_VM, 2048, 1, &a), 0);
    assert_int_equal(a.v, arena_base() + 8 * MIB);
}

static void wrong_regions(void **state)
{
    (void)state;
    struct mem_region overlap[] = {{0x40000000, 0x2000}, {0x40001000, 0x2000}};
    struct mem_region wraps = {UINT64_MAX - 0xfff, 0x2000};
    struct mem_region beyond = {UINT64_C(1) << 48, 0x100000};
    struct mem_region many[FRAMES_MAX_REGIONS + 1];
    struct mem_region ram = {0x40000000, 0x100000}, all = {0, UINT64_MAX};

    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        many[i] = (struct mem_region){0x40000000 + i * 0x10000, 0x1000};
    }
    assert_int_equal(frames_init(overlap, 2, NULL, 0), ERR_INVALID);
    assert_int_equal(frames_init(&wraps, 1, NULL, 0), ERR_INVALID);
    assert_int_equal(frames_init(&beyond, 1, NULL, 0), ERR_NOMEM);
    assert_int_equal(frames_init(many, ARRAY_SIZE(many), NULL, 0), ERR_RANGE);
    assert_int_equal(frames_init(&ram, 1, &all, 1), ERR_NOMEM);
    assert_int_equal(frames_init(NULL, 0, NULL, 0), ERR_NOMEM);
    assert_int_equal(frames_total(), 0);
    assert_int_equal(frames_owner(hpa(0x40000000)), OWNER_NEWEL);
}

// A machine far larger than the host: only the owner table is ever touched, and it goes into the
// smallest place that holds it.
static void big_machine(void **state)
{
    (void)state;
    struct mem_region ram[] = {
        {UINT64_C(0x100000000), UINT64_C(1) << 40},
        {arena_base(), 600 * MIB},
    };
    hpa_t a;

    assert_int_equal(frames_init(ram, 2, NULL, 0), 0);
    assert_int_equal(frames_alloc(OWNER_VM, 1 << 20, 1 << 18, &a), 0);
    assert_true(is_aligned(a.v, UINT64_C(1) << 30));
    assert_int_equal(frames_owned_by(OWNER_VM), 1 << 20);
    frames_free(OWNER_VM, a, 1 << 20);
    assert_int_equal(frames_owned_by(OWNER_FREE), frames_total());
}

// ---- Against the model

#define MODEL_PAGES 8192
#define LIVE        64

static owner_t model[MODEL_PAGES];

static size_t model_run(size_t align, size_t want, size_t *longest)
{
    size_t found = 0, best = 0, run = 0;

    for (size_t i = MODEL_PAGES; i-- > 0;) {
        run = model[i] == OWNER_FREE ? run + 1 : 0;
        if ((arena_base() / PAGE_SIZE + i) % align == 0) {
            best = MAX(best, run);
            found += run >= want;
        }
    }
    *longest = best;
    return found;
}

// Pages that are not RAM read as Newel's but are not counted as its own.
static void check_model(void)
{
    size_t count[4] = {0};

    for (size_t i = 0; i < MODEL_PAGES; i++) {
        assert_int_equal(frames_owner(hpa(arena_base() + i * PAGE_SIZE)), model[i]);
        count[model[i]]++;
    }
    assert_int_equal(frames_owned_by(OWNER_FREE), count[OWNER_FREE]);
    assert_int_equal(frames_owned_by(OWNER_VM), count[OWNER_VM]);
    assert_int_equal(frames_owned_by(OWNER_VM + 1), count[OWNER_VM + 1]);
}

static void start_model(void)
{
    struct mem_region ram[] = {
        {arena_base() + 5 * PAGE_SIZE, 20 * MIB},
        {arena_base() + 21 * MIB, 11 * MIB},
    };
    struct mem_region reserved[] = {{arena_base() + 2 * MIB, 1}, {arena_base() + 30 * MIB, MIB}};

    assert_int_equal(frames_init(ram, 2, reserved, 2), 0);
    for (size_t i = 0; i < MODEL_PAGES; i++) {
        model[i] = frames_owner(hpa(arena_base() + i * PAGE_SIZE));
    }
    assert_int_equal(frames_owned_by(OWNER_FREE), frames_total());
}

static void random_operations(void **state)
{
    (void)state;
    struct {
        size_t page, pages;
        owner_t owner;
    } live[LIVE] = {0};
    uint64_t rng = 42;

    start_model();
    for (int i = 0; i < 30000; i++) {
        size_t slot = arena_random(&rng) % LIVE, longest = 0;

        if (live[slot].pages != 0) {
            frames_free(live[slot].owner, hpa(arena_base() + live[slot].page * PAGE_SIZE),
                        live[slot].pages);
            memset(&model[live[slot].page], 0, live[slot].pages * sizeof(model[0]));
            live[slot].pages = 0;
            continue;
        }
        size_t want = 1 + arena_random(&rng) % (arena_random(&rng) % 4 == 0 ? 2000 : 40);
        size_t align = (size_t)1 << arena_random(&rng) % 11;
        owner_t owner = (owner_t)(OWNER_VM + arena_random(&rng) % 2);
        hpa_t a;
        int err = frames_alloc(owner, want, align, &a);

        if (err != 0) {
            assert_int_equal(model_run(align, want, &longest), 0);
            continue;
        }
        assert_true(is_aligned(a.v, align * PAGE_SIZE));
        live[slot].page = (a.v - arena_base()) / PAGE_SIZE;
        live[slot].pages = want;
        live[slot].owner = owner;
        for (size_t p = live[slot].page; p < live[slot].page + want; p++) {
            assert_int_equal(model[p], OWNER_FREE);
            model[p] = owner;
        }
        if (i % 1000 == 0) {
            check_model();
            model_run(align, want, &longest);
            assert_int_equal(frames_largest_free_run(align), longest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_region),          cmocka_unit_test(alloc_and_free),
        cmocka_unit_test(small_stay_together), cmocka_unit_test(ram_in_pieces),
        cmocka_unit_test(wrong_regions),       cmocka_unit_test(big_machine),
        cmocka_unit_test(random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
