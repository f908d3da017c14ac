// SPDX-License-Identifier: Apache-2.0
// What a VM finds of firmware, read by others: ACPI by Newel's reader of hosts' tables and by
// ACPICA's disassembler, the rest by the rules of its specification.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/acpi.h"
#include "irq/vgic.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "vm/firmware/efi_tables.h"
#include "vm/firmware/memory_map.h"
#include "vm/guest_fdt.h"
#include "vm/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(0x100000)

void panic(const char *fmt, ...)
{
    (void)fmt;
    abort();
}

static struct vm_config config;
static struct load_plan plan;
static struct firmware_params params;
static struct firmware_handover handover;
static uint8_t memory[FIRMWARE_SIZE] __attribute__((aligned(64)));

static void build(void)
{
    assert_int_equal(load_plan(&config, &plan), 0);
    params.config = &config;
    params.plan = &plan;
    params.base = VM_RAM_BASE + plan.firmware;
    for (unsigned i = 0; i < config.cpus; i++) {
        params.mpidr[i] = UINT64_C(0x80000000) | i;
    }
    memset(memory, 0, sizeof(memory));
    assert_int_equal(firmware_build(memory, &params, &handover), 0);
}

static int begin(void **state)
{
    (void)state;
    config = (struct vm_config){
        .name = "unit",
        .memory = 256 * MIB,
        .cpus = 4,
        .kernel = {"kernel", 0x123456},
        .ramdisk = {"ramdisk", 0x234567},
        .load_offset = 0x80000,
        .dtb_offset = DTB_ANYWHERE,
        .firmware = FIRMWARE_EFI_RUNTIME,
        .tables = TABLES_ACPI,
    };
    params = (struct firmware_params){
        .midr = 0x410fd083,
        .clidr = 0x0a200023, // two levels, the first one of two
        .has_rng_seed = true,
    };
    return 0;
}

static const void *at(uint64_t address)
{
    assert_in_range(address, params.base, params.base + FIRMWARE_SIZE - 1);
    return memory + (address - params.base);
}

static const struct guest_efi_data *efi(void)
{
    return at(handover.system_table);
}

static uint64_t configuration_table(uint32_t first_word)
{
    const struct guest_efi_data *d = efi();
    for (uint64_t i = 0; i < d->system.table_count; i++) {
        if (d->table[i].guid.a == first_word) {
            return d->table[i].table;
        }
    }
    return 0;
}

#define ACPI_20           0x8868e871
#define SMBIOS_3          0xf2fd1544
#define RT_PROPERTIES     0xeb66918a
#define MEMORY_ATTRIBUTES 0xdcfa911d
#define RANDOM_SEED       0x1ce1e5bc

// ---- ACPI ----

static const void *window(void *context, uint64_t address, uint64_t size)
{
    (void)context;
    return address >= params.base && address - params.base <= FIRMWARE_SIZE - size
               ? memory + (address - params.base)
               : NULL;
}

static char complaint[256];

static struct acpi open_tables(void)
{
    struct acpi a = {.memory = window, .complaint = {"acpi", complaint, sizeof(complaint)}};
    complaint[0] = '\0';
    assert_int_equal(acpi_open(&a, configuration_table(ACPI_20)), 0);
    return a;
}

static struct acpi_table find(const char *signature, uint32_t size)
{
    struct acpi a = open_tables();
    struct acpi_table t;
    assert_int_equal(acpi_find(&a, signature, size, &t), 0);
    return t;
}

static void test_fadt(void **state)
{
    (void)state;
    build();
    struct acpi_table t = find("FACP", 276);
    assert_int_equal(acpi_u8(&t, 8), 6);
    assert_int_equal(t.size, 276);
    assert_int_equal(acpi_u32(&t, 112), 1 << 20);
    assert_int_equal(acpi_u16(&t, 129), 3);
    assert_memory_equal(t.bytes + 268, "NEWEL\0\0\0", 8);
    const uint8_t *dsdt = at(acpi_u64(&t, 140));
    assert_memory_equal(dsdt, "DSDT", 4);
}

static unsigned entries(const struct acpi_table *madt, uint8_t type, struct acpi_table *last)
{
    struct acpi a = open_tables();
    struct acpi_table e;
    uint32_t next = 44;
    unsigned n = 0;
    while (acpi_next(&a, madt, &next, &e) == 1) {
        if (acpi_u8(&e, 0) == type) {
            n++;
            *last = e;
        }
    }
    return n;
}

static void test_madt_gicv2(void **state)
{
    struct acpi_table last = {0};
    (void)state;
    params.gicv2 = true;
    build();
    struct acpi_table madt = find("APIC", 44);
    assert_int_equal(entries(&madt, 12, &last), 1);
    assert_int_equal(acpi_u8(&last, 20), 2);
    assert_int_equal(entries(&madt, 14, &last), 0);
    assert_int_equal(entries(&madt, 11, &last), 4);
    assert_int_equal(acpi_u64(&last, 32), VGIC_CPU_BASE);
    params.gicv2 = false;
}

static void test_madt(void **state)
{
    (void)state;
    struct acpi_table last;
    build();
    struct acpi_table t = find("APIC", 44);
    assert_int_equal(entries(&t, 11, &last), 4);
    assert_int_equal(last.size, 80);
    assert_int_equal(acpi_u32(&last, 4), 3);
    assert_int_equal(acpi_u32(&last, 12), 1);
    assert_int_equal(acpi_u32(&last, 16), 0); // no parking
    assert_int_equal(acpi_u32(&last, 20), 0); // no PMU
    assert_int_equal(acpi_u64(&last, 68), 3);
    assert_int_equal(entries(&t, 12, &last), 1);
    assert_int_equal(acpi_u64(&last, 8), VGIC_DIST_BASE);
    assert_int_equal(acpi_u8(&last, 20), 3);
    assert_int_equal(entries(&t, 14, &last), 1);
    assert_int_equal(acpi_u64(&last, 4), VGIC_RDIST_BASE);
    assert_int_equal(acpi_u32(&last, 12), 4 * VGIC_RDIST_SIZE);
}

static void test_parking(void **state)
{
    (void)state;
    struct acpi_table last;
    config.cpu_boot = CPU_BOOT_PARKING;
    params.has_pmu = true;
    build();
    struct acpi_table fadt = find("FACP", 276), madt = find("APIC", 44);
    assert_int_equal(acpi_u16(&fadt, 129), 0);
    assert_int_equal(entries(&madt, 11, &last), 4);
    assert_int_equal(acpi_u32(&last, 16), 1);
    assert_int_equal(acpi_u32(&last, 20), 23);
    assert_int_equal(acpi_u64(&last, 24), params.base + FIRMWARE_MAILBOXES + 3 * PAGE_SIZE);
}

static void test_timer_and_console(void **state)
{
    (void)state;
    build();
    struct acpi_table gtdt = find("GTDT", 104), spcr = find("SPCR", 98);
    assert_int_equal(acpi_u32(&gtdt, 56), 30);
    assert_int_equal(acpi_u32(&gtdt, 64), 27);
    assert_int_equal(acpi_u32(&gtdt, 68), 4);
    assert_int_equal(acpi_u8(&spcr, 36), 3);
    assert_int_equal(acpi_u64(&spcr, 44), 0x9000000);
    assert_int_equal(acpi_u32(&spcr, 54), 33);
    assert_int_equal(spcr.size, 98);
    assert_int_equal(acpi_u16(&spcr, 84), 10);
    assert_int_equal(acpi_u16(&spcr, 86), 88);
    assert_string_equal((const char *)spcr.bytes + 88, "\\_SB.COM0");
}

static void test_topology(void **state)
{
    (void)state;
    build();
    struct acpi a = open_tables();
    struct acpi_table pptt = find("PPTT", 36), e;
    uint32_t next = 36;
    unsigned processors = 0, caches = 0;
    while (acpi_next(&a, &pptt, &next, &e) == 1) {
        if (acpi_u8(&e, 0) == 0) {
            processors++;
            continue;
        }
        caches++;
        uint32_t behind = acpi_u32(&e, 8);
        if (behind != 0) { // a first level leads to the second
            assert_int_equal(acpi_u8(&pptt, behind), 1);
            assert_int_equal(acpi_u8(&pptt, behind + 21), 8);
        }
    }
    assert_int_equal(processors, 1 + 4);
    assert_int_equal(caches, 1 + 2 * 4);
}

static void test_no_acpi(void **state)
{
    (void)state;
    config.tables = TABLES_DT;
    build();
    assert_int_equal(configuration_table(ACPI_20), 0);
    assert_int_not_equal(configuration_table(SMBIOS_3), 0);
}

// ---- ACPICA's disassembler, over what every table says of its own length ----

static void write_table(const char *folder, const char *name, const void *bytes, uint32_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s.aml", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

// Whatever iasl dislikes it says with one of these words; invalid fields of tables with three
// stars.
#define CHECK_BY_IASL                                                                            \
    "cd %s && iasl -d *.aml >log 2>&1 && ! grep -Eiq 'error|warning|invalid|unknown|\\*\\*\\*' " \
    "log *.dsl && grep -q 'Device (COM0)' dsdt.dsl && iasl dsdt.dsl >log2 2>&1 && "              \
    "grep -q ' 0 Errors, 0 Warnings' log2 || { cat log log2; exit 1; }"

static void test_iasl(void **state)
{
    (void)state;
    static const char *const names[] = {"FACP", "APIC", "GTDT", "SPCR", "PPTT"};
    char folder[] = "/tmp/newel-acpi-XXXXXX", command[512];
    config.cpus = VM_MAX_VCPUS;
    build();
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct acpi_table t = find(names[i], 36);
        write_table(folder, names[i], t.bytes, t.size);
    }
    struct acpi_table fadt = find("FACP", 276);
    const uint8_t *dsdt = at(acpi_u64(&fadt, 140));
    write_table(folder, "dsdt", dsdt, (uint32_t)dsdt[4] | (uint32_t)dsdt[5] << 8);
    snprintf(command, sizeof(command), CHECK_BY_IASL, folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

// ---- SMBIOS ----

static uint8_t sum(const uint8_t *bytes, size_t size)
{
    uint8_t s = 0;
    while (size-- > 0) {
        s = (uint8_t)(s + *bytes++);
    }
    return s;
}

// The structure of this type; after it *next is the one behind its strings.
static const uint8_t *smbios(uint8_t type, unsigned *count)
{
    const uint8_t *entry = at(configuration_table(SMBIOS_3)), *found = NULL;
    uint64_t table;
    uint32_t size;
    assert_memory_equal(entry, "_SM3_", 5);
    assert_int_equal(sum(entry, entry[6]), 0);
    memcpy(&size, entry + 12, 4);
    memcpy(&table, entry + 16, 8);
    const uint8_t *s = at(table), *end = s + size;
    *count = 0;
    while (s < end) {
        found = s[0] == type ? s : found;
        ++*count;
        uint8_t this = s[0];
        s += s[1];
        while (s[0] != 0 || s[1] != 0) {
            s++;
        }
        s += 2;
        assert_true((this == 127) == (s == end));
    }
    return found;
}

static const char *text(const uint8_t *structure, unsigned n)
{
    const char *s = (const char *)structure + structure[1];
    while (--n > 0) {
        s += strlen(s) + 1;
    }
    return s;
}

static void test_smbios(void **state)
{
    (void)state;
    unsigned count;
    build();
    const uint8_t *system_type = smbios(1, &count);
    assert_int_equal(count, 9);
    assert_string_equal(text(system_type, system_type[4]), "Newel");
    assert_string_equal(text(system_type, system_type[7]), "unit");
    uint8_t uuid[16];
    vm_uuid(&config, uuid);
    assert_int_equal(system_type[8], uuid[3]);
    assert_int_equal(system_type[8 + 7], uuid[6]);
    assert_memory_equal(system_type + 16, uuid + 8, 8);
    const uint8_t *processor = smbios(4, &count);
    assert_int_equal(processor[1], 48);
    assert_int_equal(processor[8], 0x83);
    assert_int_equal(processor[0x23], 4);
    const uint8_t *device = smbios(17, &count);
    assert_int_equal(device[12] | device[13] << 8, 256);
    config.guest_tools = true;
    config.memory = UINT64_C(200) << 30;
    build();
    system_type = smbios(1, &count);
    assert_string_equal(text(system_type, system_type[4]), "VMware, Inc.");
    assert_memory_equal(text(system_type, system_type[5]), "VMware", 6);
    device = smbios(17, &count);
    assert_int_equal(device[12] | device[13] << 8, 0x7fff);
    assert_int_equal(device[0x1c] | device[0x1d] << 8 | device[0x1e] << 16, 200 * 1024);
}

// ---- EFI ----

// The same polynomial the other way round.
static uint32_t reflect(uint32_t v, unsigned bits)
{
    uint32_t r = 0;
    for (unsigned i = 0; i < bits; i++) {
        r |= (v >> i & 1) << (bits - 1 - i);
    }
    return r;
}

static void check_header(const struct efi_table_header *h, uint64_t signature, uint32_t size)
{
    uint8_t copy[512];
    assert_int_equal(h->signature, signature);
    assert_int_equal(h->size, size);
    memcpy(copy, h, size);
    memset(copy + 16, 0, 4);
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < size; i++) {
        crc ^= reflect(copy[i], 8) << 24;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
        }
    }
    assert_int_equal(h->crc32, ~reflect(crc, 32));
}

static void test_system_table(void **state)
{
    (void)state;
    build();
    const struct guest_efi_data *d = efi();
    check_header(&d->system.header, UINT64_C(0x5453595320494249), 120);
    check_header(&d->services.header, UINT64_C(0x56524553544e5552), 136);
    assert_ptr_equal(at(d->system.runtime), &d->services);
    assert_ptr_equal(at(d->system.tables), d->table);
    assert_int_equal(d->system.boot, 0);
    for (unsigned i = 0; i < EFI_SERVICES; i++) {
        const uint32_t *stub = at(d->services.service[i]);
        assert_int_equal(stub[1], 0xd2800009 | i << 5);
        assert_int_equal(stub[2], 0xd4000002 | 0xef1 << 5);
        assert_int_equal(stub[3], 0xd65f03c0);
    }
    const uint32_t *properties = at(configuration_table(RT_PROPERTIES));
    assert_int_equal(properties[0], 0x80001);
    assert_int_equal(properties[1] & 0x1800, 0); // no capsules
    assert_int_equal(properties[1] & 0x247f, 0x247f);
    // With other addresses, the same.
    struct guest_efi_data moved = *d;
    guest_efi_relocate(&moved, UINT64_C(0xffff000000010000), UINT64_C(0x1230000));
    check_header(&moved.system.header, UINT64_C(0x5453595320494249), 120);
    check_header(&moved.services.header, UINT64_C(0x56524553544e5552), 136);
    assert_int_equal(moved.services.service[13], 0x12300d0);
    assert_int_equal(moved.system.runtime - UINT64_C(0xffff000000010000),
                     d->system.runtime - handover.system_table);
}

static void test_no_seed(void **state)
{
    (void)state;
    build();
    assert_int_not_equal(configuration_table(RANDOM_SEED), 0);
    params.has_rng_seed = false;
    build();
    assert_int_equal(configuration_table(RANDOM_SEED), 0);
}

static const struct efi_memory_descriptor *entry_at(uint64_t address)
{
    const struct efi_memory_descriptor *e = at(handover.map);
    for (unsigned i = 0; i < handover.map_size / handover.descriptor_size; i++) {
        if (address >= e[i].physical && address - e[i].physical < e[i].pages * PAGE_SIZE) {
            return &e[i];
        }
    }
    return NULL;
}

static uint32_t type_at(uint64_t offset)
{
    const struct efi_memory_descriptor *e = entry_at(VM_RAM_BASE + offset);
    assert_non_null(e);
    return e->type;
}

static void check_map(void)
{
    const struct efi_memory_descriptor *e = at(handover.map);
    uint64_t next = VM_RAM_BASE;
    assert_int_equal(handover.descriptor_size, 40);
    for (unsigned i = 0; i < handover.map_size / 40; i++) {
        assert_int_equal(e[i].physical, next);
        assert_int_not_equal(e[i].pages, 0);
        next += e[i].pages * PAGE_SIZE;
        if (e[i].attribute & EFI_MEMORY_RUNTIME) {
            assert_int_equal(e[i].virtual, e[i].physical);
            assert_int_equal(e[i].physical % 0x10000, 0);
            assert_int_equal(e[i].pages % 16, 0);
        }
        assert_true(e[i].attribute & EFI_MEMORY_WB);
    }
    assert_int_equal(next, VM_RAM_BASE + config.memory);
    assert_int_equal(type_at(plan.kernel), EFI_LOADER_CODE);
    assert_int_equal(type_at(plan.kernel + config.kernel.size - 1), EFI_LOADER_CODE);
    assert_int_equal(type_at(plan.dtb), EFI_LOADER_DATA);
    assert_int_equal(type_at(plan.firmware + FIRMWARE_ACPI), EFI_ACPI_RECLAIM);
    assert_int_equal(type_at(plan.firmware + FIRMWARE_MAP), EFI_LOADER_DATA);
    assert_int_equal(type_at(plan.firmware + FIRMWARE_DATA), EFI_RUNTIME_SERVICES_DATA);
    assert_int_equal(type_at(plan.firmware + FIRMWARE_CODE), EFI_RUNTIME_SERVICES_CODE);
    assert_int_equal(type_at(config.memory - 1), EFI_CONVENTIONAL);
}

static void test_memory_map(void **state)
{
    (void)state;
    build();
    check_map();
    assert_int_equal(type_at(plan.ramdisk), EFI_LOADER_DATA);
    assert_int_equal(type_at(plan.firmware + FIRMWARE_MAILBOXES), EFI_CONVENTIONAL);
    config.cpu_boot = CPU_BOOT_PARKING;
    build();
    check_map();
    assert_int_equal(type_at(plan.firmware + FIRMWARE_MAILBOXES), EFI_RESERVED);
    config.cpu_boot = CPU_BOOT_PSCI;
    config.ramdisk = (struct blob){NULL, 0};
    config.dtb_offset = 0; // before the kernel
    build();
    check_map();
    config.load_offset = 0;
    config.dtb_offset = config.memory - FIRMWARE_SPAN - DTB_SIZE; // next to the firmware
    build();
    check_map();
    config.dtb_offset = config.memory - FIRMWARE_SPAN;
    assert_int_equal(load_plan(&config, &plan), ERR_EXISTS);
}

static void test_memory_attributes(void **state)
{
    (void)state;
    build();
    const uint32_t *t = at(configuration_table(MEMORY_ATTRIBUTES));
    const struct efi_memory_descriptor *e = (const void *)(t + 4);
    assert_int_equal(t[0], 1);
    assert_int_equal(t[1], 2);
    assert_int_equal(t[2], sizeof(*e));
    for (unsigned i = 0; i < 2; i++) {
        const struct efi_memory_descriptor *whole = entry_at(e[i].physical);
        assert_int_equal(e[i].type, whole->type);
        assert_int_equal(e[i].pages, whole->pages);
        bool code = e[i].type == EFI_RUNTIME_SERVICES_CODE;
        assert_int_equal(e[i].attribute,
                         EFI_MEMORY_RUNTIME | (code ? EFI_MEMORY_RO : EFI_MEMORY_XP));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fadt, begin),
        cmocka_unit_test_setup(test_madt, begin),
        cmocka_unit_test_setup(test_madt_gicv2, begin),
        cmocka_unit_test_setup(test_parking, begin),
        cmocka_unit_test_setup(test_timer_and_console, begin),
        cmocka_unit_test_setup(test_topology, begin),
        cmocka_unit_test_setup(test_no_acpi, begin),
        cmocka_unit_test_setup(test_iasl, begin),
        cmocka_unit_test_setup(test_smbios, begin),
        cmocka_unit_test_setup(test_system_table, begin),
        cmocka_unit_test_setup(test_no_seed, begin),
        cmocka_unit_test_setup(test_memory_map, begin),
        cmocka_unit_test_setup(test_memory_attributes, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
