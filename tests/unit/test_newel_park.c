// SPDX-License-Identifier: Apache-2.0
// What newel-park does with the tables of a firmware, made here, that describes the machine once or
// twice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../tools/newel-park/app.h"
#include "acpi_tables.h"
#include "dts.h"
#include "lib/bits.h"

#include <libfdt.h>
#include <sys/mman.h>

#define PAGES UINT64_C(0x7f000000)

// At the addresses that the tables name.
static struct arena *arena;

// ---- the firmware ----

static char lines[8][400];
static unsigned line_count;
static const void *installed_tree;
static unsigned withdrawn;
static efi_status answer;
static _Alignas(PAGE_SIZE) uint8_t pages[8 * PAGE_SIZE];
static unsigned freed;

static efi_status output_string(struct efi_text_output *out, const uint16_t *text)
{
    (void)out;
    char *line = lines[line_count++ % ARRAY_SIZE(lines)];
    while (*text != 0 && *text != '\r') {
        *line++ = (char)*text++;
    }
    *line = '\0';
    return EFI_SUCCESS;
}

static efi_status allocate_pages(enum efi_allocate_type how, enum efi_memory_type type,
                                 uint64_t count, uint64_t *address)
{
    (void)how;
    assert_int_equal(type, EFI_ACPI_RECLAIM);
    assert_true(count <= sizeof(pages) / PAGE_SIZE);
    *address = (uint64_t)(uintptr_t)pages;
    return EFI_SUCCESS;
}

static efi_status free_pages(uint64_t address, uint64_t count)
{
    (void)address;
    freed += (unsigned)count;
    return EFI_SUCCESS;
}

static efi_status install_table(const struct efi_guid *guid, void *table)
{
    if (answer == EFI_SUCCESS && guid->a == 0xb1b621d5) {
        installed_tree = table;
    } else if (guid->a == 0x8868e871) {
        assert_null(table);
        withdrawn++;
    }
    return answer;
}

static struct efi_boot_services boot = {
    .allocate_pages = allocate_pages, .free_pages = free_pages, .install_table = install_table};
static struct efi_text_output out = {.output_string = output_string};
static struct efi_system_table system_table = {.out = &out, .boot = &boot};

// ---- the machine: CPU 1 runs ----

#define CPU(reg) \
    "cpu@" #reg " { device_type = \"cpu\"; reg = <0x" #reg ">; enable-method = \"psci\"; };\n"

static const char tree[] =
    "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;\n"
    "cpus { #address-cells = <1>; #size-cells = <0>;\n" //
    CPU(0) CPU(1) CPU(100) CPU(101)                     //
    "};\n"
    "psci { compatible = \"arm,psci-1.0\"; method = \"smc\"; };\n"
    "gic: gic@8000000 { compatible = \"arm,gic-v3\"; interrupt-controller; #interrupt-cells = "
    "<3>;\n"
    "reg = <0 0x8000000 0 0x10000 0 0x80a0000 0 0xf60000>; }; };\n";

static struct efi_memory_descriptor map;
static struct platform platform;
static struct loader l;
static void *fdt;

static int setup(void **state)
{
    size_t size;
    (void)state;
    line_count = withdrawn = freed = 0;
    installed_tree = NULL;
    answer = EFI_SUCCESS;
    build_tables(arena);
    fdt = compile_dts(tree, &size);
    map = (struct efi_memory_descriptor){EFI_CONVENTIONAL, 0, ARENA_BASE, 0, ARENA_SIZE / PAGE_SIZE,
                                         EFI_MEMORY_WB};
    platform = (struct platform){0};
    l = (struct loader){.name = "newel-park", .system = &system_table, .platform = &platform};
    l.map = (struct efi_memory_map){(uint8_t *)&map, sizeof(map), sizeof(map)};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(fdt);
    return 0;
}

// As efi_read_processors() leaves it.
static void describe(bool by_tree, bool by_acpi)
{
    char message[200] = "";
    const struct complaint c = {"device tree", message, sizeof(message)};
    struct acpi acpi = {.memory = efi_map_memory, .context = &l.map, .complaint = c};
    l.fdt = by_tree ? fdt : NULL;
    l.rsdp = by_acpi ? ARENA_AT(PAGE_RSDP) : 0;
    int err = by_tree ? platform_add_fdt_cpus(fdt, fdt_totalsize(fdt), 1, &platform, &c)
                      : platform_add_acpi_cpus(&acpi, l.rsdp, 1, &platform);
    assert_string_equal(message, "");
    assert_int_equal(err, 0);
    assert_int_equal(platform.cpu_count, 4);
}

// All have come.
static struct parked all_parked(void)
{
    struct parked parked = {.boot_mpidr = 1, .count = 3, .base = PAGES, .size = 0x10000};
    for (size_t i = 0; i < parked.count; i++) {
        parked.cpu[i].mpidr = platform.cpu[i + 1].mpidr;
        parked.cpu[i].page = PAGES + i * PARK_PAGE_SIZE;
    }
    return parked;
}

static void check_tree(void)
{
    assert_non_null(installed_tree);
    assert_int_equal(fdt_check_full(installed_tree, fdt_totalsize(installed_tree)), 0);
    int node = fdt_path_offset(installed_tree, "/cpus/cpu@101");
    assert_string_equal(fdt_getprop(installed_tree, node, "enable-method", NULL), "spin-table");
    const fdt64_t *at = fdt_getprop(installed_tree, node, "cpu-release-addr", NULL);
    assert_int_equal(fdt64_ld(at), park_release_address(PAGES + 2 * PARK_PAGE_SIZE));
}

// Read by who verifies checksums.
static void check_acpi(void)
{
    static struct platform again;
    char message[200] = "";
    struct acpi acpi = {.memory = efi_map_memory,
                        .context = &l.map,
                        .complaint = {"ACPI", message, sizeof(message)}};
    again = (struct platform){0};
    assert_int_equal(platform_add_acpi_cpus(&acpi, ARENA_AT(PAGE_RSDP), 1, &again), 0);
    assert_false(again.has_psci);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(again.cpu[i].mpidr, platform.cpu[i].mpidr);
        assert_int_equal(again.cpu[i].start.method, CPU_PARKED);
        assert_int_equal(again.cpu[i].start.id, park_id(&l, i));
        assert_int_equal(again.cpu[i].start.address, PAGES + (i - 1) * PARK_PAGE_SIZE);
    }
}

static void test_both(void **state)
{
    (void)state;
    describe(true, true);
    struct parked parked = all_parked();
    assert_int_equal(park_read_beside(&l, 1), EFI_SUCCESS);
    assert_int_equal(park_id(&l, 1), 0); // CPU 0, and not its place in the list
    assert_int_equal(park_id(&l, 3), 3);
    assert_int_equal(park_tables(&l, &parked), EFI_SUCCESS);
    check_tree();
    check_acpi();
    assert_int_equal(withdrawn, 0);
    assert_int_equal(line_count, 0);
}

static void test_one(void **state)
{
    (void)state;
    describe(true, false);
    struct parked parked = all_parked();
    assert_int_equal(park_read_beside(&l, 1), EFI_SUCCESS);
    assert_int_equal(park_id(&l, 1), 1);
    assert_int_equal(park_tables(&l, &parked), EFI_SUCCESS);
    check_tree();
    installed_tree = NULL;
    platform = (struct platform){0};
    describe(false, true);
    parked = all_parked();
    assert_int_equal(park_read_beside(&l, 1), EFI_SUCCESS);
    assert_int_equal(park_id(&l, 1), 0);
    assert_int_equal(park_tables(&l, &parked), EFI_SUCCESS);
    check_acpi();
    assert_null(installed_tree);
    assert_int_equal(withdrawn, 0);
}

// What nobody can read is not left to be found by the next one.
static void test_damaged(void **state)
{
    (void)state;
    describe(true, true);
    struct parked parked = all_parked();
    page_of(arena, PAGE_MADT)[9]++;
    assert_int_equal(park_read_beside(&l, 1), EFI_SUCCESS);
    assert_int_equal(withdrawn, 1);
    assert_string_equal(lines[0], "newel-park: ACPI's tables are withdrawn: ACPI: APIC at "
                                  "0x47ff3000: its checksum is wrong");
    assert_int_equal(park_id(&l, 1), 1);
    assert_int_equal(park_tables(&l, &parked), EFI_SUCCESS);
    check_tree();
    assert_int_equal(withdrawn, 1);
}

static void test_another_machine(void **state)
{
    (void)state;
    describe(true, true);
    struct parked parked = all_parked();
    put(page_of(arena, PAGE_MADT) + 44 + 24 + 80 * 3 + 68, 0x201, 8);
    fix_table(page_of(arena, PAGE_MADT));
    assert_int_equal(park_read_beside(&l, 1), EFI_SUCCESS);
    assert_int_equal(withdrawn, 0);
    assert_int_equal(park_tables(&l, &parked), EFI_SUCCESS);
    check_tree();
    assert_int_equal(withdrawn, 1);
    assert_string_equal(lines[0], "newel-park: ACPI's tables are withdrawn: ACPI: APIC: CPU 0x101 "
                                  "is not there, or not enabled");
}

static void test_kept_by_the_firmware(void **state)
{
    (void)state;
    describe(true, true);
    page_of(arena, PAGE_RSDP)[8]++;
    answer = EFI_INVALID_PARAMETER;
    assert_int_equal(park_read_beside(&l, 1), EFI_INVALID_PARAMETER);
    assert_string_equal(lines[0],
                        "newel-park: error: ACPI's tables cannot be withdrawn (ACPI: RSDP at "
                        "0x47ff0000: its checksum is wrong) (status 0x8000000000000002, invalid "
                        "parameter)");
}

// The only description is an error, and stays.
static void test_refused(void **state)
{
    (void)state;
    describe(false, true);
    struct parked parked = all_parked();
    page_of(arena, PAGE_FADT)[9]++;
    assert_int_equal(park_tables(&l, &parked), EFI_UNSUPPORTED);
    assert_string_equal(lines[0], "newel-park: error: ACPI: FACP at 0x47ff2000: its checksum is "
                                  "wrong (status 0x8000000000000003, unsupported)");
    assert_int_equal(withdrawn, 0);
    platform = (struct platform){0};
    build_tables(arena);
    describe(true, false);
    parked.cpu[0].mpidr = 0x300;
    assert_int_equal(park_tables(&l, &parked), EFI_UNSUPPORTED);
    assert_string_equal(lines[1], "newel-park: error: device tree: it cannot be rewritten: "
                                  "FDT_ERR_NOTFOUND (status 0x8000000000000003, unsupported)");
    assert_null(installed_tree);
    assert_true(freed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept_by_the_firmware, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };
    arena = mmap((void *)(uintptr_t)ARENA_BASE, ARENA_SIZE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if ((uintptr_t)arena != ARENA_BASE) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
