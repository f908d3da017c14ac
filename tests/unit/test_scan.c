// SPDX-License-Identifier: Apache-2.0
// The scanner of guests' address spaces against a recursion over the same tables. AT is played by
// the software walker, which tests/system/test_walk.py compares with the CPU's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../scan_trees.h"
#include "fake_at.h"
#include "guest_ram.h"
#include "mem/scan.h"

#define RAM_SIZE (4 * MIB)
#define TABLE    TREE_TABLE
#define TREES    1000
#define MOST     65536 // runs

static struct walk_regs regs;
static uint64_t ats;

static uint64_t at_by_walker(uint64_t va, bool el0, bool write)
{
    struct walk_regs r = regs;
    struct walk_result w;

    ats++;
    r.el = el0 ? 0 : 1;
    walk_stage1(&s2, &r, gva(va), write ? WALK_WRITE : WALK_READ, &w);
    return walk_par(&w, false);
}

static int start(void **state)
{
    (void)state;
    guest_ram_start(RAM_SIZE);
    regs = (struct walk_regs){
        .sctlr = BIT(0),
        .tcr = 16 | 16 << 16 | UINT64_C(2) << 30 | UINT64_C(5) << 32, // 48 bits, 4 KiB; IPS 48
        .ttbr0 = GUEST_BASE,
        .ttbr1 = GUEST_BASE + RAM_SIZE / 2,
        .mair = 0x00000000004404ff,
        .cpu = {.pa_bits = 48, .small_tables = true},
        .el = 1,
    };
    fake_at = at_by_walker;
    ats = 0;
    return 0;
}

// ---- The same by recursion

static struct tree_run expected[MOST];
static struct scan_run found[MOST];
static size_t expected_count;
static struct tree_memory memory = {.base = GUEST_BASE, .size = RAM_SIZE};

static void expect(void *arg, const struct tree_run *run)
{
    (void)arg;
    assert_true(expected_count < MOST);
    expected[expected_count++] = *run;
}

// ---- Scans

static struct scan scan;

// In slices of so many steps.
static size_t scan_all(uint64_t first, uint64_t last, unsigned slice)
{
    unsigned steps = slice;
    size_t n = 0;

    ats = 0;
    scan_start(&scan, &s2, &regs, gva(first), gva(last));
    for (;;) {
        enum scan_status status = scan_next(&scan, &steps, &found[n]);

        if (status == SCAN_ENDED) {
            break;
        }
        if (status == SCAN_PAUSED) {
            assert_int_equal(steps, 0);
            steps = slice;
        } else {
            n++;
            assert_true(n < MOST);
        }
    }
    assert_int_equal(scan.ats, ats);
    return n;
}

static void expect_same(size_t n)
{
    assert_int_equal(n, expected_count);
    for (size_t i = 0; i < n; i++) {
        const struct scan_run *a = &found[i];
        const struct tree_run *b = &expected[i];

        assert_int_equal(a->va, b->va);
        assert_int_equal(a->last, b->last);
        assert_int_equal(a->kind, b->unreadable ? SCAN_UNREADABLE : SCAN_MAPPED);
        if (!b->unreadable) {
            assert_int_equal(a->ipa.v, b->ipa);
            assert_int_equal(a->rights.el1, b->el1);
            assert_int_equal(a->rights.el0, b->el0);
            assert_int_equal(a->attributes, b->attributes);
            assert_int_equal(a->shareability, b->shareability);
        }
    }
}

#define LEAF (BIT(10) | UINT64_C(3) << 8) // AF, inner shareable

static void random_trees(void **state)
{
    static const unsigned most_bits[] = {48, 47, 48};
    static const uint64_t tg0[] = {0, 2, 1}, tg1[] = {2, 1, 3};
    uint64_t leaves = 0, unreadable = 0;

    for (unsigned round = 0; round < TREES; round++) {
        start(state);
        unsigned g = round % 3, page_bits = 12 + 2 * g;
        unsigned low = most_bits[g] - (unsigned)tree_pick(page_bits == 12 ? 24 : 20);
        unsigned high = most_bits[g] - (unsigned)tree_pick(page_bits == 12 ? 24 : 20);

        regs.tcr = (64 - low) | (uint64_t)(64 - high) << 16 | tg0[g] << 14 | tg1[g] << 30 |
                   UINT64_C(5) << 32;
        struct tree_shape shape = {.page_bits = page_bits, .output_bits = 48, .mair = regs.mair};

        memory.at = hpa_ptr(hpa(ram));
        memset(memory.at, 0, RAM_SIZE);
        tree_fill(&memory, page_bits, false);
        expected_count = 0;
        shape.input_bits = low;
        shape.root = regs.ttbr0;
        uint64_t entries = tree_walk(&shape, &memory, expect, NULL);

        shape.input_bits = high;
        shape.root = regs.ttbr1;
        shape.high = true;
        entries += tree_walk(&shape, &memory, expect, NULL);
        expect_same(scan_all(0, UINT64_MAX, 1 + (unsigned)tree_pick(300)));
        // No more than there are descriptors.
        assert_true(ats <= entries);
        leaves += scan.leaves;
        for (size_t i = 0; i < expected_count; i++) {
            unreadable += expected[i].unreadable;
        }
    }
    assert_true(leaves > 3 * TREES && unreadable > TREES / 2);
}

// ---- One rule at a time

// Tables one after the other from the root; the entry for va at each level.
static void map(uint64_t root, unsigned page_bits, uint64_t va, int leaf_level, uint64_t leaf)
{
    unsigned stride = page_bits - 3;
    uint64_t table = root;

    for (int level = 0; level <= leaf_level; level++) {
        unsigned shift = page_bits + stride * (unsigned)(3 - level);
        unsigned top = MIN(shift + stride - 1, 47u);
        uint64_t *entry = guest_word(table + bits_get(va, top, shift) * 8);

        table += TABLE;
        *entry = level < leaf_level ? table | 3 : leaf | (level == 3 ? 3 : 1);
    }
}

static void expect_one(uint64_t va, uint64_t size, uint64_t ipa)
{
    assert_int_equal(scan_all(0, UINT64_MAX, 256), 1);
    assert_int_equal(found[0].kind, SCAN_MAPPED);
    assert_int_equal(found[0].va, va);
    assert_int_equal(found[0].last, va + size - 1);
    assert_int_equal(found[0].ipa.v, ipa);
}

static void one_page_in_each_half(void **state)
{
    for (unsigned high = 0; high < 2; high++) {
        start(state);
        uint64_t va = 0x123456789000 | (high != 0 ? MASK(63, 48) : 0);

        map(high != 0 ? regs.ttbr1 : regs.ttbr0, 12, va, 3, 0x41000000 | LEAF);
        regs.tcr |= high != 0 ? BIT(7) : BIT(23); // EPD of the other
        expect_one(va, 0x1000, 0x41000000);
        assert_int_equal(ats, 4 * 511 + 1);
        assert_int_equal(scan.leaves, 1);
        assert_int_equal(scan.holes, 2);
    }
}

static void blocks(void **state)
{
    for (int level = 1; level <= 2; level++) {
        start(state);
        uint64_t size = level == 1 ? BIT(30) : BIT(21), va = align_down(0x123456789000, size);

        map(regs.ttbr0, 12, va, level, 0x4080000000 | LEAF);
        regs.tcr |= BIT(23);
        expect_one(va, size, 0x4080000000);
        // From its middle.
        assert_int_equal(scan_all(va + 0x1234, va + 0x5678, 9), 1);
        assert_int_equal(found[0].va, va + 0x1234);
        assert_int_equal(found[0].last, va + 0x5678);
        assert_int_equal(found[0].ipa.v, 0x4080001234);
        assert_int_equal(ats, 1);
    }
}

static void refused_is_mapped(void **state)
{
    (void)state;
    // Without an access flag, whose fault AT reports.
    map(regs.ttbr0, 12, 0x5000, 3, 0x41000000 | UINT64_C(3) << 8);
    regs.tcr |= BIT(23);
    expect_one(0x5000, 0x1000, 0x41000000);
    assert_int_equal(found[0].rights.el1, 7);
}

static uint64_t permission_fault(uint64_t va, bool el0, bool write)
{
    uint64_t par = at_by_walker(va, el0, write);

    return (par & 1) == 0 ? 1 | 0xf << 1 | BIT(11) : par;
}

static void permission_is_mapped(void **state)
{
    (void)state;
    map(regs.ttbr0, 12, 0x5000, 3, 0x41000000 | LEAF);
    regs.tcr |= BIT(23);
    fake_at = permission_fault;
    expect_one(0x5000, 0x1000, 0x41000000);
}

static void nothing_is_cheap(void **state)
{
    (void)state;
    regs.tcr |= BIT(7) | BIT(23);
    assert_int_equal(scan_all(0, UINT64_MAX, 256), 0);
    assert_int_equal(ats, 0);
    regs.tcr &= ~(BIT(7) | BIT(23));
    assert_int_equal(scan_all(BIT(48), MASK(63, 48) - 1, 256), 0); // no half's
    assert_int_equal(ats, 0);
    assert_int_equal(scan_all(0, UINT64_MAX, 256), 0);
    assert_int_equal(ats, 2 * 512);
    regs.ttbr0 = BIT(45); // no memory
    regs.ttbr1 = BIT(45);
    assert_int_equal(scan_all(0, UINT64_MAX, 256), 2);
    assert_int_equal(found[0].kind, SCAN_UNREADABLE);
    assert_int_equal(ats, 2);
}

static void stage1_off(void **state)
{
    (void)state;
    regs.sctlr = 0;
    expect_one(0, BIT(48), 0);
    assert_int_equal(ats, 0);
    assert_int_equal(scan_all(0x1000, 0x1fff, 256), 1);
    assert_int_equal(found[0].last, 0x1fff);
    assert_int_equal(found[0].ipa.v, 0x1000);
}

// The level of stage 2's fault is not the level of the hole.
static void tables_withheld(void **state)
{
    (void)state;
    uint64_t va = 0x123456789000;

    map(regs.ttbr0, 12, va, 3, 0x41000000 | LEAF);
    map(regs.ttbr0 + 8 * TABLE, 12, va + BIT(21), 3, 0x42000000 | LEAF);
    *guest_word(GUEST_BASE + 2 * TABLE + (bits_get(va, 29, 21) + 1) * 8) =
        (GUEST_BASE + 11 * TABLE) | 3;
    regs.tcr |= BIT(23);
    assert_int_equal(stage2_unmap(&s2, gpa(GUEST_BASE + 3 * TABLE), PAGE_SIZE), 0);
    assert_int_equal(scan_all(0, UINT64_MAX, 256), 2);
    assert_int_equal(found[0].kind, SCAN_UNREADABLE);
    assert_int_equal(found[0].va, align_down(va, BIT(21)));
    assert_int_equal(found[0].last, found[0].va + BIT(21) - 1);
    assert_int_equal(found[1].kind, SCAN_MAPPED);
    assert_int_equal(found[1].va, va + BIT(21));
}

// TnSZ has every value, and this walker takes many for a fault.
static void sizes(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 64; size++) {
        regs.tcr = (regs.tcr & ~(MASK(5, 0) | MASK(21, 16))) | size | size << 16;
        assert_int_equal(scan_all(0, UINT64_MAX, 4096), 0);
        assert_true((ats == 0) == (size < 16 || size > 48));
    }
}

// A table that is its own entry, everywhere, maps for ever: the scan is no less in slices.
static void loop(void **state)
{
    (void)state;
    unsigned steps = 256;
    struct scan_run run;

    for (unsigned i = 0; i < 512; i++) {
        guest_word(GUEST_BASE)[i] = GUEST_BASE | LEAF | 3;
    }
    scan_start(&scan, &s2, &regs, gva(0), gva(UINT64_MAX));
    while (scan_next(&scan, &steps, &run) == SCAN_FOUND) {
        assert_int_equal(run.ipa.v, GUEST_BASE);
    }
    assert_int_equal(steps, 0);
    assert_int_equal(scan.next, 256 * PAGE_SIZE);
    // Elsewhere it can be gone on with.
    assert_int_equal(scan_all(0xffffffffe000, MASK(47, 0), 256), 2);
}

// The guest takes a page away between the CPU's walk and the other.
static uint64_t and_then_gone(uint64_t va, bool el0, bool write)
{
    uint64_t par = at_by_walker(va, el0, write);

    if ((par & 1) == 0) {
        *guest_word(GUEST_BASE) = 0;
    }
    return par;
}

static void taken_away_meanwhile(void **state)
{
    (void)state;
    map(regs.ttbr0, 12, 0x5000, 3, 0x41000000 | LEAF);
    fake_at = and_then_gone;
    assert_int_equal(scan_all(0, UINT64_MAX, 256), 0);
}

#define TEST(f) cmocka_unit_test_setup(f, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(random_trees),
        TEST(one_page_in_each_half),
        TEST(blocks),
        TEST(refused_is_mapped),
        TEST(permission_is_mapped),
        TEST(nothing_is_cheap),
        TEST(stage1_off),
        TEST(tables_withheld),
        TEST(loop),
        TEST(taken_away_meanwhile),
        TEST(sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
