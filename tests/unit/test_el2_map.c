// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/cache.h"
#include "arena.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/el2map.h"
#include "mem/frames.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const struct el2_image image = {
    .text = {0x40200000, 0x20000},
    .rodata = {0x40220000, 0x8000},
    .data = {0x40228000, 0x60000},
};

// The walk as the architecture has it: the leaf's descriptor, or 0.
static uint64_t walk(uint64_t va, unsigned *level)
{
    const uint64_t *table = hpa_ptr(hpa(el2_map_ttbr()));

    for (*level = 0;; ++*level) {
        uint64_t d = table[(va >> (39 - 9 * *level)) & 511];

        if ((d & 1) == 0) {
            assert_int_equal(d, 0);
            return 0;
        }
        if (*level == 3) {
            assert_true((d & 2) != 0);
            return d;
        }
        if ((d & 2) == 0) {
            assert_int_not_equal(*level, 0);
            return d;
        }
        table = hpa_ptr(hpa(d & MASK(47, 12)));
    }
}

static void expect(uint64_t va, enum el2_attrs wanted, unsigned wanted_level)
{
    unsigned level = 0;
    enum el2_attrs attrs;
    uint64_t d = walk(va, &level), span = BIT(39 - 9 * level);

    assert_int_not_equal(d, 0);
    assert_int_equal(d & MASK(47, 12), va & ~(span - 1)); // identity
    assert_int_equal(level, wanted_level);
    bool writable = (d & BIT(7)) == 0, executable = (d & BIT(54)) == 0;

    assert_false(writable && executable);
    assert_int_equal(writable, wanted == EL2_NORMAL_RW || wanted == EL2_DEVICE_RW);
    assert_int_equal(executable, wanted == EL2_TEXT_RX);
    uint64_t mair = el2_map_mair() >> (8 * bits_get(d, 4, 2)) & 0xff;

    assert_int_equal(mair, wanted == EL2_DEVICE_RW ? 0x04 : 0xff);
    assert_true((d & BIT(10)) != 0 && (d & BIT(6)) != 0);
    assert_int_equal(el2_map_query(va, &attrs), 0);
    assert_int_equal(attrs, wanted);
}

static void expect_none(uint64_t va)
{
    unsigned level = 0;
    enum el2_attrs attrs;

    assert_int_equal(walk(va, &level), 0);
    assert_int_equal(el2_map_query(va, &attrs), ERR_NOENT);
}

static void sections(void **state)
{
    (void)state;
    assert_int_equal(el2_map_init(&image), 0);
    expect(0x40200000, EL2_TEXT_RX, 3);
    expect(0x4021ffff, EL2_TEXT_RX, 3);
    expect(0x40220000, EL2_NORMAL_RO, 3);
    expect(0x40228000, EL2_NORMAL_RW, 3);
    expect(0x40287fff, EL2_NORMAL_RW, 3);
    expect_none(0x401fffff);
    expect_none(0x40288000);
    expect_none(0);
}

static void ram_around_the_image(void **state)
{
    (void)state;
    assert_int_equal(el2_map_init(&image), 0);
    assert_int_equal(el2_map_ram(0x40000000, 3 * GIB), 0);
    expect(0x40000000, EL2_NORMAL_RW, 2);
    expect(0x40200000, EL2_TEXT_RX, 3);
    expect(0x40288000, EL2_NORMAL_RW, 3);
    expect(0x40400000, EL2_NORMAL_RW, 2);
    expect(0x80000000, EL2_NORMAL_RW, 1);
    expect_none(0x100000000);
    // Rounded inwards, and above 32 bits.
    assert_int_equal(el2_map_ram(0x4000000fff, 0x3001), 0);
    expect_none(0x4000000fff);
    expect(0x4000001000, EL2_NORMAL_RW, 3);
    expect(0x4000003fff, EL2_NORMAL_RW, 3);
    expect_none(0x4000004000);
    assert_int_equal(el2_map_ram(0x5000000001, 0xffe), 0);
    assert_int_equal(el2_map_ram(UINT64_MAX - 5, 100), ERR_RANGE);
    assert_int_equal(el2_map_ram(BIT(48) - 0x1000, 0x2000), ERR_RANGE);
}

static void devices(void **state)
{
    (void)state;
    assert_int_equal(el2_map_init(&image), 0);
    assert_int_equal(el2_map_range(hpa(0x09000000), 0x1000, EL2_DEVICE_RW), 0);
    assert_int_equal(el2_map_range(hpa(0x08000000), 0x200000, EL2_DEVICE_RW), 0);
    assert_int_equal(el2_map_range(hpa(0x08000000), 0x10000, EL2_DEVICE_RW), 0); // once more
    expect(0x09000000, EL2_DEVICE_RW, 3);
    expect(0x08000000, EL2_DEVICE_RW, 2);
    expect_none(0x09001000);
    assert_int_equal(el2_map_range(hpa(0x09000000), 0x1000, EL2_NORMAL_RW), ERR_EXISTS);
    assert_int_equal(el2_map_range(hpa(0x40200000), 0x1000, EL2_DEVICE_RW), ERR_EXISTS);
    assert_int_equal(el2_map_range(hpa(0x40000000), GIB, EL2_NORMAL_RW), ERR_EXISTS);
    assert_int_equal(el2_map_range(hpa(0x09000800), 0x1000, EL2_DEVICE_RW), ERR_INVALID);
    assert_int_equal(el2_map_range(hpa(0x09000000), 0, EL2_DEVICE_RW), ERR_RANGE);
    assert_int_equal(el2_map_range(hpa(BIT(48)), 0x1000, EL2_DEVICE_RW), ERR_RANGE);
}

static void guard_pages(void **state)
{
    (void)state;
    assert_int_equal(el2_map_init(&image), 0);
    assert_int_equal(el2_map_ram(0x40000000, GIB), 0);
    assert_int_equal(el2_unmap_page(hpa(0x40230000)), 0);
    expect_none(0x40230000);
    expect_none(0x40230fff);
    expect(0x4022f000, EL2_NORMAL_RW, 3);
    expect(0x40231000, EL2_NORMAL_RW, 3);
    assert_int_equal(el2_unmap_page(hpa(0x40230000)), ERR_NOENT);
    assert_int_equal(el2_unmap_page(hpa(0x10000000)), ERR_NOENT);
    assert_int_equal(el2_unmap_page(hpa(0x40230001)), ERR_INVALID);
    // With the MMU still off a block may be split.
    assert_int_equal(el2_unmap_page(hpa(0x50001000)), 0);
    expect(0x50000000, EL2_NORMAL_RW, 3);
    expect_none(0x50001000);
    expect(0x50200000, EL2_NORMAL_RW, 2);
    fake_cache_reset();
    el2_map_flush_early();
    assert_int_equal(fake_cache_log[0].op, FAKE_DC_INVAL_POC);
    el2_map_live();
    assert_int_equal(el2_unmap_page(hpa(0x60001000)), ERR_BUSY);
    expect(0x60001000, EL2_NORMAL_RW, 2);
    fake_cache_reset();
    assert_int_equal(el2_unmap_page(hpa(0x40232000)), 0);
    assert_int_equal(fake_cache_log[0].op, FAKE_DSB_ISHST);
    assert_int_equal(fake_cache_log[1].op, FAKE_TLBI_EL2_VA);
    assert_int_equal(fake_cache_log[1].address, 0x40232000);
}

static void tables_from_frames_once_live(void **state)
{
    (void)state;
    struct mem_region ram = {arena_base(), 16 * MIB};
    int err = 0;

    assert_int_equal(frames_init(&ram, 1, NULL, 0), 0);
    assert_int_equal(el2_map_init(&image), 0);
    uint64_t at = 0x1000000000;

    for (; (err = el2_map_range(hpa(at), 0x1000, EL2_DEVICE_RW)) == 0; at += GIB) {
    }
    assert_int_equal(err, ERR_NOMEM);
    el2_map_live();
    size_t before = frames_owned_by(OWNER_NEWEL);

    assert_int_equal(el2_map_range(hpa(at), 0x1000, EL2_DEVICE_RW), 0);
    expect(at, EL2_DEVICE_RW, 3);
    assert_in_range(frames_owned_by(OWNER_NEWEL) - before, 1, 2);
    // A stack in RAM taken from frames, with its guard.
    assert_int_equal(el2_map_by_pages(hpa(0x2000000000), 0x5000, EL2_NORMAL_RW), 0);
    assert_int_equal(el2_unmap_page(hpa(0x2000000000)), 0);
    expect_none(0x2000000000);
    expect(0x2000001000, EL2_NORMAL_RW, 3);
}

static void overlapping_sections(void **state)
{
    (void)state;
    struct el2_image wrong = image;

    wrong.rodata.base = wrong.text.base + 0x1000;
    assert_int_equal(el2_map_init(&wrong), ERR_INVALID);
    wrong = image;
    wrong.data.size = 0x123;
    assert_int_equal(el2_map_init(&wrong), ERR_INVALID);
}

static void control_registers(void **state)
{
    (void)state;
    assert_int_equal(el2_map_tcr(40),
                     BIT(31) | BIT(23) | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 16);
    assert_int_equal(bits_get(el2_map_tcr(48), 18, 16), 5);
    assert_int_equal(bits_get(el2_map_tcr(44), 18, 16), 4);
    assert_int_equal(bits_get(el2_map_tcr(32), 18, 16), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections),
        cmocka_unit_test(ram_around_the_image),
        cmocka_unit_test(devices),
        cmocka_unit_test(guard_pages),
        cmocka_unit_test(tables_from_frames_once_live),
        cmocka_unit_test(overlapping_sections),
        cmocka_unit_test(control_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
