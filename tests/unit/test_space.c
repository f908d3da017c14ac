// SPDX-License-Identifier: Apache-2.0
// A guest made of loads, stores and fetches against space.c, with a model of what it wrote and of
// what the caches of a machine without coherent instruction caches would hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cache.h"
#include "arena.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/guest.h"
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
static uint64_t rng = 11;

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

static void load(size_t page)
{
    enum space_answer a;
    uint64_t *p = access_page(page, SPACE_READ, &a);

    assert_non_null(p);
    assert_int_equal(*p, model[page]);
}

static void store(size_t page, uint64_t value)
{
    enum space_answer a;
    uint64_t *p = access_page(page, SPACE_WRITE, &a);

    assert_non_null(p);
    *p = model[page] = value;
}

static void fetch(size_t page)
{
    enum space_answer a;
    uint64_t *p = access_page(page, SPACE_FETCH, &a);

    assert_non_null(p);
    assert_int_equal(*p, model[page]);
}

static void expect_answer(size_t page, enum space_access access, enum space_answer wanted)
{
    enum space_answer a;

    access_page(page, access, &a);
    assert_int_equal(a, wanted);
}

static struct s2_entry entry(size_t page)
{
    struct s2_entry e = {0};

    assert_int_equal(stage2_lookup(&sp.s2, gpa(BASE + page * PAGE_SIZE), &e), 0);
    return e;
}

// ---- Life of a page

static void eager_takes_no_fault(void **state)
{
    (void)state;
    start((struct space_config){0}, CTR_A57, false);
    for (size_t p = 0; p < PAGES; p += 7) {
        fetch(p);
        store(p, p);
    }
    assert_int_equal(sp.counters.blocks_populated + sp.counters.pages_populated, 0);
    assert_int_equal(sp.coherence.execute_faults, 0);
    finish();
}

static void data_then_fetch(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    load(5);
    assert_int_equal(entry(5).rights, S2_RW | S2_X_LATER);
    assert_int_equal(fake_cache_count[FAKE_IC_INVAL_POU] + fake_cache_count[FAKE_IC_INVAL_ALL], 0);
    assert_int_equal(sp.counters.pages_populated, 1);
    fake_cache_reset();
    fetch(5);
    assert_int_equal(entry(5).rights, S2_RWX);
    assert_int_equal(sp.coherence.execute_faults, 1);
    // Clean, complete, invalidate, complete, and only then the descriptor, with its TLB entry.
    static const enum fake_cache_op order[] = {FAKE_DC_CLEAN_POU, FAKE_DSB_ISH,  FAKE_IC_INVAL_POU,
                                               FAKE_DSB_ISH,      FAKE_ISB,      FAKE_DSB_ISHST,
                                               FAKE_TLBI_IPA,     FAKE_TLBI_END, FAKE_DSB_ISHST};

    assert_int_equal(fake_cache_calls, ARRAY_SIZE(order));
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        assert_int_equal(fake_cache_log[i].op, order[i]);
    }
    assert_int_equal(sp.coherence.lines_invalidated, 64);
    fake_cache_reset();
    fetch(5);
    assert_int_equal(fake_cache_calls, 0);
    finish();
}

static void fetch_first(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    fetch(9);
    assert_int_equal(entry(9).rights, S2_RWX);
    assert_int_equal(sp.counters.retried, 0);
    assert_int_equal(sp.coherence.execute_faults, 1);
    finish();
}

static void kinds_of_cache(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_VIPT, false);
    load(1);
    fetch(1);
    assert_int_equal(fake_cache_count[FAKE_IC_INVAL_ALL], 1);
    assert_int_equal(fake_cache_count[FAKE_IC_INVAL_POU], 0);
    finish();
    guest_checks = false;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_QUIET, false);
    load(1);
    assert_int_equal(entry(1).rights, S2_RWX);
    fetch(1);
    assert_int_equal(sp.coherence.execute_faults, 0);
    finish();
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, true);
    load(1);
    assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC], 0);
    fetch(1);
    assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_POU], 1);
    finish();
    guest_checks = true;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    load(1);
    fake_cache_reset();
    assert_int_equal(space_fault(&sp, gpa(BASE + PAGE_SIZE), SPACE_FETCH, true), SPACE_RETRY);
    assert_int_equal(fake_cache_log[0].op, FAKE_DC_CLEAN_POC);
    finish();
}

static void block_executes_page_by_page_then_whole(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true}, CTR_A57, false);
    load(0);
    assert_int_equal(entry(511).size, BLOCK_SIZE);
    assert_int_equal(sp.counters.blocks_populated, 1);
    fake_cache_reset();
    for (size_t p = 0; p < SPACE_EXECUTE_ONE_BY_ONE - 1; p++) {
        fetch(p * 3);
        assert_int_equal(entry(p * 3).size, PAGE_SIZE);
    }
    assert_int_equal(entry(1).rights, S2_RW | S2_X_LATER);
    fetch(500);
    assert_int_equal(entry(1).rights, S2_RWX);
    assert_int_equal(entry(1).size, BLOCK_SIZE);
    assert_int_equal(sp.coherence.execute_faults, SPACE_EXECUTE_ONE_BY_ONE);
    for (size_t p = 0; p < 512; p++) {
        fetch(p);
    }
    assert_int_equal(sp.coherence.execute_faults, SPACE_EXECUTE_ONE_BY_ONE);
    assert_int_equal(sp.s2.table_pages, 1); // level 2
    finish();
}

static void newel_writes_executable_page(void **state)
{
    (void)state;
    uint64_t value = 77;

    for (int lazy = 0; lazy < 2; lazy++) {
        start((struct space_config){.lazy = lazy != 0}, CTR_A57, false);
        fetch(3);
        fake_cache_reset();
        assert_int_equal(guest_write(&sp.s2, gpa(BASE + 3 * PAGE_SIZE), &value, 8), 0);
        model[3] = value;
        cache[(entry(3).pa.v - ram) / PAGE_SIZE] = HANDED; // it was written and cleaned
        assert_int_equal(entry(3).rights, S2_RW | S2_X_LATER);
        assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC], 1);
        assert_int_equal(sp.coherence.written_back, 1);
        fetch(3);
        assert_int_equal(entry(3).rights, S2_RWX);
        // Whole again, since nothing is withheld in it.
        assert_int_equal(entry(3).size, lazy != 0 ? BLOCK_SIZE : BLOCK_SIZE);
        finish();
    }
}

static void door_populates(void **state)
{
    (void)state;
    uint64_t out = 1, in = 5;

    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE + 8), 8), 0);
    assert_int_equal(out, 0);
    assert_int_equal(guest_write(&sp.s2, gpa(BASE + 7 * PAGE_SIZE), &in, 8), 0);
    model[7] = 5;
    load(7);
    assert_int_equal(sp.counters.pages_populated, 2);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE + RAM_SIZE - 4), 8), ERR_RANGE);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(0x1000), 8), ERR_RANGE);
    assert_int_equal(space_fault(&sp, gpa(0x1000), SPACE_READ, false), SPACE_OUTSIDE);
    assert_int_equal(space_fault(&sp, gpa(BASE + RAM_SIZE), SPACE_READ, false), SPACE_OUTSIDE);
    finish();
}

static void loader_makes_executable(void **state)
{
    (void)state;
    uint64_t code = 0x1234;

    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(guest_write(&sp.s2, gpa(BASE + 4 * PAGE_SIZE), &code, 8), 0);
    model[4] = code;
    assert_int_equal(space_loaded(&sp, gpa(BASE + 4 * PAGE_SIZE), 100), 0);
    assert_int_equal(entry(4).rights, S2_RWX);
    fetch(4);
    assert_int_equal(sp.coherence.execute_faults, 0);
    assert_int_equal(space_loaded(&sp, gpa(BASE + 4 * MIB), 100), ERR_NOENT);
    assert_int_equal(space_loaded(&sp, gpa(BASE), RAM_SIZE + 1), ERR_RANGE);
    finish();
}

// ---- Collapse

static void collapse_moves_pages(void **state)
{
    (void)state;
    for (int executable = 0; executable < 2; executable++) {
        start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
        store(2000, 1); // so that the span's pages do not begin a block
        for (size_t i = 0; i < 512; i++) {
            size_t p = 512 + (i * 37) % 512;

            store(p, p);
            if (executable != 0 && i == 100) {
                fetch(p);
            }
        }
        assert_int_equal(sp.counters.collapsed, 1);
        assert_int_equal(entry(600).size, BLOCK_SIZE);
        assert_int_equal(entry(600).rights, executable != 0 ? S2_RWX : S2_RW | S2_X_LATER);
        assert_int_equal(sp.ram.free_pages, PAGES - 513);
        for (size_t p = 512; p < 1024; p++) {
            load(p);
        }
        fetch(513);
        assert_int_equal(sp.coherence.execute_faults, 1);
        assert_true(sp.coherence.icache_emptied > 0 || executable == 0);
        finish();
    }
}

static void no_collapse_without_block(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    // All blocks are touched before any span fills up.
    for (size_t i = 0; i < PAGES; i++) {
        size_t p = i % 8 * 512 + i / 8;

        store(p, p + 1);
    }
    assert_int_equal(sp.counters.pages_populated, PAGES);
    assert_int_equal(sp.ram.free_pages, 0);
    for (size_t p = 0; p < PAGES; p++) {
        load(p);
    }
    finish();
}

// ---- Overrides

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

// ---- Set/way

// Newel reads for a guest whose caches are off: from memory, and no line stays behind.
static void door_without_caches(void **state)
{
    (void)state;
    uint64_t out = 0;

    start((struct space_config){0}, CTR_A57, false);
    fake_cache_reset();
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
    assert_int_equal(fake_cache_calls, 0);
    space_set_uncached(&sp, 3, true);
    space_set_uncached(&sp, 1, true);
    space_set_uncached(&sp, 1, false);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
    assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC], 2);
    space_set_uncached(&sp, 3, false);
    fake_cache_reset();
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
    assert_int_equal(fake_cache_calls, 0);
    finish();
}

static void suspension(void **state)
{
    (void)state;
    for (int lazy = 0; lazy < 2; lazy++) {
        start((struct space_config){.lazy = lazy != 0}, CTR_A57, false);
        store(0, 1);
        store(600, 2);
        fetch(600);
        fake_cache_reset();
        space_maintain_all(&sp);
        assert_int_equal(fake_cache_calls, 2); // a barrier and one TLBI, whatever the size
        assert_true(entry(600).suspended);
        load(600);
        assert_false(entry(600).suspended);
        assert_true(entry(0).suspended);
        assert_true(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC] > 0);
        fake_cache_reset();
        load(600);
        fetch(600);
        assert_int_equal(fake_cache_calls, 0);
        uint64_t out = 0;

        assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
        assert_int_equal(out, 1);
        assert_true(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC] > 0);
        // Changes go on meanwhile.
        assert_int_equal(space_protect(&sp, gpa(BASE + 4 * MIB), MIB, S2_R, OVERRIDE_FAULT), 0);
        expect_answer(1024, SPACE_WRITE, SPACE_DENIED);
        load(1024);
        load(1023);
        finish();
    }
}

static void collapse_after_suspension(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    for (size_t p = 0; p < 511; p++) {
        store(p, p);
    }
    space_maintain_all(&sp);
    store(511, 511);
    assert_int_equal(sp.counters.collapsed, 0);
    for (size_t p = 0; p < 511; p++) {
        assert_int_equal(sp.counters.collapsed, 0);
        load(p);
    }
    assert_int_equal(sp.counters.collapsed, 1);
    assert_int_equal(entry(7).size, BLOCK_SIZE);
    for (size_t p = 0; p < 512; p++) {
        load(p);
    }
    finish();
}

// ---- All of it at random

static enum s2_rights allowed[PAGES];

static void random_protect(void)
{
    static const enum s2_rights rights[] = {S2_NONE, S2_R, S2_RW, S2_RX, S2_RWX, S2_RWX};
    size_t first = arena_random(&rng) % PAGES;
    size_t n = MIN(1 + arena_random(&rng) % 1200, PAGES - first);
    enum s2_rights r = rights[arena_random(&rng) % ARRAY_SIZE(rights)];

    if (space_protect(&sp, gpa(BASE + first * PAGE_SIZE), n * PAGE_SIZE, r, OVERRIDE_FAULT) == 0) {
        for (size_t p = first; p < first + n; p++) {
            allowed[p] = r;
        }
    }
}

static void random_door(size_t page)
{
    uint64_t value = arena_random(&rng);
    int err = guest_write(&sp.s2, gpa(BASE + page * PAGE_SIZE), &value, sizeof(value));

    assert_int_equal(err, (allowed[page] & S2_W) != 0 ? 0 : ERR_ACCESS);
    if (err == 0) {
        model[page] = value;
        cache[(entry(page).pa.v - ram) / PAGE_SIZE] = HANDED;
    }
}

static void random_access(size_t page)
{
    static const enum s2_rights need[] = {S2_R, S2_W, S2_X};
    enum space_access access = arena_random(&rng) % 3;
    enum space_answer answer;
    uint64_t *p = access_page(page, access, &answer);

    assert_int_equal(p != NULL, (allowed[page] & need[access]) != 0);
    if (p != NULL) {
        assert_int_equal(*p, model[page]);
        if (access == SPACE_WRITE) {
            *p = model[page] = arena_random(&rng);
        }
    }
}

// What a span says of its pages is what its descriptors say.
static void check_withheld(void)
{
    for (size_t s = 0; s < PAGES / 512; s++) {
        size_t withheld = 0;

        for (size_t p = 512 * s; p < 512 * s + 512; p++) {
            struct s2_entry e;

            if (stage2_lookup(&sp.s2, gpa(BASE + p * PAGE_SIZE), &e) == 0) {
                withheld += (e.rights & S2_X) == 0;
            }
        }
        assert_int_equal(sp.span[s].withheld, withheld);
    }
}

// One in rare is an override or a suspension.
static void everything(struct space_config c, uint64_t ctr, int steps, uint64_t rare)
{
    start(c, ctr, false);
    for (size_t p = 0; p < PAGES; p++) {
        allowed[p] = S2_RWX;
    }
    for (int i = 0; i < steps; i++) {
        size_t page = arena_random(&rng) % PAGES;

        // Spans fill up one after the other, too.
        if (arena_random(&rng) % 2 != 0) {
            page = (size_t)i * PAGES / (size_t)steps / 512 * 512 + page % 512;
        }
        if (arena_random(&rng) % rare == 0) {
            random_protect();
        } else if (arena_random(&rng) % rare == 0) {
            space_maintain_all(&sp);
        } else if (arena_random(&rng) % 64 == 0) {
            random_door(page);
        } else {
            random_access(page);
        }
        if (i % 512 == 0) {
            check_withheld();
        }
    }
    assert_int_equal(space_protect(&sp, gpa(BASE), RAM_SIZE, S2_RWX, OVERRIDE_FAULT), 0);
    for (size_t p = 0; p < PAGES; p++) {
        load(p);
        fetch(p);
    }
    finish();
}

static void random_life(void **state)
{
    (void)state;
    everything((struct space_config){.lazy = true}, CTR_A57, 60000, 256);
    everything((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, 60000, 256);
    everything((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, 100000, 20000);
    assert_true(sp.counters.collapsed > 0);
    everything((struct space_config){.lazy = true, .small_pages = true, .no_collapse = true},
               CTR_VIPT, 60000, 256);
    everything((struct space_config){0}, CTR_A57, 60000, 256);
}

// A page beside RAM that the guest reads is there again after a suspension, whether it is read
// before a reset or after it.
static void shown_page(void **state)
{
    (void)state;
    gpa_t at = gpa(0x90a0000);
    struct s2_entry e;
    hpa_t page;

    for (int reset = 0; reset < 2; reset++) {
        uint64_t progress = 0;

        start((struct space_config){.lazy = true}, CTR_A57, false);
        assert_int_equal(frames_alloc(OWNER_VM, 1, 1, &page), 0);
        assert_int_equal(space_show(&sp, at, page, PAGE_SIZE, S2_R, S2_NORMAL), 0);
        space_maintain_all(&sp);
        while (reset != 0 && space_reset_step(&sp, &progress)) {
        }
        assert_int_equal(space_fault(&sp, gpa_add(at, 8), SPACE_WRITE, false), SPACE_OUTSIDE);
        assert_int_equal(space_fault(&sp, gpa_add(at, 8), SPACE_FETCH, false), SPACE_OUTSIDE);
        assert_int_equal(space_fault(&sp, gpa_add(at, PAGE_SIZE), SPACE_READ, false),
                         SPACE_OUTSIDE);
        assert_int_equal(space_fault(&sp, gpa_add(at, 8), SPACE_READ, false), SPACE_RETRY);
        assert_int_equal(stage2_lookup(&sp.s2, gpa_add(at, 8), &e), 0);
        assert_false(e.suspended);
        assert_int_equal(e.pa.v, page.v + 8);
        assert_int_equal(e.rights, S2_R);
        frames_free(OWNER_VM, page, 1);
        finish();
    }
}

// The same of a page of the machine's, which Newel has not mapped: no maintenance, no access of its
// own.
static void shown_device(void **state)
{
    (void)state;
    gpa_t at = gpa(0x8010000);
    hpa_t device = hpa(0x1000);
    struct s2_entry e;
    uint64_t word;

    start((struct space_config){0}, CTR_A57, false);
    assert_int_equal(space_show(&sp, at, device, PAGE_SIZE, S2_RW, S2_DEVICE), 0);
    for (int access = SPACE_READ; access <= SPACE_FETCH; access++) {
        space_maintain_all(&sp);
        assert_int_equal(space_fault(&sp, gpa_add(at, 12), access, false),
                         access == SPACE_FETCH ? SPACE_OUTSIDE : SPACE_RETRY);
        assert_int_equal(stage2_lookup(&sp.s2, gpa_add(at, 12), &e), 0);
        assert_int_equal(e.suspended, access == SPACE_FETCH);
        assert_int_equal(e.rights, S2_RW);
        assert_int_equal(e.type, S2_DEVICE);
    }
    assert_int_equal(guest_read(&sp.s2, &word, at, sizeof(word)), ERR_RANGE);
    assert_int_equal(guest_write(&sp.s2, at, &word, sizeof(word)), ERR_RANGE);
    finish();
}

// Firmware's flash, all of which a reset has back in one step: not a line of it is maintained.
static void shown_flash(void **state)
{
    (void)state;
    gpa_t at = gpa(0);
    size_t pages = BLOCK_SIZE / PAGE_SIZE + 1;
    uint64_t progress = 0;
    struct s2_entry e;
    hpa_t image;

    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(frames_alloc(OWNER_VM, pages, BLOCK_SIZE / PAGE_SIZE, &image), 0);
    assert_int_equal(space_show(&sp, at, image, pages * PAGE_SIZE, S2_RX, S2_NORMAL), 0);
    uint64_t lines = sp.coherence.lines_cleaned;

    space_maintain_all(&sp);
    assert_int_equal(space_fault(&sp, at, SPACE_WRITE, false), SPACE_OUTSIDE);
    assert_int_equal(space_fault(&sp, at, SPACE_FETCH, false), SPACE_RETRY);
    space_maintain_all(&sp);
    while (space_reset_step(&sp, &progress)) {
    }
    for (size_t i = 0; i < pages; i++) {
        assert_int_equal(stage2_lookup(&sp.s2, gpa_add(at, i * PAGE_SIZE), &e), 0);
        assert_false(e.suspended);
        assert_int_equal(e.rights, S2_RX);
    }
    assert_int_equal(sp.coherence.lines_cleaned, lines);
    frames_free(OWNER_VM, image, pages);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eager_takes_no_fault),
        cmocka_unit_test(data_then_fetch),
        cmocka_unit_test(fetch_first),
        cmocka_unit_test(kinds_of_cache),
        cmocka_unit_test(block_executes_page_by_page_then_whole),
        cmocka_unit_test(newel_writes_executable_page),
        cmocka_unit_test(door_populates),
        cmocka_unit_test(loader_makes_executable),
        cmocka_unit_test(collapse_moves_pages),
        cmocka_unit_test(no_collapse_without_block),
        cmocka_unit_test(override_truth_table),
        cmocka_unit_test(lift_after_log),
        cmocka_unit_test(lift_more_than_ranges),
        cmocka_unit_test(lift_of_what_changed),
        cmocka_unit_test(override_errors),
        cmocka_unit_test(suspension),
        cmocka_unit_test(door_without_caches),
        cmocka_unit_test(collapse_after_suspension),
        cmocka_unit_test(shown_page),
        cmocka_unit_test(shown_device),
        cmocka_unit_test(shown_flash),
        cmocka_unit_test(random_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
