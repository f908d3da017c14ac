// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/efi/efi.h"
#include "boot/efi/memory_map.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <string.h>

#define MIB UINT64_C(0x100000)

// Firmware may make descriptors longer than this version knows them.
struct long_descriptor {
    struct efi_memory_descriptor d;
    uint64_t more;
};

#define ROOM 200
static struct long_descriptor descriptors[ROOM];
static struct efi_memory_map map;
static struct platform p;

static void add(uint32_t type, uint64_t base, uint64_t pages, uint64_t attribute)
{
    struct long_descriptor *to = &descriptors[map.size / sizeof(*to)];
    *to = (struct long_descriptor){{type, 0, base, 0, pages, attribute}, 0xabcd};
    map.size += sizeof(*to);
}

static void add_mib(uint32_t type, uint64_t base_mib, uint64_t size_mib)
{
    add(type, base_mib * MIB, size_mib * MIB / PAGE_SIZE, EFI_MEMORY_WB);
}

static int setup(void **state)
{
    (void)state;
    map = (struct efi_memory_map){(uint8_t *)descriptors, 0, sizeof(descriptors[0])};
    memset(&p, 0, sizeof(p));
    return 0;
}

static void take(void)
{
    assert_int_equal(efi_map_sort(&map), 0);
    efi_map_take(&map, &p);
}

static void expect_ram(size_t n, uint64_t base_mib, uint64_t size_mib)
{
    assert_true(n < p.ram_count);
    assert_int_equal(p.ram[n].base, base_mib * MIB);
    assert_int_equal(p.ram[n].size, size_mib * MIB);
}

// What boot services and loaders had becomes RAM, and neighbours one region, in whatever order
// they come.
static void test_neighbours(void **state)
{
    (void)state;
    add_mib(EFI_CONVENTIONAL, 1100, 100);
    add_mib(EFI_BOOT_SERVICES_DATA, 1034, 6);
    add_mib(EFI_LOADER_CODE, 1024, 4);
    add_mib(EFI_RUNTIME_SERVICES_DATA, 1040, 1);
    add_mib(EFI_LOADER_DATA, 1028, 4);
    add_mib(EFI_BOOT_SERVICES_CODE, 1032, 2);
    take();
    assert_int_equal(p.ram_count, 2);
    expect_ram(0, 1024, 16);
    expect_ram(1, 1100, 100);
    assert_int_equal(descriptors[5].more, 0xabcd); // moved as a whole
}

static void test_what_is_kept(void **state)
{
    (void)state;
    static const uint32_t kept[] = {EFI_RESERVED,
                                    EFI_RUNTIME_SERVICES_CODE,
                                    EFI_RUNTIME_SERVICES_DATA,
                                    EFI_UNUSABLE,
                                    EFI_ACPI_RECLAIM,
                                    EFI_ACPI_NVS,
                                    11,
                                    12,
                                    13,
                                    14,
                                    15,
                                    0x80000000};
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
        add_mib(kept[i], 1024 + 4 * i, 4);
    }
    add(EFI_CONVENTIONAL, 2000 * MIB, 1024, 0); // cannot be cached
    add(EFI_CONVENTIONAL, 2004 * MIB, 1024, EFI_MEMORY_WB | EFI_MEMORY_SP);
    add(EFI_BOOT_SERVICES_DATA, 2008 * MIB, 1024, EFI_MEMORY_WB | EFI_MEMORY_RUNTIME);
    take();
    assert_int_equal(p.ram_count, 0);
}

static void test_runtime_regions(void **state)
{
    (void)state;
    p.efi.system_table = hpa(0x1000);
    add(EFI_RUNTIME_SERVICES_CODE, 1024 * MIB, 16, EFI_MEMORY_RUNTIME | EFI_MEMORY_WB);
    add(11, 0x9010000, 1, EFI_MEMORY_RUNTIME | 1);
    add(EFI_RUNTIME_SERVICES_DATA, 1025 * MIB, 16, EFI_MEMORY_WB); // not asked for
    take();
    assert_int_equal(p.efi.region_count, 2);
    assert_int_equal(p.efi.region[0].base, 0x9010000);
    assert_int_equal(p.efi.region[0].type, 11);
    assert_int_equal(p.efi.region[0].attribute, 1);
    assert_int_equal(p.efi.region[1].base, 1024 * MIB);
    assert_int_equal(p.efi.region[1].size, 0x10000);
    assert_int_equal(p.efi.region[1].attribute, EFI_MEMORY_WB);
    assert_int_equal(p.efi.system_table.v, 0x1000);
    for (unsigned i = 0; i < EFI_RUNTIME_REGIONS; i++) {
        add(EFI_RUNTIME_SERVICES_DATA, (2000 + i) * MIB, 16, EFI_MEMORY_RUNTIME | EFI_MEMORY_WB);
    }
    take();
    assert_int_equal(p.efi.region_count, EFI_RUNTIME_REGIONS);
    assert_int_equal(p.efi.system_table.v, 0);
}

// Scattered RAM: the largest pieces count, none below 2 MiB, none beyond 48 bits.
static void test_pieces(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        add_mib(EFI_CONVENTIONAL, 1024 + 200 * i, i);
    }
    take();
    assert_int_equal(p.ram_count, EFI_RAM_REGIONS);
    for (unsigned i = 0; i < EFI_RAM_REGIONS; i++) {
        expect_ram(i, 1024 + 200 * (100 - EFI_RAM_REGIONS + i), 100 - EFI_RAM_REGIONS + i);
    }
    setup(NULL);
    add_mib(EFI_CONVENTIONAL, 1024, 1);
    add_mib(EFI_CONVENTIONAL, 1026, 2);
    add(EFI_CONVENTIONAL, BIT(48) - 4 * MIB, 8 * MIB / PAGE_SIZE, EFI_MEMORY_WB);
    add(EFI_CONVENTIONAL, BIT(50), 1024, EFI_MEMORY_WB);
    take();
    assert_int_equal(p.ram_count, 2);
    expect_ram(0, 1026, 2);
    expect_ram(1, BIT(48) / MIB - 4, 4);
}

static void test_contradictions(void **state)
{
    (void)state;
    add_mib(EFI_CONVENTIONAL, 1024, 16);
    add_mib(EFI_RUNTIME_SERVICES_DATA, 1039, 2);
    assert_int_equal(efi_map_sort(&map), ERR_INVALID);
    setup(NULL);
    add(EFI_CONVENTIONAL, 0x1800, 4, EFI_MEMORY_WB);
    assert_int_equal(efi_map_sort(&map), ERR_INVALID);
    setup(NULL);
    add(EFI_CONVENTIONAL, 0x1000, UINT64_MAX / PAGE_SIZE, EFI_MEMORY_WB);
    assert_int_equal(efi_map_sort(&map), ERR_INVALID);
    setup(NULL);
    add(EFI_CONVENTIONAL, 0x1000, BIT(60), EFI_MEMORY_WB);
    assert_int_equal(efi_map_sort(&map), ERR_INVALID);
    setup(NULL);
    add_mib(EFI_CONVENTIONAL, 1024, 16);
    map.distance = 32;
    assert_int_equal(efi_map_sort(&map), ERR_INVALID);
    map.distance = 44;
    assert_int_equal(efi_map_sort(&map), ERR_INVALID);
}

// Tables may lie across descriptors, as long as all of them are memory.
static void test_readable(void **state)
{
    (void)state;
    add_mib(EFI_ACPI_RECLAIM, 1025, 1);
    add_mib(EFI_CONVENTIONAL, 1024, 1);
    add_mib(11, 1026, 1);
    add_mib(EFI_CONVENTIONAL, 1028, 1);
    assert_int_equal(efi_map_sort(&map), 0);
    const void *start = (const void *)(uintptr_t)(1024 * MIB);
    assert_ptr_equal(efi_map_memory(&map, 1024 * MIB, 1), start);
    assert_ptr_equal(efi_map_memory(&map, 1024 * MIB, 2 * MIB), start);
    assert_null(efi_map_memory(&map, 1024 * MIB, 2 * MIB + 1));
    assert_null(efi_map_memory(&map, 1024 * MIB - 1, 1));
    assert_null(efi_map_memory(&map, 1026 * MIB, 1));
    assert_null(efi_map_memory(&map, 1027 * MIB, 1));
    assert_null(efi_map_memory(&map, 1028 * MIB, MIB + 1));
    assert_null(efi_map_memory(&map, 1028 * MIB, UINT64_MAX));
    assert_null(efi_map_memory(&map, UINT64_MAX, 1));
}

// ---- Rights of runtime services' memory ----

static struct {
    struct efi_memory_attributes head;
    struct efi_memory_descriptor d[8];
} table;

static void add_right(uint32_t type, uint64_t base, uint64_t pages, uint64_t attribute)
{
    table.d[table.head.entries++] =
        (struct efi_memory_descriptor){type, 0, base, 0, pages, attribute | EFI_MEMORY_RUNTIME};
}

// The table's own memory is on the map, at the host's address of it.
static void take_rights(void)
{
    uint64_t page = align_down((uint64_t)(uintptr_t)&table, PAGE_SIZE);
    map.size = 0;
    add(EFI_BOOT_SERVICES_DATA, page, 2, EFI_MEMORY_WB);
    add(EFI_RUNTIME_SERVICES_CODE, 16 * MIB, 8, EFI_MEMORY_WB | EFI_MEMORY_RUNTIME);
    add(EFI_RUNTIME_SERVICES_DATA, 17 * MIB, 4, EFI_MEMORY_WB | EFI_MEMORY_RUNTIME);
    add(EFI_RUNTIME_SERVICES_DATA, 18 * MIB, 4, EFI_MEMORY_WB | EFI_MEMORY_RUNTIME);
    add(EFI_MMIO, 4 * MIB, 64, EFI_MEMORY_RUNTIME);
    take();
    efi_map_take_rights(&map, (uint64_t)(uintptr_t)&table, &p);
}

static int setup_rights(void **state)
{
    setup(state);
    memset(&table, 0, sizeof(table));
    table.head = (struct efi_memory_attributes){1, 0, sizeof(table.d[0]), 0};
    add_right(EFI_RUNTIME_SERVICES_CODE, 16 * MIB, 1, EFI_MEMORY_XP | EFI_MEMORY_RO);
    add_right(EFI_RUNTIME_SERVICES_CODE, 16 * MIB + PAGE_SIZE, 4, EFI_MEMORY_RO);
    add_right(EFI_RUNTIME_SERVICES_CODE, 16 * MIB + 5 * PAGE_SIZE, 3, EFI_MEMORY_XP);
    add_right(EFI_RUNTIME_SERVICES_DATA, 17 * MIB, 4, EFI_MEMORY_XP);
    return 0;
}

static void expect_part(size_t n, uint64_t base, uint64_t pages, enum el2_attrs attrs)
{
    assert_true(n < p.efi.part_count);
    assert_int_equal(p.efi.part[n].base, base);
    assert_int_equal(p.efi.part[n].size, pages * PAGE_SIZE);
    assert_int_equal(p.efi.part[n].attrs, attrs);
}

static void test_rights(void **state)
{
    (void)state;
    take_rights();
    assert_int_equal(p.efi.part_count, 6);
    expect_part(0, 4 * MIB, 64, EL2_DEVICE_RW);
    expect_part(1, 16 * MIB, 1, EL2_NORMAL_RO);
    expect_part(2, 16 * MIB + PAGE_SIZE, 4, EL2_TEXT_RX);
    expect_part(3, 16 * MIB + 5 * PAGE_SIZE, 3, EL2_NORMAL_RW);
    expect_part(4, 17 * MIB, 4, EL2_NORMAL_RW);
    expect_part(5, 18 * MIB, 4, EL2_NORMAL_RW); // the table says nothing of it
}

static void expect_none(void)
{
    take_rights();
    assert_int_equal(p.efi.part_count, 0);
}

static void test_rights_that_are_wrong(void **state)
{
    table.d[1].attribute = EFI_MEMORY_RUNTIME; // code that is written to
    expect_none();
    setup_rights(state);
    table.d[1].pages = 3; // a page is left out
    expect_none();
    setup_rights(state);
    table.d[1].pages = 5; // overlaps
    expect_none();
    setup_rights(state);
    table.d[2].pages = 4; // beyond its region
    expect_none();
    table.d[1].pages = 3; // and as many pages in all
    expect_none();
    setup_rights(state);
    table.d[2].physical -= PAGE_SIZE; // overlaps, and as many pages in all
    expect_none();
    setup_rights(state);
    table.d[2].pages = UINT64_MAX / PAGE_SIZE;
    expect_none();
    setup_rights(state);
    table.d[2].physical += 8;
    expect_none();
    setup_rights(state);
    table.head.entries = 0; // no code at all
    expect_none();
    setup_rights(state);
    table.head.distance = 8;
    expect_none();
    setup_rights(state);
    table.head.distance = 44;
    expect_none();
    setup_rights(state);
    table.head.entries = EFI_RUNTIME_PARTS + 1;
    expect_none();
    setup_rights(state);
    table.head.distance = 0x10000; // not all of it is memory
    expect_none();
    setup_rights(state);
    take_rights();
    efi_map_take_rights(&map, 0, &p);
    assert_int_equal(p.efi.part_count, 0);
    efi_map_take_rights(&map, 16 * MIB - 16, &p); // no memory
    assert_int_equal(p.efi.part_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_neighbours, setup),
        cmocka_unit_test_setup(test_what_is_kept, setup),
        cmocka_unit_test_setup(test_runtime_regions, setup),
        cmocka_unit_test_setup(test_pieces, setup),
        cmocka_unit_test_setup(test_contradictions, setup),
        cmocka_unit_test_setup(test_readable, setup),
        cmocka_unit_test_setup(test_rights, setup_rights),
        cmocka_unit_test_setup(test_rights_that_are_wrong, setup_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
