// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_tables.h"
#include "boot/park_tables.h"
#include "boot/platform.h"
#include "dts.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <libfdt.h>

#define PAGES UINT64_C(0x7f000000)

static struct arena arena, before;
static char message[200];

// The table's CPUs have MPIDRs 0, 1, 0x100 and 0x101; 0x100 does not come.
static const struct parked parked = {
    .boot_mpidr = 1,
    .cpu = {{0x101, PAGES}, {0x100, 0}, {0, PAGES + 0x2000}},
    .count = 3,
    .base = PAGES,
    .size = 0x3000,
};

static const void *memory(void *context, uint64_t address, uint64_t size)
{
    (void)context;
    return address >= ARENA_BASE && address - ARENA_BASE < ARENA_SIZE &&
                   size <= ARENA_SIZE - (address - ARENA_BASE)
               ? arena.bytes + (address - ARENA_BASE)
               : NULL;
}

static int setup(void **state)
{
    (void)state;
    build_tables(&arena);
    message[0] = '\0';
    return 0;
}

static int rewrite(const struct parked *p)
{
    struct acpi acpi = {.memory = memory, .complaint = {"ACPI", message, sizeof(message)}};
    before = arena;
    return park_rewrite_acpi(&acpi, ARENA_AT(PAGE_RSDP), p);
}

static const uint8_t *gicc(unsigned n)
{
    return page_of(&arena, PAGE_MADT) + 44 + 24 + 80 * n;
}

static uint64_t field(const uint8_t *at, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, at, size);
    return v;
}

static void check_gicc(unsigned n, uint32_t flags, uint32_t version, uint64_t address)
{
    assert_int_equal(field(gicc(n) + 12, 4), flags);
    assert_int_equal(field(gicc(n) + 16, 4), version);
    assert_int_equal(field(gicc(n) + 24, 8), address);
}

static void test_acpi(void **state)
{
    (void)state;
    put(page_of(&arena, PAGE_FADT) + 129, 0x8003, 2); // what is not PSCI's stays
    fix_table(page_of(&arena, PAGE_FADT));
    int err = rewrite(&parked);
    assert_string_equal(message, "");
    assert_int_equal(err, 0);
    check_gicc(0, 1, 1, PAGES + 0x2000);
    check_gicc(1, 1, 0, 0); // runs
    check_gicc(2, 0, 0, 0); // is dead
    check_gicc(3, 1, 1, PAGES);
    assert_int_equal(field(page_of(&arena, PAGE_FADT) + 129, 2), 0x8000);
}

// The reader, which verifies checksums, finds the mailboxes.
static void test_acpi_is_read(void **state)
{
    static struct platform p;
    struct acpi acpi = {.memory = memory, .complaint = {"ACPI", message, sizeof(message)}};
    (void)state;
    assert_int_equal(rewrite(&parked), 0);
    memset(&p, 0, sizeof(p));
    assert_int_equal(platform_add_acpi(&acpi, ARENA_AT(PAGE_RSDP), 1, &p), 0);
    assert_int_equal(p.cpu_count, 3);
    assert_int_equal(p.cpu[1].mpidr, 0);
    assert_int_equal(p.cpu[1].start.method, CPU_PARKED);
    assert_int_equal(p.cpu[1].start.address, PAGES + 0x2000);
    assert_int_equal(p.cpu[2].mpidr, 0x101);
    assert_int_equal(p.cpu[2].start.address, PAGES);
}

// No other byte changes: 4 of flags, 4 of version, 8 of address, 2 of FADT, a checksum each.
static void test_nothing_else_changes(void **state)
{
    unsigned changed = 0;
    (void)state;
    assert_int_equal(rewrite(&parked), 0);
    for (size_t i = 0; i < ARENA_SIZE; i++) {
        changed += arena.bytes[i] != before.bytes[i];
    }
    assert_in_range(changed, 6, 2 * 2 + 2 * 3 + 1 + 1 + 2);
    assert_int_equal(rewrite(&parked), ERR_INVALID); // 0x100 is not enabled any more
}

static void expect_refused(const char *why)
{
    assert_int_equal(rewrite(&parked), ERR_INVALID);
    assert_string_equal(message, why);
    assert_memory_equal(&arena, &before, sizeof(arena));
    build_tables(&arena);
}

static void test_acpi_refused(void **state)
{
    uint8_t *madt = page_of(&arena, PAGE_MADT), *fadt = page_of(&arena, PAGE_FADT);
    (void)state;
    madt[9]++;
    expect_refused("ACPI: APIC at 0x47ff3000: its checksum is wrong");
    fadt[9]++;
    expect_refused("ACPI: FACP at 0x47ff2000: its checksum is wrong");
    memcpy(fadt, "XXXX", 4);
    expect_refused("ACPI: there is no APIC, or no FACP");
    put((uint8_t *)(uintptr_t)gicc(2) + 68, 0x900, 8); // a CPU that is parked is not there
    fix_table(madt);
    expect_refused("ACPI: APIC: CPU 0x100 is not there, or not enabled");
    put((uint8_t *)(uintptr_t)gicc(1) + 12, 0, 4); // the CPU that runs is not enabled
    fix_table(madt);
    expect_refused("ACPI: APIC: CPU 0x1 is not there, or not enabled");
    put((uint8_t *)(uintptr_t)gicc(2) + 68, 0x101, 8); // one is there twice, another not at all
    fix_table(madt);
    expect_refused("ACPI: APIC: there are two CPUs with MPIDR 0x101");
    ((uint8_t *)(uintptr_t)gicc(1))[1] = 40; // of ACPI 5.0
    ((uint8_t *)(uintptr_t)gicc(1))[40] = 7;
    ((uint8_t *)(uintptr_t)gicc(1))[41] = 40;
    fix_table(madt);
    expect_refused("ACPI: APIC: a structure of type 11 is 40 bytes long");
    ((uint8_t *)(uintptr_t)gicc(3))[1] = 0;
    fix_table(madt);
    expect_refused("ACPI: APIC: at offset 308 a length of 0 cannot be");
    put(page_of(&arena, PAGE_RSDP) + 24, ARENA_AT(PAGE_RSDP), 8);
    fix_rsdp(page_of(&arena, PAGE_RSDP));
    expect_refused("ACPI: there is no XSDT at 0x47ff0000");
}

// ---- the device tree ----

#define CPU(reg, more) "cpu@" #reg " { device_type = \"cpu\"; reg = <0 0x" #reg ">; " more " };\n"

static const char tree[] =
    "/dts-v1/; /memreserve/ 0x48000000 0x1000; / { #address-cells = <2>; #size-cells = <2>;\n"
    "cpus { #address-cells = <2>; #size-cells = <0>; cpu-map { };\n" //
    CPU(0, "enable-method = \"psci\";")                              //
    CPU(1, "enable-method = \"psci\"; cpu-idle-states = <1>;")       //
    CPU(100, "enable-method = \"psci\"; status = \"okay\";")         //
    CPU(101, "enable-method = \"vendor,smp\"; cpu-release-addr = <0x1234>;") "l2-cache { };\n" CPU(
        200, "enable-method = \"psci\";") " };\n"
                                          "psci { compatible = \"arm,psci-1.0\"; method = \"smc\"; "
                                          "}; };\n";

static void *open_tree(const char *source, size_t room)
{
    size_t size;
    void *blob = compile_dts(source, &size);
    void *fdt = calloc(1, size + room);
    assert_int_equal(fdt_open_into(blob, fdt, (int)(size + room)), 0);
    free(blob);
    return fdt;
}

static void check_text(const void *fdt, const char *path, const char *name, const char *text)
{
    const char *value = fdt_getprop(fdt, fdt_path_offset(fdt, path), name, NULL);
    if (text == NULL) {
        assert_null(value);
    } else {
        assert_non_null(value);
        assert_string_equal(value, text);
    }
}

static void check_release(const void *fdt, const char *path, uint64_t page)
{
    int len;
    const fdt64_t *at = fdt_getprop(fdt, fdt_path_offset(fdt, path), "cpu-release-addr", &len);
    check_text(fdt, path, "enable-method", "spin-table");
    assert_int_equal(len, 8);
    assert_int_equal(fdt64_ld(at), page + PARK_RELEASE);
}

static void test_fdt(void **state)
{
    const struct complaint c = {"device tree", message, sizeof(message)};
    void *fdt = open_tree(tree, PARK_FDT_ROOM);
    (void)state;
    assert_int_equal(park_rewrite_fdt(fdt, &parked, &c), 0);
    assert_int_equal(fdt_check_full(fdt, fdt_totalsize(fdt)), 0);
    check_release(fdt, "/cpus/cpu@0", PAGES + 0x2000);
    check_text(fdt, "/cpus/cpu@1", "enable-method", NULL);
    check_text(fdt, "/cpus/cpu@1", "status", NULL);
    check_text(fdt, "/cpus/cpu@100", "enable-method", NULL);
    check_text(fdt, "/cpus/cpu@100", "status", "fail");
    check_release(fdt, "/cpus/cpu@101", PAGES);
    check_text(fdt, "/cpus/cpu@200", "status", "fail"); // nobody tried it
    check_text(fdt, "/psci", "method", "smc");
    uint64_t base, size;
    assert_int_equal(fdt_num_mem_rsv(fdt), 2);
    assert_int_equal(fdt_get_mem_rsv(fdt, 1, &base, &size), 0);
    assert_true(base == PAGES && size == 0x3000);
    int len, node = fdt_path_offset(fdt, "/reserved-memory/parking@7f000000");
    const fdt64_t *reg = fdt_getprop(fdt, node, "reg", &len);
    assert_int_equal(len, 16);
    assert_true(fdt64_ld(reg) == PAGES && fdt64_ld(reg + 1) == 0x3000);
    free(fdt);
}

static void test_fdt_with_reservations(void **state)
{
    const struct complaint c = {"device tree", message, sizeof(message)};
    char *source = replace(tree, "psci {",
                           "reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges; "
                           "fw@0 { reg = <0 0x1000>; }; }; psci {");
    void *fdt = open_tree(source, PARK_FDT_ROOM);
    (void)state;
    free(source);
    assert_int_equal(park_rewrite_fdt(fdt, &parked, &c), 0);
    int len;
    const fdt32_t *reg =
        fdt_getprop(fdt, fdt_path_offset(fdt, "/reserved-memory/parking@7f000000"), "reg", &len);
    assert_int_equal(len, 8);
    assert_true(fdt32_ld(reg) == PAGES && fdt32_ld(reg + 1) == 0x3000);
    assert_true(fdt_path_offset(fdt, "/reserved-memory/fw@0") > 0);
    free(fdt);
}

static void expect_fdt_refused(const char *source, size_t room, const char *why)
{
    const struct complaint c = {"device tree", message, sizeof(message)};
    void *fdt = open_tree(source, room);
    assert_int_equal(park_rewrite_fdt(fdt, &parked, &c), ERR_INVALID);
    assert_string_equal(message, why);
    free(fdt);
}

static void test_fdt_refused(void **state)
{
    (void)state;
    expect_fdt_refused(tree, 64, "device tree: it cannot be rewritten: FDT_ERR_NOSPACE");
    char *source = replace(tree, "cpus {", "cpuz {");
    expect_fdt_refused(source, PARK_FDT_ROOM,
                       "device tree: it cannot be rewritten: FDT_ERR_NOTFOUND");
    free(source);
    source = replace(tree, "reg = <0 0x101>", "reg = <0x101>");
    expect_fdt_refused(source, PARK_FDT_ROOM,
                       "device tree: it cannot be rewritten: FDT_ERR_NOTFOUND");
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_acpi, setup),
        cmocka_unit_test_setup(test_acpi_is_read, setup),
        cmocka_unit_test_setup(test_nothing_else_changes, setup),
        cmocka_unit_test_setup(test_acpi_refused, setup),
        cmocka_unit_test_setup(test_fdt, setup),
        cmocka_unit_test_setup(test_fdt_with_reservations, setup),
        cmocka_unit_test_setup(test_fdt_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
