// SPDX-License-Identifier: Apache-2.0
// stage2.c against a plain array: one entry for each 4 KiB page of a 4 GiB window.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cache.h"
#include "arena.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/guest.h"
#include "mem/s2_desc.h"
#include "mem/s2_op.h"
#include "mem/stage2_lazy.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static struct pool pool;
static struct stage2 s2;

static const struct s2_features plain = {.pa_bits = 48, .vmid_bits = 8};
static const struct s2_features modern = {.pa_bits = 48,
                                          .vmid_bits = 16,
                                          .fwb = true,
                                          .ttl = true,
                                          .range_tlbi = true,
                                          .xnx = true,
                                          .bbm2 = true,
                                          .hafdbs = true};

static void start(const struct s2_features *f, unsigned ipa_bits, size_t pages)
{
    struct mem_region ram = {arena_base(), 64 * MIB};

    assert_int_equal(frames_init(&ram, 1, NULL, 0), 0);
    assert_int_equal(pool_create(&pool, OWNER_VM, pages), 0);
    stage2_setup(f);
    assert_int_equal(stage2_init(&s2, &pool, ipa_bits), 0);
    s2.vmid.value = 7;
    fake_cache_reset();
}

static uint64_t descriptor(uint64_t ipa, unsigned *level)
{
    const uint64_t *table = hpa_ptr(s2.root);
    size_t index = ipa >> s2_shift(s2.start_level);

    for (*level = s2.start_level; s2d_is_table(table[index], *level);) {
        table = s2d_table(table[index]);
        ++*level;
        index = (ipa >> s2_shift(*level)) % 512;
    }
    return table[index];
}

static void roots(void **state)
{
    (void)state;
    static const struct {
        unsigned bits, level, pages;
        uint64_t sl0;
    } cases[] = {{32, 2, 4, 0}, {34, 2, 16, 0}, {35, 1, 1, 1}, {39, 1, 1, 1},
                 {40, 1, 2, 1}, {43, 1, 16, 1}, {44, 0, 1, 2}, {48, 0, 1, 2}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        start(&plain, cases[i].bits, 64);
        assert_int_equal(s2.start_level, cases[i].level);
        assert_int_equal(s2.root_pages, cases[i].pages);
        assert_true(is_aligned(s2.root.v, cases[i].pages * PAGE_SIZE));
        assert_int_equal(bits_get(stage2_vtcr(&s2), 5, 0), 64 - cases[i].bits);
        assert_int_equal(bits_get(stage2_vtcr(&s2), 7, 6), cases[i].sl0);
        // The last page of the space, and none beyond it.
        uint64_t end = BIT(cases[i].bits);

        assert_int_equal(
            stage2_map(&s2, gpa(end - PAGE_SIZE), hpa(0x1000), PAGE_SIZE, S2_RW, S2_NORMAL), 0);
        assert_int_equal(
            stage2_map(&s2, gpa(end - PAGE_SIZE), hpa(0), 2 * PAGE_SIZE, S2_RW, S2_NORMAL),
            ERR_RANGE);
        struct s2_entry e;

        assert_int_equal(stage2_lookup(&s2, gpa(end - 1), &e), 0);
        assert_int_equal(e.pa.v, 0x1fff);
        assert_int_equal(stage2_lookup(&s2, gpa(end), &e), ERR_NOENT);
    }
    assert_int_equal(stage2_init(&s2, &pool, 31), ERR_RANGE);
    assert_int_equal(stage2_init(&s2, &pool, 49), ERR_RANGE);
    struct s2_features narrow = plain;

    narrow.pa_bits = 40;
    stage2_setup(&narrow);
    assert_int_equal(stage2_init(&s2, &pool, 41), ERR_RANGE);
    assert_int_equal(stage2_init(&s2, &pool, 40), 0);
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(BIT(40)), PAGE_SIZE, S2_RW, S2_NORMAL), ERR_RANGE);
}

static void control_registers(void **state)
{
    (void)state;
    start(&plain, 40, 16);
    assert_int_equal(stage2_vtcr(&s2),
                     BIT(31) | 5 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | 24);
    assert_int_equal(stage2_vttbr(&s2), UINT64_C(7) << 48 | s2.root.v);
    start(&modern, 40, 16);
    assert_true((stage2_vtcr(&s2) & BIT(19)) != 0);
}

static void descriptors(void **state)
{
    (void)state;
    unsigned level = 0;

    start(&plain, 40, 64);
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(2 * GIB), GIB, S2_RWX, S2_NORMAL), 0);
    assert_int_equal(descriptor(GIB, &level), 2 * GIB | 0xf << 2 | 3 << 6 | 3 << 8 | BIT(10) | 1);
    assert_int_equal(level, 1);
    assert_int_equal(stage2_map(&s2, gpa(2 * GIB), hpa(2 * MIB), 2 * MIB, S2_R, S2_NORMAL), 0);
    assert_int_equal(descriptor(2 * GIB, &level),
                     2 * MIB | 0xf << 2 | 1 << 6 | 3 << 8 | BIT(10) | BIT(54) | 1);
    assert_int_equal(level, 2);
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(0x9000), PAGE_SIZE, S2_RW, S2_DEVICE), 0);
    assert_int_equal(descriptor(0, &level), 0x9000 | 1 << 2 | 3 << 6 | BIT(10) | BIT(54) | 3);
    assert_int_equal(level, 3);
    start(&modern, 40, 64);
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(2 * GIB), GIB, S2_RWX, S2_NORMAL), 0);
    assert_int_equal(bits_get(descriptor(GIB, &level), 5, 2), 6);
}

static void wrong_arguments(void **state)
{
    (void)state;
    start(&plain, 40, 16);
    assert_int_equal(stage2_map(&s2, gpa(1), hpa(0), PAGE_SIZE, S2_RW, S2_NORMAL), ERR_INVALID);
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(1), PAGE_SIZE, S2_RW, S2_NORMAL), ERR_INVALID);
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(0), 1, S2_RW, S2_NORMAL), ERR_INVALID);
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(0), 0, S2_RW, S2_NORMAL), ERR_RANGE);
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(0), PAGE_SIZE, S2_X, S2_NORMAL), ERR_INVALID);
    assert_int_equal(stage2_protect(&s2, gpa(0), PAGE_SIZE, S2_X | S2_W), ERR_INVALID);
    assert_int_equal(stage2_unmap(&s2, gpa(BIT(40)), PAGE_SIZE), ERR_RANGE);
    assert_int_equal(stage2_unmap(&s2, gpa(-PAGE_SIZE), PAGE_SIZE), ERR_RANGE);
}

static void contiguous_hint(void **state)
{
    (void)state;
    unsigned level = 0;

    start(&plain, 40, 64);
    // From 30 MiB to 98 MiB: the groups from 32 to 96.
    assert_int_equal(
        stage2_map(&s2, gpa(30 * MIB), hpa(GIB + 30 * MIB), 68 * MIB, S2_RW, S2_NORMAL), 0);
    for (uint64_t a = 30 * MIB; a < 98 * MIB; a += 2 * MIB) {
        bool hinted = (descriptor(a, &level) & S2D_CONTIGUOUS) != 0;

        assert_int_equal(level, 2);
        assert_int_equal(hinted, a >= 32 * MIB && a < 96 * MIB);
    }
    // A change within a group takes the hint from all of it, and from no other.
    assert_int_equal(stage2_protect(&s2, gpa(40 * MIB), 2 * MIB, S2_R), 0);
    for (uint64_t a = 32 * MIB; a < 96 * MIB; a += 2 * MIB) {
        assert_int_equal((descriptor(a, &level) & S2D_CONTIGUOUS) != 0, a >= 64 * MIB);
    }
    // A change of a whole group leaves it one.
    assert_int_equal(stage2_protect(&s2, gpa(64 * MIB), 32 * MIB, S2_R), 0);
    assert_true((descriptor(64 * MIB, &level) & S2D_CONTIGUOUS) != 0);
    assert_int_equal(bits_get(descriptor(64 * MIB, &level), 7, 6), 1);
    // Not where the two sides are aligned differently.
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(GIB + 2 * MIB), 64 * MIB, S2_RW, S2_NORMAL), 0);
    assert_false((descriptor(GIB, &level) & S2D_CONTIGUOUS) != 0);
    // Pages: 64 KiB.
    assert_int_equal(
        stage2_map(&s2, gpa(2 * GIB + 0xf000), hpa(2 * GIB + 0xf000), 0x12000, S2_RW, S2_NORMAL),
        0);
    assert_false((descriptor(2 * GIB + 0xf000, &level) & S2D_CONTIGUOUS) != 0);
    assert_true((descriptor(2 * GIB + 0x10000, &level) & S2D_CONTIGUOUS) != 0);
    assert_true((descriptor(2 * GIB + 0x1f000, &level) & S2D_CONTIGUOUS) != 0);
    assert_false((descriptor(2 * GIB + 0x20000, &level) & S2D_CONTIGUOUS) != 0);
}

// ---- TLB maintenance

static void map_needs_none(void **state)
{
    (void)state;
    start(&plain, 40, 64);
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(GIB), 3 * MIB, S2_RWX, S2_NORMAL), 0);
    assert_int_equal(fake_cache_calls, 1);
    assert_int_equal(fake_cache_log[0].op, FAKE_DSB_ISHST);
}

static void one_page(void **state)
{
    (void)state;
    start(&modern, 40, 64);
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(GIB), 8 * PAGE_SIZE, S2_RWX, S2_NORMAL), 0);
    fake_cache_reset();
    assert_int_equal(stage2_protect(&s2, gpa(GIB + PAGE_SIZE), PAGE_SIZE, S2_RW), 0);
    assert_int_equal(fake_cache_log[0].op, FAKE_DSB_ISHST);
    assert_int_equal(fake_cache_log[1].op, FAKE_TLBI_IPA);
    assert_int_equal(fake_cache_log[1].address, (GIB + PAGE_SIZE) >> 12 | UINT64_C(7) << 44);
    assert_true(fake_cache_log[1].last);
    assert_int_equal(fake_cache_log[1].vttbr, stage2_vttbr(&s2));
    assert_int_equal(fake_cache_log[2].op, FAKE_TLBI_END);
    assert_int_equal(fake_cache_log[2].vttbr, stage2_vttbr(&s2));
    fake_cache_reset();
    // The same rights once more: nothing to do.
    assert_int_equal(stage2_protect(&s2, gpa(GIB + PAGE_SIZE), PAGE_SIZE, S2_RW), 0);
    assert_int_equal(fake_cache_count[FAKE_TLBI_IPA], 0);
}

// Operand of RIPAS2E1IS: 4 KiB granule.
static uint64_t range_operand(uint64_t ipa, uint64_t scale, uint64_t num, uint64_t level)
{
    return UINT64_C(1) << 46 | scale << 44 | num << 39 | level << 37 | ipa >> 12;
}

static void expect_flush(enum fake_cache_op op, uint64_t operand, bool last)
{
    assert_int_equal(fake_cache_log[0].op, FAKE_DSB_ISHST);
    assert_int_equal(fake_cache_log[1].op, op);
    assert_int_equal(fake_cache_log[1].address, operand);
    assert_int_equal(fake_cache_log[1].last, last);
    assert_int_equal(fake_cache_log[1].vttbr, stage2_vttbr(&s2));
    assert_int_equal(fake_cache_log[2].op, op == FAKE_TLBI_VMID ? FAKE_DSB_ISHST : FAKE_TLBI_END);
    fake_cache_reset();
}

static void ranges(void **state)
{
    (void)state;
    start(&modern, 40, 64);
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(GIB), MIB, S2_RWX, S2_NORMAL), 0);
    fake_cache_reset();
    // 64 pages, 32 units of two; then 65, two units of 64.
    assert_int_equal(stage2_protect(&s2, gpa(GIB), 64 * PAGE_SIZE, S2_RW), 0);
    fake_cache_reset(); // groups: broken, and so done before
    assert_int_equal(stage2_unmap(&s2, gpa(GIB), 64 * PAGE_SIZE), 0);
    expect_flush(FAKE_TLBI_IPA_RANGE, range_operand(GIB, 0, 31, 3), true);
    assert_int_equal(stage2_unmap(&s2, gpa(GIB + 64 * PAGE_SIZE), 80 * PAGE_SIZE), 0);
    expect_flush(FAKE_TLBI_IPA_RANGE, range_operand(GIB + 64 * PAGE_SIZE, 1, 1, 3), true);
    // The rest, and with it the tables.
    assert_int_equal(stage2_unmap(&s2, gpa(GIB), MIB), 0);
    expect_flush(FAKE_TLBI_IPA_RANGE, range_operand(GIB + 144 * PAGE_SIZE, 1, 1, 0), false);
    assert_int_equal(s2.table_pages, 0);
    // Blocks of one level; more than a range reaches.
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(0), 16 * GIB, S2_RWX, S2_NORMAL), 0);
    fake_cache_reset();
    assert_int_equal(stage2_unmap(&s2, gpa(0), 8 * GIB), 0);
    expect_flush(FAKE_TLBI_IPA_RANGE, range_operand(0, 3, 31, 1), true);
    assert_int_equal(stage2_map(&s2, gpa(0), hpa(0), GIB, S2_RWX, S2_NORMAL), 0);
    fake_cache_reset();
    assert_int_equal(stage2_unmap(&s2, gpa(0), 9 * GIB), 0);
    expect_flush(FAKE_TLBI_VMID, 0, false);
}

static void one_by_one(void **state)
{
    (void)state;
    start(&plain, 40, 64);
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(GIB), GIB, S2_RWX, S2_NORMAL), 0);
    assert_int_equal(stage2_unmap(&s2, gpa(GIB), 2 * MIB), 0);
    fake_cache_reset();
    // 64 blocks take 64 instructions, one more all of the VM's TLB entries.
    assert_int_equal(stage2_unmap(&s2, gpa(GIB + 32 * MIB), 128 * MIB), 0);
    assert_int_equal(fake_cache_count[FAKE_TLBI_IPA], 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(fake_cache_log[1 + i].address, (GIB + 32 * MIB + i * 2 * MIB) >> 12);
        assert_true(fake_cache_log[1 + i].last);
    }
    assert_int_equal(fake_cache_log[65].op, FAKE_TLBI_END);
    fake_cache_reset();
    assert_int_equal(stage2_unmap(&s2, gpa(GIB + 320 * MIB), 160 * MIB), 0);
    expect_flush(FAKE_TLBI_VMID, 0, false);
}

// A hook that looks at the tables at the moment of each TLB invalidation.
static uint64_t watched;
static int invalid_at_tlbi, seen_by_lookup;

static void watch(const struct fake_cache_call *call)
{
    unsigned level = 0;
    struct s2_entry e;

    if (call->op >= FAKE_TLBI_IPA && call->op <= FAKE_TLBI_VMID) {
        invalid_at_tlbi += !s2d_valid(descriptor(watched, &level));
        seen_by_lookup += stage2_lookup(&s2, gpa(watched), &e) == 0 && e.pa.v == watched;
    }
}

static void break_before_make(void **state)
{
    (void)state;
    for (int bbm2 = 0; bbm2 < 2; bbm2++) {
        start(bbm2 != 0 ? &modern : &plain, 40, 64);
        assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(GIB), GIB, S2_RWX, S2_NORMAL), 0);
        watched = GIB + 512 * MIB;
        invalid_at_tlbi = seen_by_lookup = 0;
        fake_cache_hook = watch;
        assert_int_equal(stage2_protect(&s2, gpa(watched + PAGE_SIZE), PAGE_SIZE, S2_R), 0);
        fake_cache_hook = NULL;
        // Two splits broke it, or replaced it at once; the protect itself changed another page.
        assert_int_equal(invalid_at_tlbi, bbm2 != 0 ? 0 : 2);
        assert_int_equal(seen_by_lookup, 3);
        assert_int_equal(s2.table_pages, 2);
    }
}

// ---- Against the model

#define WINDOW_PAGES (3 * 262144u)
#define MAPPED       BIT(63)

static uint64_t *model; // pa | rights | type << 4 | MAPPED for each page, 0 if not mapped
static uint64_t rng = 7;

static uint64_t pick(uint64_t n)
{
    return arena_random(&rng) % n;
}

static void expect_page(uint64_t base, size_t page)
{
    struct s2_entry e;
    int err = stage2_lookup(&s2, gpa(base + page * PAGE_SIZE + 0x123), &e);

    if (model[page] == 0) {
        assert_int_equal(err, ERR_NOENT);
        return;
    }
    assert_int_equal(err, 0);
    assert_int_equal(e.pa.v & ~PAGE_MASK, model[page] & ~MAPPED & ~PAGE_MASK);
    assert_int_equal(e.pa.v & PAGE_MASK, 0x123);
    assert_int_equal(e.rights, model[page] & 15);
    assert_int_equal(e.type, model[page] >> 4 & 1);
}

// Sizes that make pages, contiguous groups, blocks and mixtures.
static size_t pick_size(void)
{
    static const size_t units[] = {1, 1, 1, 16, 32, 512};
    size_t unit = pick(64) == 0 ? 131072 : pick(16) == 0 ? 8192 : units[pick(ARRAY_SIZE(units))];

    return unit * (1 + pick(4)) + (pick(8) == 0 ? pick(16) : 0);
}

static size_t pick_page(size_t size)
{
    size_t align = (size_t)1 << pick(18);
    size_t page = pick(WINDOW_PAGES);

    page -= pick(4) != 0 ? page % align : 0;
    return MIN(page, WINDOW_PAGES - size);
}

static enum s2_rights pick_rights(void)
{
    static const enum s2_rights rights[] = {S2_NONE, S2_R, S2_W, S2_RW, S2_RX, S2_RWX};

    return rights[pick(ARRAY_SIZE(rights))];
}

static void do_map(uint64_t base, size_t page, size_t size)
{
    uint64_t pa = pick(1 << 18) * (pick(2) != 0 ? PAGE_SIZE : BLOCK_SIZE);
    enum s2_rights rights = pick_rights();
    enum s2_memtype type = pick(8) == 0 ? S2_DEVICE : S2_NORMAL;
    bool exists = false;

    pa = pick(2) != 0 ? base + page * PAGE_SIZE : pa;
    for (size_t i = page; i < page + size && !exists; i++) {
        exists = model[i] != 0;
    }
    int err =
        stage2_map(&s2, gpa(base + page * PAGE_SIZE), hpa(pa), size * PAGE_SIZE, rights, type);

    if (exists) {
        assert_int_equal(err, ERR_EXISTS);
    } else if (err == 0) {
        for (size_t i = 0; i < size; i++) {
            model[page + i] = (pa + i * PAGE_SIZE) | rights | (uint64_t)type << 4 | MAPPED;
        }
    } else {
        assert_int_equal(err, ERR_NOMEM);
    }
}

static void do_unmap(uint64_t base, size_t page, size_t size)
{
    int err = stage2_unmap(&s2, gpa(base + page * PAGE_SIZE), size * PAGE_SIZE);

    if (err == 0) {
        memset(&model[page], 0, size * sizeof(*model));
    } else {
        assert_int_equal(err, ERR_NOMEM);
    }
}

static void do_protect(uint64_t base, size_t page, size_t size)
{
    enum s2_rights rights = pick_rights();
    int err = stage2_protect(&s2, gpa(base + page * PAGE_SIZE), size * PAGE_SIZE, rights);

    if (err != 0) {
        assert_int_equal(err, ERR_NOMEM);
        return;
    }
    for (size_t i = page; i < page + size; i++) {
        model[i] = model[i] == 0 ? 0 : (model[i] & ~UINT64_C(15)) | rights;
    }
}

// As an override: execution that was not granted is not granted yet.
static void do_override(uint64_t base, size_t page, size_t size)
{
    enum s2_rights rights = pick_rights();
    int err = stage2_override_locked(&s2, gpa(base + page * PAGE_SIZE), size * PAGE_SIZE, rights);

    if (err != 0) {
        assert_int_equal(err, ERR_NOMEM);
        return;
    }
    for (size_t i = page; i < page + size; i++) {
        bool later = (rights & S2_X) != 0 && (model[i] & S2_X) == 0;
        uint64_t granted = later ? (rights & ~S2_X) | S2_X_LATER : rights;

        model[i] = model[i] == 0 ? 0 : (model[i] & ~UINT64_C(15)) | granted;
    }
}

// The hint must be on all 16 of a group that agree, or on none.
static void check_group(const uint64_t *group, unsigned level)
{
    for (size_t i = 0; i < S2_CONTIGUOUS_ENTRIES && (group[0] & S2D_CONTIGUOUS) != 0; i++) {
        assert_int_equal(group[i], group[0] + i * s2_span(level));
        assert_true(is_aligned(group[0] & S2D_ADDRESS, 16 * s2_span(level)));
    }
    for (size_t i = 0; i < S2_CONTIGUOUS_ENTRIES; i++) {
        assert_true((group[i] & S2D_CONTIGUOUS) == (group[0] & S2D_CONTIGUOUS));
        assert_true((group[i] & S2D_BROKEN) == 0);
        assert_true(group[i] == 0 || s2d_valid(group[i]));
    }
}

static size_t check_tables(const uint64_t *table, size_t entries, unsigned level)
{
    size_t tables = 0, used = 0;

    for (size_t i = 0; i < entries; i++) {
        if (i % S2_CONTIGUOUS_ENTRIES == 0 && level > 0) {
            check_group(&table[i], level);
        }
        used += table[i] != 0;
        if (s2d_is_table(table[i], level)) {
            tables += 1 + check_tables(s2d_table(table[i]), S2_ENTRIES, level + 1);
        }
    }
    // No empty table stays behind.
    assert_true(used > 0 || level == s2.start_level);
    return tables;
}

static void check_all(uint64_t base)
{
    size_t entries = BIT(s2.ipa_bits) >> s2_shift(s2.start_level);

    for (size_t page = 0; page < WINDOW_PAGES; page++) {
        expect_page(base, page);
    }
    assert_int_equal(check_tables(hpa_ptr(s2.root), entries, s2.start_level), s2.table_pages);
    assert_int_equal(pool.used, s2.table_pages + s2.root_pages);
}

static void random_against_model(const struct s2_features *f, unsigned ipa_bits, uint64_t base,
                                 size_t pages, int operations)
{
    start(f, ipa_bits, pages);
    model = calloc(WINDOW_PAGES, sizeof(*model));
    for (int i = 0; i < operations; i++) {
        size_t size = MIN(pick_size(), WINDOW_PAGES), page = pick_page(size);
        size_t used = pool.used;
        uint64_t what = pick(9);

        if (what < 4) {
            do_map(base, page, size);
        } else if (what < 6) {
            do_unmap(base, page, size);
        } else if (what < 8) {
            do_protect(base, page, size);
        } else {
            do_override(base, page, size);
            (void)stage2_join(&s2, gpa(base + page * PAGE_SIZE)); // which nobody sees
        }
        assert_true(pool.used >= s2.root_pages && (what >= 4 || pool.used >= used));
        expect_page(base, page);
        expect_page(base, page + size - 1);
        expect_page(base, page > 0 ? page - 1 : 0);
        expect_page(base, MIN(page + size, WINDOW_PAGES - 1));
        expect_page(base, page + pick(size));
        if (i % (operations / 8) == operations / 8 - 1) {
            check_all(base);
        }
    }
    assert_int_equal(stage2_unmap(&s2, gpa(0), BIT(ipa_bits)), 0);
    assert_int_equal(s2.table_pages, 0);
    assert_int_equal(pool.used, s2.root_pages);
    free(model);
}

// Most of the time the pool is nearly exhausted, so that operations fail at every point.
static void random_scarce(void **state)
{
    (void)state;
    random_against_model(&plain, 40, GIB / 2, 20, 300000);
    random_against_model(&modern, 32, GIB, 30, 200000);
}

static void random_plenty(void **state)
{
    (void)state;
    random_against_model(&plain, 48, (UINT64_C(1) << 39) - GIB, 2200, 250000);
    random_against_model(&modern, 36, 0, 2200, 250000);
}

static void pages_needed_suffice(void **state)
{
    (void)state;
    for (unsigned bits = 32; bits <= 48; bits++) {
        start(&plain, bits, stage2_pages_needed(bits, 300 * MIB));
        uint64_t base = BIT(bits - 1) - 150 * MIB;

        for (uint64_t a = 0; a < 300 * MIB; a += PAGE_SIZE) {
            assert_int_equal(stage2_map(&s2, gpa(base + a), hpa(a), PAGE_SIZE, S2_RW, S2_NORMAL),
                             0);
        }
    }
}

// Every allocation fails once; then the operation succeeds, and nothing had changed before.
static void each_allocation_fails(void **state)
{
    (void)state;
    void *hold[32];

    for (size_t spare = 0; spare < 8; spare++) {
        start(&plain, 48, 16);
        size_t held = 0;

        while (pool.used < 16 - spare) {
            hold[held++] = pool_get(&pool);
        }
        // Level 1, level 2 and a level-3 table at each end.
        int err = stage2_map(&s2, gpa(GIB - PAGE_SIZE), hpa(GIB - PAGE_SIZE), GIB + 2 * PAGE_SIZE,
                             S2_RW, S2_NORMAL);

        assert_int_equal(err, spare < 5 ? ERR_NOMEM : 0);
        assert_int_equal(pool.used, 16 - spare + (err == 0 ? 5 : 0));
        while (held > 0) {
            pool_put(&pool, hold[--held]);
        }
    }
}

// ---- The door

static void door(void **state)
{
    (void)state;
    uint64_t ram = arena_base() + 32 * MIB;
    char out[3 * PAGE_SIZE], in[3 * PAGE_SIZE];

    start(&plain, 40, 64);
    // Two pages that are neighbours for the guest alone, then one it may not write, then a device.
    assert_int_equal(stage2_map(&s2, gpa(GIB), hpa(ram + 0x5000), PAGE_SIZE, S2_RW, S2_NORMAL), 0);
    assert_int_equal(stage2_map(&s2, gpa(GIB + 0x1000), hpa(ram), PAGE_SIZE, S2_RW, S2_NORMAL), 0);
    assert_int_equal(
        stage2_map(&s2, gpa(GIB + 0x2000), hpa(ram + 0x9000), PAGE_SIZE, S2_RX, S2_NORMAL), 0);
    assert_int_equal(
        stage2_map(&s2, gpa(GIB + 0x3000), hpa(ram + 0xa000), PAGE_SIZE, S2_RW, S2_DEVICE), 0);
    for (size_t i = 0; i < sizeof(in); i++) {
        in[i] = (char)(i * 7);
    }
    assert_int_equal(guest_write(&s2, gpa(GIB + 100), in, 0x1e00), 0);
    assert_int_equal(guest_read(&s2, out, gpa(GIB + 100), 0x1e00), 0);
    assert_memory_equal(in, out, 0x1e00);
    assert_memory_equal(hpa_ptr(hpa(ram + 0x5000 + 100)), in, 0x1000 - 100);
    assert_memory_equal(hpa_ptr(hpa(ram)), in + 0x1000 - 100, 0xe00);
    // All or nothing.
    memset(in, 1, sizeof(in));
    assert_int_equal(guest_write(&s2, gpa(GIB + 100), in, 0x2000), ERR_ACCESS);
    assert_int_equal(guest_read(&s2, in, gpa(GIB + 100), 0x1e00), 0);
    assert_memory_equal(in, out, 0x1e00);
    assert_int_equal(guest_read(&s2, in, gpa(GIB + 0x2ff0), 0x20), ERR_RANGE);
    assert_int_equal(guest_read(&s2, in, gpa(GIB + 0x2ff0), 0x10), 0);
    assert_int_equal(guest_read(&s2, in, gpa(GIB - 1), 2), ERR_RANGE);
    assert_int_equal(guest_read(&s2, in, gpa(UINT64_MAX - 4), 16), ERR_RANGE);
    assert_int_equal(guest_read(&s2, in, gpa(GIB), SIZE_MAX), ERR_RANGE);
    assert_int_equal(guest_zero(&s2, gpa(GIB + 0xffe), 4), 0);
    assert_int_equal(guest_read(&s2, in, gpa(GIB + 0xffd), 6), 0);
    assert_memory_equal(in + 1, "\0\0\0\0", 4);
    assert_int_equal(guest_write(&s2, gpa(GIB), in, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots),
        cmocka_unit_test(control_registers),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(contiguous_hint),
        cmocka_unit_test(map_needs_none),
        cmocka_unit_test(one_page),
        cmocka_unit_test(ranges),
        cmocka_unit_test(one_by_one),
        cmocka_unit_test(break_before_make),
        cmocka_unit_test(random_scarce),
        cmocka_unit_test(random_plenty),
        cmocka_unit_test(pages_needed_suffice),
        cmocka_unit_test(each_allocation_fails),
        cmocka_unit_test(door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
