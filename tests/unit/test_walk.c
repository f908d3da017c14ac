// SPDX-License-Identifier: Apache-2.0
// The software walker on guest tables made by hand, one rule of the architecture at a time. AT
// itself is the other judge, on the machine.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_ram.h"
#include "mem/walk.h"

#define RAM_SIZE (16 * MIB)

static struct walk_regs regs;

static int start(void **state)
{
    (void)state;
    guest_ram_start(RAM_SIZE);
    regs = (struct walk_regs){
        .sctlr = BIT(0),
        // Both halves 48 bits; IPS 48.
        .tcr = 16 | 16 << 16 | UINT64_C(2) << 30 | UINT64_C(5) << 32,
        .ttbr0 = GUEST_BASE,
        .ttbr1 = GUEST_BASE + 0x100000,
        .mair = 0x00000000004404ff,
        .cpu = {.pa_bits = 40, .hpds = true, .e0pd = true, .pauth = true, .epan = true},
        .el = 1,
    };
    return 0;
}

static struct walk_result stage1(uint64_t va, enum walk_access access)
{
    struct walk_result w;

    walk_stage1(&s2, &regs, gva(va), access, &w);
    return w;
}

static struct walk_result both(uint64_t va, enum walk_access access)
{
    struct walk_result w;

    walk_both(&s2, &regs, gva(va), access, &w);
    return w;
}

static void expect_fault(struct walk_result w, enum walk_fault kind, int level)
{
    assert_int_equal(w.fault, kind);
    assert_int_equal(w.level, level);
    assert_false(w.stage2);
}

#define LEAF (BIT(10) | UINT64_C(3) << 8) // AF, inner shareable

// Tables one after the other from the root, 64 KiB apart; the entry for va at each level.
static void map(uint64_t root, unsigned page_bits, unsigned input, uint64_t va, int leaf_level,
                uint64_t leaf)
{
    unsigned stride = page_bits - 3, levels = (input - page_bits + stride - 1) / stride;
    unsigned shift = page_bits + stride * (levels - 1);
    uint64_t table = root;

    for (int first = 4 - (int)levels, level = first; level <= leaf_level;
         level++, shift -= stride) {
        unsigned bits = level == first ? input - shift : stride;
        uint64_t *entry = guest_word(table + bits_get(va, shift + bits - 1, shift) * 8);

        if (level == leaf_level) {
            *entry = leaf | (level == 3 ? 3 : 1);
        } else {
            table += 0x10000;
            *entry = table | 3;
        }
    }
}

static void granules_and_levels(void **state)
{
    (void)state;
    static const struct {
        unsigned bits, tg0;
        int level;
        unsigned size_bits, input;
    } cases[] = {{12, 0, 3, 12, 48}, {12, 0, 2, 21, 48}, {12, 0, 1, 30, 48}, {14, 2, 3, 14, 48},
                 {14, 2, 2, 25, 48}, {16, 1, 3, 16, 48}, {16, 1, 2, 29, 48}, {12, 0, 3, 12, 39},
                 {12, 0, 2, 21, 36}, {12, 0, 3, 12, 25}, {14, 2, 3, 14, 36}, {16, 1, 3, 16, 42},
                 {16, 1, 3, 16, 30}, {14, 2, 2, 25, 37}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        start(state);
        uint64_t va = (BIT(cases[i].input - 1) | BIT(cases[i].input - 2) | 0x12345678) &
                      (BIT(cases[i].input) - 1);
        uint64_t size = BIT(cases[i].size_bits), out = align_down(0x2480000000, size);

        regs.tcr &= ~UINT64_C(0x3f);
        regs.tcr |= (64 - cases[i].input) | cases[i].tg0 << 14;
        map(GUEST_BASE, cases[i].bits, cases[i].input, va, cases[i].level, out | LEAF);
        struct walk_result w = stage1(va, WALK_READ);

        assert_int_equal(w.fault, WALK_OK);
        assert_int_equal(w.level, cases[i].level);
        assert_int_equal(w.size, size);
        assert_int_equal(w.ipa.v, out | (va & (size - 1)));
        assert_int_equal(w.attributes, 0xff);
        assert_int_equal(walk_par(&w, false),
                         (w.ipa.v & ~PAGE_MASK) | UINT64_C(0xff) << 56 | 3 << 7 | BIT(11));
        // Not above what the size field covers.
        expect_fault(stage1(va | BIT(cases[i].input), WALK_READ), WALK_TRANSLATION, 0);
    }
}

static void upper_half(void **state)
{
    (void)state;
    uint64_t va = 0xffff800012345678;

    map(GUEST_BASE + 0x100000, 12, 48, va & MASK(47, 0), 3, 0x41000000 | LEAF);
    assert_int_equal(stage1(va, WALK_READ).ipa.v, 0x41000678);
    expect_fault(stage1(va & ~BIT(60), WALK_READ), WALK_TRANSLATION, 0);
    expect_fault(stage1(va & ~BIT(50), WALK_READ), WALK_TRANSLATION, 0);
    regs.tcr |= BIT(38); // TBI1
    assert_int_equal(stage1(va & ~BIT(60), WALK_READ).ipa.v, 0x41000678);
    expect_fault(stage1(va & ~BIT(50), WALK_READ), WALK_TRANSLATION, 0);
    regs.tcr |= BIT(52); // TBID1: not for fetches
    expect_fault(stage1(va & ~BIT(60), WALK_FETCH), WALK_TRANSLATION, 0);
    regs.tcr |= BIT(23); // EPD1
    expect_fault(stage1(va, WALK_READ), WALK_TRANSLATION, 0);
}

static void holes(void **state)
{
    (void)state;
    uint64_t va = 0x123456789000;

    for (int level = 0; level < 4; level++) {
        start(state);
        map(GUEST_BASE, 12, 48, va, 3, 0x41000000 | LEAF);
        assert_int_equal(stage1(va, WALK_READ).fault, WALK_OK);
        unsigned shift = 39 - 9 * (unsigned)level;
        uint64_t *entry =
            guest_word(GUEST_BASE + (uint64_t)level * 0x10000 + bits_get(va, shift + 8, shift) * 8);
        uint64_t old = *entry;

        *entry = old & ~BIT(0);
        expect_fault(stage1(va, WALK_READ), WALK_TRANSLATION, level);
        assert_int_equal(walk_par((struct walk_result[]){stage1(va, WALK_READ)}, false),
                         1 | (4 + (uint64_t)level) << 1 | BIT(11));
        if (level == 0 || level == 3) {
            *entry = (old & ~UINT64_C(2)) | 1; // no block there
            expect_fault(stage1(va, WALK_READ), WALK_TRANSLATION, level);
        }
        *entry = old | BIT(41); // beyond the guest's 40 bits
        expect_fault(stage1(va, WALK_READ), WALK_ADDRESS_SIZE, level);
    }
    start(state);
    regs.ttbr0 |= BIT(42);
    expect_fault(stage1(va, WALK_READ), WALK_ADDRESS_SIZE, 0);
}

static void reserved_settings(void **state)
{
    (void)state;
    regs.tcr |= 3 << 14; // TG0
    expect_fault(stage1(0, WALK_READ), WALK_TRANSLATION, 0);
    regs.tcr &= ~UINT64_C(0xc03f);
    regs.tcr |= 15;
    expect_fault(stage1(0, WALK_READ), WALK_TRANSLATION, 0);
    regs.tcr |= 40;
    expect_fault(stage1(0, WALK_READ), WALK_TRANSLATION, 0);
}

static bool allowed(uint64_t leaf, uint64_t table, unsigned el, enum walk_access access)
{
    map(GUEST_BASE, 12, 48, 0x5000, 3, 0x41000000 | LEAF | leaf);
    *guest_word(GUEST_BASE + 0x10000) |= table;
    regs.el = el;
    struct walk_result w = stage1(0x5000, access);

    *guest_word(GUEST_BASE + 0x10000) &= ~MASK(63, 59);
    if (w.fault != WALK_OK) {
        expect_fault(w, WALK_PERMISSION, 3);
    }
    return w.fault == WALK_OK;
}

static void expect_rights(uint64_t leaf, uint64_t table, const char *el1, const char *el0)
{
    static const char letters[] = "rwx";

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(allowed(leaf, table, 1, (enum walk_access)i), el1[i] == letters[i]);
        assert_int_equal(allowed(leaf, table, 0, (enum walk_access)i), el0[i] == letters[i]);
    }
}

static void rights(void **state)
{
    (void)state;
    const uint64_t el0 = BIT(6), ro = BIT(7), pxn = BIT(53), uxn = BIT(54);

    expect_rights(0, 0, "rwx", "--x");
    expect_rights(uxn, 0, "rwx", "---");
    expect_rights(ro | uxn, 0, "r-x", "---");
    expect_rights(ro | pxn, 0, "r--", "--x");
    expect_rights(el0, 0, "rw-", "rwx"); // what EL0 writes EL1 does not execute
    expect_rights(el0 | ro, 0, "r-x", "r-x");
    expect_rights(el0 | ro | pxn | uxn, 0, "r--", "r--");
    // Tables take away.
    expect_rights(el0, BIT(61), "rwx", "--x");
    expect_rights(el0, BIT(62), "r-x", "r-x");
    expect_rights(0, BIT(59), "rw-", "--x");
    expect_rights(0, BIT(60), "rwx", "---");
    expect_rights(el0 | ro, BIT(59) | BIT(60), "r--", "r--");
    regs.tcr |= BIT(41); // HPD0
    expect_rights(el0 | ro, BIT(59) | BIT(60), "r-x", "r-x");
    regs.tcr &= ~BIT(41);
    regs.sctlr |= BIT(19); // WXN
    expect_rights(uxn, 0, "rw-", "---");
    expect_rights(el0, 0, "rw-", "rw-");
    expect_rights(ro | uxn, 0, "r-x", "---");
    regs.sctlr &= ~BIT(19);
    regs.pan = true;
    expect_rights(el0 | ro, 0, "--x", "r-x");
    expect_rights(ro, 0, "r-x", "--x");
    regs.sctlr |= BIT(57); // EPAN
    expect_rights(ro, 0, "--x", "--x");
    expect_rights(ro | uxn, 0, "r-x", "---");
    regs.sctlr &= ~BIT(57);
    regs.pan = false;
    regs.tcr |= BIT(55); // E0PD0
    regs.el = 0;
    expect_fault(stage1(0x5000, WALK_READ), WALK_TRANSLATION, 0);
}

static void hardware_updates(void **state)
{
    (void)state;
    map(GUEST_BASE, 12, 48, 0x5000, 3, 0x41000000 | BIT(7) | BIT(51));
    expect_fault(stage1(0x5000, WALK_READ), WALK_ACCESS_FLAG, 3);
    regs.tcr |= BIT(39) | BIT(40);
    expect_fault(stage1(0x5000, WALK_READ), WALK_ACCESS_FLAG, 3);
    regs.cpu.access_flag = regs.cpu.dirty = true;
    assert_int_equal(stage1(0x5000, WALK_WRITE).fault, WALK_OK);
    regs.tcr &= ~BIT(40);
    expect_fault(stage1(0x5000, WALK_WRITE), WALK_PERMISSION, 3);
}

// The CPU's own write of a descriptor is the guest's access, too.
static void update_of_a_protected_table(void **state)
{
    (void)state;
    map(GUEST_BASE, 12, 48, 0x5000, 3, 0x41000000 | BIT(7) | BIT(10) | BIT(51));
    regs.tcr |= BIT(39) | BIT(40);
    regs.cpu.access_flag = regs.cpu.dirty = true;
    assert_int_equal(stage2_protect(&s2, gpa(GUEST_BASE + 0x30000), PAGE_SIZE, S2_R), 0);
    assert_int_equal(stage1(0x5000, WALK_READ).fault, WALK_OK);
    struct walk_result w = stage1(0x5000, WALK_WRITE);

    assert_true(w.fault == WALK_PERMISSION && w.stage2 && w.on_walk && w.level == 3);
    assert_int_equal(w.ipa.v, GUEST_BASE + 0x30000 + 5 * 8);
    // What a table takes away is not given back by the dirty state.
    *guest_word(GUEST_BASE + 0x20000) |= BIT(62);
    expect_fault(stage1(0x5000, WALK_WRITE), WALK_PERMISSION, 3);
}

static void wide_addresses(void **state)
{
    (void)state;
    uint64_t va = UINT64_C(0x3) << 48 | 0x123456789000, out = UINT64_C(0x5) << 48 | 0x41230000;

    // 64 KiB granule: output bits 51:48 in 15:12, 52-bit input from level 1.
    regs.cpu.pa_bits = 52;
    regs.tcr = 12 | 16 << 16 | 1 << 14 | UINT64_C(2) << 30 | UINT64_C(6) << 32;
    map(GUEST_BASE, 16, 52, va, 3, 0x41230000 | 5 << 12 | LEAF);
    expect_fault(stage1(va, WALK_READ), WALK_TRANSLATION, 0);
    regs.cpu.lva = true;
    assert_int_equal(stage1(va + 5, WALK_READ).ipa.v, out | (va & 0xffff) | 5);
    regs.tcr -= UINT64_C(1) << 32;
    assert_int_equal(stage1(va, WALK_READ).ipa.v, 0x41230000 | (va & 0xffff));
    // 4 KiB with DS: a level before level 0, output bits 51:50 in 9:8.
    start(state);
    regs.cpu.pa_bits = 52;
    regs.cpu.lpa2_4k = true;
    regs.tcr = 12 | 16 << 16 | UINT64_C(2) << 30 | UINT64_C(6) << 32 | BIT(59) | 2 << 12;
    expect_fault(stage1(va, WALK_READ), WALK_TRANSLATION, -1);
    assert_int_equal(walk_par((struct walk_result[]){stage1(va, WALK_READ)}, false),
                     1 | 0x2b << 1 | BIT(11));
    map(GUEST_BASE, 12, 52, va, 3, 0x41230000 | UINT64_C(1) << 48 | 1 << 8 | BIT(10));
    assert_int_equal(stage1(va, WALK_READ).ipa.v, out);
    assert_int_equal(stage1(va, WALK_READ).shareability, 2);
}

static void other_endian(void **state)
{
    (void)state;
    map(GUEST_BASE, 12, 48, 0x5000, 3, 0x41000000 | LEAF);
    for (uint64_t t = GUEST_BASE; t < GUEST_BASE + 0x40000; t += 8) {
        *guest_word(t) = __builtin_bswap64(*guest_word(t));
    }
    expect_fault(stage1(0x5000, WALK_READ), WALK_TRANSLATION, 0);
    regs.sctlr |= BIT(25);
    assert_int_equal(stage1(0x5008, WALK_READ).ipa.v, 0x41000008);
}

static void stage1_off(void **state)
{
    (void)state;
    regs.sctlr = 0;
    assert_int_equal(stage1(0x41234567, WALK_WRITE).ipa.v, 0x41234567);
    expect_fault(stage1(BIT(40), WALK_READ), WALK_ADDRESS_SIZE, 0);
    assert_int_equal(both(GUEST_BASE + 0x123, WALK_FETCH).pa.v, ram + 0x123);
}

static void second_stage(void **state)
{
    (void)state;
    uint64_t va = 0x123456789000;

    map(GUEST_BASE, 12, 48, va, 3, (GUEST_BASE + 0x200000) | LEAF);
    assert_int_equal(both(va + 5, WALK_WRITE).pa.v, ram + 0x200005);
    // The byte itself.
    assert_int_equal(stage2_protect(&s2, gpa(GUEST_BASE + 0x200000), PAGE_SIZE, S2_R), 0);
    assert_int_equal(both(va, WALK_READ).fault, WALK_OK);
    struct walk_result w = both(va, WALK_WRITE);

    assert_int_equal(w.fault, WALK_PERMISSION);
    assert_true(w.stage2 && !w.on_walk && w.level == 3);
    assert_int_equal(walk_par(&w, true), 1 | 0xf << 1 | BIT(9) | BIT(11));
    // Stage 1 alone does not care; and stage 1's own fault comes first.
    assert_int_equal(stage1(va, WALK_WRITE).fault, WALK_OK);
    map(GUEST_BASE, 12, 48, va, 3, (GUEST_BASE + 0x200000) | LEAF | BIT(7));
    assert_false(both(va, WALK_WRITE).stage2);
    assert_int_equal(both(va, WALK_WRITE).fault, WALK_PERMISSION);
    map(GUEST_BASE, 12, 48, va, 3, 0x10000000 | LEAF);
    w = both(va, WALK_READ);
    assert_true(w.fault == WALK_TRANSLATION && w.stage2 && !w.on_walk);
    assert_int_equal(w.ipa.v, 0x10000000);
    // Every table of the walk: its address is reported, not the byte's.
    for (int level = 0; level < 4; level++) {
        gpa_t table = gpa(GUEST_BASE + (uint64_t)level * 0x10000);
        unsigned shift = 39 - 9 * (unsigned)level;

        assert_int_equal(stage2_unmap(&s2, table, PAGE_SIZE), 0);
        w = stage1(va, WALK_READ);
        assert_true(w.fault == WALK_TRANSLATION && w.stage2 && w.on_walk && w.level == 3);
        assert_int_equal(w.ipa.v, table.v + bits_get(va, shift + 8, shift) * 8);
        assert_int_equal(walk_par(&w, false), 1 | 7 << 1 | BIT(8) | BIT(9) | BIT(11));
        // Elsewhere in the machine it works as before.
        hpa_t other = hpa(ram + 0x800000);

        memcpy(hpa_ptr(other), guest_word(table.v), PAGE_SIZE);
        assert_int_equal(stage2_map(&s2, table, other, PAGE_SIZE, S2_RW, S2_NORMAL), 0);
        assert_int_equal(stage1(va, WALK_READ).fault, WALK_OK);
        assert_int_equal(stage2_unmap(&s2, table, PAGE_SIZE), 0);
        assert_int_equal(stage2_map(&s2, table, hpa(ram + (uint64_t)level * 0x10000), PAGE_SIZE,
                                    S2_RW, S2_NORMAL),
                         0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(granules_and_levels, start),
        cmocka_unit_test_setup(upper_half, start),
        cmocka_unit_test_setup(holes, start),
        cmocka_unit_test_setup(reserved_settings, start),
        cmocka_unit_test_setup(rights, start),
        cmocka_unit_test_setup(hardware_updates, start),
        cmocka_unit_test_setup(update_of_a_protected_table, start),
        cmocka_unit_test_setup(wide_addresses, start),
        cmocka_unit_test_setup(other_endian, start),
        cmocka_unit_test_setup(stage1_off, start),
        cmocka_unit_test_setup(second_stage, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
