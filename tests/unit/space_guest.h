// SPDX-License-Identifier: Apache-2.0
// A guest made of loads, stores and fetches against space.c, with a model of what it wrote and of
// what the caches of a machine without coherent instruction caches would hold.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cache.h"
#include "arena.h"
#include "lib/bits.h"
#include "mem/s2_desc.h"
#include "mem/space.h"

#define MIB      (UINT64_C(1) << 20)
#define RAM_SIZE (16 * MIB)
#define PAGES    (RAM_SIZE / PAGE_SIZE)
#define BASE     (UINT64_C(1) << 30)

#define CTR_A57   UINT64_C(0x8444c004) // PIPT, 64-byte lines, neither IDC nor DIC
#define CTR_VIPT  UINT64_C(0x84448004)
#define CTR_QUIET (CTR_A57 | BIT(28) | BIT(29))

static struct pool pool;
static struct space sp;
static uint64_t ram;

// ---- The caches, by machine page

enum state {
    DIRTY,    // Newel wrote it, and did not clean it
    HANDED,   // clean; instruction caches may hold what was there before
    COHERENT, // and they do not
};

static enum state cache[PAGES];
static bool guest_checks = true;

static void set_pages(uint64_t base, uint64_t size, enum state s)
{
    for (uint64_t a = base & ~PAGE_MASK; a < base + size; a += PAGE_SIZE) {
        if (a >= ram && a < ram + RAM_SIZE) {
            cache[(a - ram) / PAGE_SIZE] = s;
        }
    }
}

static void zeroed(uint64_t base, uint64_t size)
{
    set_pages(base, size, DIRTY);
}

static void invalidated(uint64_t base, uint64_t size)
{
    for (uint64_t a = base & ~PAGE_MASK; a < base + size; a += PAGE_SIZE) {
        if (a >= ram && a < ram + RAM_SIZE && cache[(a - ram) / PAGE_SIZE] == HANDED) {
            cache[(a - ram) / PAGE_SIZE] = COHERENT;
        }
    }
}

static void maintained(const struct fake_cache_call *call)
{
    switch (call->op) {
    case FAKE_DC_CLEAN_INVAL_POC:
    case FAKE_DC_CLEAN_POC:
    case FAKE_DC_CLEAN_POU:
        for (uint64_t a = call->address & ~PAGE_MASK; a < call->address + call->size;
             a += PAGE_SIZE) {
            if (a >= ram && a < ram + RAM_SIZE && cache[(a - ram) / PAGE_SIZE] == DIRTY) {
                cache[(a - ram) / PAGE_SIZE] = HANDED;
            }
        }
        break;
    case FAKE_IC_INVAL_POU:
        invalidated(call->address, call->size);
        break;
    case FAKE_IC_INVAL_ALL:
        invalidated(ram, RAM_SIZE);
        break;
    default:
        break;
    }
}

// ---- The guest

static uint64_t model[PAGES]; // the first word of each page

static void start(struct space_config c, uint64_t ctr, bool fwb)
{
    struct mem_region all = {arena_base(), 64 * MIB};
    struct s2_features f = {.pa_bits = 48, .vmid_bits = 8, .fwb = fwb};
    struct coherence_features cf = {.ctr = ctr, .fwb = fwb};
    hpa_t at;

    fake_zero_hook = NULL;
    fake_cache_hook = NULL;
    assert_int_equal(frames_init(&all, 1, NULL, 0), 0);
    assert_int_equal(frames_alloc(OWNER_VM, PAGES, 512, &at), 0);
    ram = at.v;
    c.ipa_bits = 36;
    c.owner = OWNER_VM;
    c.base = gpa(BASE);
    c.ram = at;
    c.size = RAM_SIZE;
    assert_int_equal(pool_create(&pool, OWNER_VM, stage2_pages_needed(36, RAM_SIZE)), 0);
    stage2_setup(&f);
    coherence_setup(&cf);
    fake_cache_reset();
    memset(model, 0, sizeof(model));
    for (size_t i = 0; i < PAGES; i++) {
        cache[i] = c.lazy ? DIRTY : COHERENT;
        // What a VM before this one left behind.
        *(uint64_t *)hpa_ptr(hpa(ram + i * PAGE_SIZE)) = c.lazy ? 0xdead : 0;
    }
    fake_zero_hook = zeroed;
    fake_cache_hook = maintained;
    assert_int_equal(space_init(&sp, &pool, &c), 0);
}

static void finish(void)
{
    space_destroy(&sp);
    pool_destroy(&pool);
    frames_free(OWNER_VM, hpa(ram), PAGES);
    assert_int_equal(frames_owned_by(OWNER_VM), 0);
}

// The CPU's part: translation with rights, a fault into Newel where they do not suffice.
static uint64_t *access_page(size_t page, enum space_access access, enum space_answer *answer)
{
    static const enum s2_rights need[] = {S2_R, S2_W, S2_X};
    gpa_t at = gpa(BASE + page * PAGE_SIZE);

    for (int tries = 0; tries < 4; tries++) {
        struct s2_entry e;

        if (stage2_lookup(&sp.s2, at, &e) == 0 && !e.suspended && (e.rights & need[access]) != 0) {
            enum state s = cache[(e.pa.v - ram) / PAGE_SIZE];

            if (guest_checks) {
                assert_true(s != DIRTY);
                assert_true(access != SPACE_FETCH || s == COHERENT);
            }
            *answer = SPACE_RETRY;
            return hpa_ptr(e.pa);
        }
        *answer = space_fault(&sp, at, access, false);
        if (*answer != SPACE_RETRY) {
            return NULL;
        }
    }
    fail_msg("page %zu faults for ever", page);
    return NULL;
}

static inline void load(size_t page)
{
    enum space_answer a;
    uint64_t *p = access_page(page, SPACE_READ, &a);

    assert_non_null(p);
    assert_int_equal(*p, model[page]);
}

static inline void store(size_t page, uint64_t value)
{
    enum space_answer a;
    uint64_t *p = access_page(page, SPACE_WRITE, &a);

    assert_non_null(p);
    *p = model[page] = value;
}

static inline void fetch(size_t page)
{
    enum space_answer a;
    uint64_t *p = access_page(page, SPACE_FETCH, &a);

    assert_non_null(p);
    assert_int_equal(*p, model[page]);
}

static inline void expect_answer(size_t page, enum space_access access, enum space_answer wanted)
{
    enum space_answer a;

    access_page(page, access, &a);
    assert_int_equal(a, wanted);
}

static inline struct s2_entry entry(size_t page)
{
    struct s2_entry e = {0};

    assert_int_equal(stage2_lookup(&sp.s2, gpa(BASE + page * PAGE_SIZE), &e), 0);
    return e;
}
