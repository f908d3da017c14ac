// SPDX-License-Identifier: Apache-2.0
// The hash must answer as the tables do, whatever happens to them and however full a bucket is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "lib/error.h"
#include "mem/gpa_hash.h"
#include "mem/stage2_lazy.h"

#define MIB    (UINT64_C(1) << 20)
#define WINDOW (64 * MIB)

static struct pool pool;
static struct stage2 s2;
static struct gpa_hash hash;
static struct gpa_bucket buckets[1024];

static void start(size_t n)
{
    struct mem_region ram = {arena_base(), 64 * MIB};
    struct s2_features f = {.pa_bits = 48, .vmid_bits = 8};

    assert_int_equal(frames_init(&ram, 1, NULL, 0), 0);
    assert_int_equal(pool_create(&pool, OWNER_VM, 64), 0);
    stage2_setup(&f);
    assert_int_equal(stage2_init(&s2, &pool, 36), 0);
    memset(buckets, 0, sizeof(buckets));
    gpa_hash_init(&hash, buckets, n);
}

static void expect_same(uint64_t at)
{
    struct s2_entry a = {0}, b = {0};
    int tables = stage2_lookup(&s2, gpa(at), &a), hashed = gpa_hash_lookup(&hash, &s2, gpa(at), &b);

    assert_int_equal(tables, hashed);
    if (tables == 0) {
        assert_int_equal(a.pa.v, b.pa.v);
        assert_int_equal(a.size, b.size);
        assert_int_equal(a.rights, b.rights);
        assert_int_equal(a.type, b.type);
        assert_int_equal(a.level, b.level);
        assert_int_equal(a.suspended, b.suspended);
    }
}

static void change(uint64_t *rng)
{
    uint64_t at = arena_random(rng) % (WINDOW / PAGE_SIZE) * PAGE_SIZE;
    uint64_t size = arena_random(rng) % 3 == 0 ? BLOCK_SIZE : PAGE_SIZE;
    static const enum s2_rights rights[] = {S2_R, S2_RW, S2_RX, S2_RWX, S2_RW | S2_X_LATER};
    enum s2_rights r = rights[arena_random(rng) % 5];

    at &= ~(size - 1);
    switch (arena_random(rng) % 4) {
    case 0:
        stage2_unmap(&s2, gpa(at), size);
        break;
    case 1:
        stage2_protect(&s2, gpa(at), size, r);
        break;
    default:
        // The first word of rights tells which of the two places it is, for the threads below.
        stage2_map(&s2, gpa(at), hpa(at + (r == S2_R ? WINDOW : 0)), size, r, S2_NORMAL);
        break;
    }
}

static void same_answers(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 1024; n *= 32) {
        uint64_t rng = n;

        start(n);
        for (int i = 0; i < 340000; i++) {
            if (i % 16 == 0) {
                change(&rng);
            }
            if (i % 9999 == 0) {
                stage2_suspend(&s2);
            }
            expect_same(arena_random(&rng) %
                        (arena_random(&rng) % 2 != 0 ? WINDOW : 16 * PAGE_SIZE));
        }
        expect_same(UINT64_C(1) << 36);
        expect_same(UINT64_MAX);
    }
}

// ---- While others change it

static bool stop;
static size_t wrong, hits;

// Two answers to one question may differ if a change came between them. If none has ended since, a
// change may have been under way; when it is over they must agree.
static bool agree_at_rest(uint64_t at, uint64_t generation)
{
    struct s2_entry a = {0}, b = {0};

    spin_lock(&s2.lock);
    int hashed = gpa_hash_lookup(&hash, &s2, gpa(at), &a), tables = stage2_lookup(&s2, gpa(at), &b);
    bool moved = s2.generation != generation;

    spin_unlock(&s2.lock);
    return moved || (hashed == tables && a.pa.v == b.pa.v && a.rights == b.rights);
}

static void *reader(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        uint64_t at = arena_random(&rng) % WINDOW;
        uint64_t before = __atomic_load_n(&s2.generation, __ATOMIC_ACQUIRE);
        struct s2_entry a = {0}, b = {0};
        int hashed = gpa_hash_lookup(&hash, &s2, gpa(at), &a);
        int tables = stage2_lookup(&s2, gpa(at), &b);

        // Whatever happens, an address belongs to one of two places.
        if (hashed == 0 && a.pa.v != at && a.pa.v != at + WINDOW) {
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        }
        if (hashed == 0 && tables == 0) {
            bool same = a.pa.v == b.pa.v && a.rights == b.rights && a.size == b.size;

            __atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
            if (!same && !agree_at_rest(at, before)) {
                __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
            }
        }
    }
    return NULL;
}

static void concurrent(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 1024; n *= 1024) {
        pthread_t t[2];
        uint64_t rng = 5;

        start(n);
        stop = false;
        wrong = hits = 0;
        for (size_t i = 0; i < 2; i++) {
            pthread_create(&t[i], NULL, reader, (void *)(uintptr_t)(i + 1));
        }
        for (int i = 0; i < 150000; i++) {
            change(&rng);
        }
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
        for (size_t i = 0; i < 2; i++) {
            pthread_join(t[i], NULL);
        }
        assert_int_equal(wrong, 0);
        assert_true(hits > 0);
        for (uint64_t a = 0; a < WINDOW; a += PAGE_SIZE) {
            expect_same(a);
            expect_same(a + 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_answers),
        cmocka_unit_test(concurrent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
