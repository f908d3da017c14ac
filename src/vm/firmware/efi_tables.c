// SPDX-License-Identifier: Apache-2.0
#include "vm/firmware/efi_tables.h"

#include "lib/bits.h"
#include "lib/crc32.h"
#include "lib/error.h"
#include "vm/firmware/acpi.h"
#include "vm/firmware/memory_map.h"
#include "vm/firmware/smbios.h"

#include <string.h>

#define SYSTEM_TABLE_SIGNATURE     UINT64_C(0x5453595320494249) // "IBI SYST"
#define RUNTIME_SERVICES_SIGNATURE UINT64_C(0x56524553544e5552) // "RUNTSERV"
#define UEFI_2_10                  (2u << 16 | 100)
#define FIRMWARE_REVISION          0x10000u

static const struct efi_guid acpi_20 = {
    0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
static const struct efi_guid smbios_3 = {
    0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}};
static const struct efi_guid rt_properties = {
    0xeb66918a, 0x7eef, 0x402a, {0x84, 0x2e, 0x93, 0x1d, 0x21, 0xc3, 0x8a, 0xe9}};
static const struct efi_guid memory_attributes = {
    0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
// Linux's own (include/linux/efi.h).
static const struct efi_guid linux_memreserve = {
    0x888eb0c6, 0x8ede, 0x4ff5, {0xa8, 0xf0, 0x9a, 0xee, 0x5c, 0xb9, 0x77, 0xc2}};
static const struct efi_guid linux_random_seed = {
    0x1ce1e5bc, 0x7ceb, 0x42f2, {0x81, 0xe5, 0x8a, 0xad, 0xf1, 0x80, 0xf5, 0x7b}};

// ---- the system table and the runtime services table ----

// 4.2: of a header and what belongs to it, its own field counting as 0.
static void seal(struct efi_table_header *h)
{
    h->crc32 = 0;
    h->crc32 = crc32(0, h, h->size);
}

void guest_efi_relocate(struct guest_efi_data *d, uint64_t data, uint64_t code)
{
    for (unsigned i = 0; i < EFI_SERVICES; i++) {
        d->services.service[i] = code + (uint64_t)i * EFI_STUB_SIZE;
    }
    d->system.vendor = data + offsetof(struct guest_efi_data, vendor);
    d->system.runtime = data + offsetof(struct guest_efi_data, services);
    d->system.tables = data + offsetof(struct guest_efi_data, table);
    seal(&d->services.header);
    seal(&d->system.header);
}

static struct efi_table_header header(uint64_t signature, uint32_t size)
{
    return (struct efi_table_header){.signature = signature, .revision = UEFI_2_10, .size = size};
}

static void add_table(struct guest_efi_data *d, const struct efi_guid *guid, uint64_t address)
{
    d->table[d->system.table_count++] = (struct guest_configuration_table){*guid, address};
}

static void begin_data(struct guest_efi_data *d)
{
    static const efi_char16 vendor[] = {'N', 'e', 'w', 'e', 'l', 0};
    d->system.header = header(SYSTEM_TABLE_SIGNATURE, sizeof(d->system));
    d->system.revision = FIRMWARE_REVISION;
    d->services.header = header(RUNTIME_SERVICES_SIGNATURE, sizeof(d->services));
    memcpy(d->vendor, vendor, sizeof(vendor));
}

// ---- configuration tables ----

// 4.6.4: those whose answer is not EFI_UNSUPPORTED whatever they are asked.
#define UNSUPPORTED_SERVICES (BIT(EFI_UPDATE_CAPSULE) | BIT(EFI_QUERY_CAPSULE_CAPABILITIES))

// The bits of the table are in an order of their own.
static uint32_t supported_mask(void)
{
    static const uint8_t bit[EFI_SERVICES] = {
        [EFI_GET_TIME] = 0,
        [EFI_SET_TIME] = 1,
        [EFI_GET_WAKEUP_TIME] = 2,
        [EFI_SET_WAKEUP_TIME] = 3,
        [EFI_GET_VARIABLE] = 4,
        [EFI_GET_NEXT_VARIABLE_NAME] = 5,
        [EFI_SET_VARIABLE] = 6,
        [EFI_SET_VIRTUAL_ADDRESS_MAP] = 7,
        [EFI_CONVERT_POINTER] = 8,
        [EFI_GET_NEXT_HIGH_MONOTONIC_COUNT] = 9,
        [EFI_RESET_SYSTEM] = 10,
        [EFI_UPDATE_CAPSULE] = 11,
        [EFI_QUERY_CAPSULE_CAPABILITIES] = 12,
        [EFI_QUERY_VARIABLE_INFO] = 13,
    };
    uint64_t supported = ~UNSUPPORTED_SERVICES, mask = 0;
    for (unsigned i = 0; i < EFI_SERVICES; i++) {
        mask |= supported & BIT(i) ? BIT(bit[i]) : 0;
    }
    return (uint32_t)mask;
}

static uint64_t put_rt_properties(struct image *m)
{
    image_align(m, 8);
    uint64_t at = image_here(m);
    image_u16(m, 1);
    image_u16(m, 8);
    image_u32(m, supported_mask());
    return at;
}

// 4.6.5: what may not be executed, and what not be written.
static uint64_t put_memory_attributes(struct image *m, uint64_t base)
{
    const struct efi_memory_descriptor entry[] = {
        {EFI_RUNTIME_SERVICES_DATA, 0, base + FIRMWARE_DATA, 0, FIRMWARE_PART / PAGE_SIZE,
         EFI_MEMORY_RUNTIME | EFI_MEMORY_XP},
        {EFI_RUNTIME_SERVICES_CODE, 0, base + FIRMWARE_CODE, 0, FIRMWARE_PART / PAGE_SIZE,
         EFI_MEMORY_RUNTIME | EFI_MEMORY_RO},
    };
    image_align(m, 8);
    uint64_t at = image_here(m);
    image_u32(m, 1);
    image_u32(m, ARRAY_SIZE(entry));
    image_u32(m, sizeof(entry[0]));
    image_u32(m, 0);
    image_bytes(m, entry, sizeof(entry));
    return at;
}

// A list that Linux adds to; this is its empty head.
static uint64_t put_memreserve(struct image *m)
{
    image_align(m, 16);
    uint64_t at = image_here(m);
    (void)image_take(m, 16);
    return at;
}

static uint64_t put_random_seed(struct image *m, const struct firmware_params *p)
{
    image_align(m, 8);
    uint64_t at = image_here(m);
    image_u32(m, sizeof(p->rng_seed));
    image_bytes(m, p->rng_seed, sizeof(p->rng_seed));
    return at;
}

static void put_tables(struct guest_efi_data *d, struct image *m, const struct firmware_params *p)
{
    if (p->config->tables != TABLES_DT) {
        add_table(d, &acpi_20, firmware_acpi(m, p));
    }
    add_table(d, &smbios_3, firmware_smbios(m, p));
    add_table(d, &rt_properties, put_rt_properties(m));
    add_table(d, &memory_attributes, put_memory_attributes(m, p->base));
    add_table(d, &linux_memreserve, put_memreserve(m));
    if (p->has_rng_seed) {
        add_table(d, &linux_random_seed, put_random_seed(m, p));
    }
}

// ---- the stubs ----

// BTI c; MOV X9, #service; HVC #EFI_UPCALL; RET
static void put_stubs(struct image *m)
{
    for (unsigned i = 0; i < EFI_SERVICES; i++) {
        image_u32(m, 0xd503245f);
        image_u32(m, 0xd2800009 | i << 5);
        image_u32(m, 0xd4000002 | EFI_UPCALL << 5);
        image_u32(m, 0xd65f03c0);
    }
}

static struct image part(void *memory, uint64_t base, uint64_t offset)
{
    return (struct image){
        .bytes = (uint8_t *)memory + offset, .size = FIRMWARE_PART, .address = base + offset};
}

int firmware_build(void *memory, const struct firmware_params *p, struct firmware_handover *out)
{
    struct image tables = part(memory, p->base, FIRMWARE_ACPI);
    struct image map_part = part(memory, p->base, FIRMWARE_MAP);
    struct image code = part(memory, p->base, FIRMWARE_CODE);
    struct guest_efi_data *d = (void *)((char *)memory + FIRMWARE_DATA);
    struct firmware_map map;
    _Static_assert(sizeof(*d) <= FIRMWARE_PART, "the data's part");
    begin_data(d);
    put_tables(d, &tables, p);
    guest_efi_relocate(d, p->base + FIRMWARE_DATA, p->base + FIRMWARE_CODE);
    put_stubs(&code);
    firmware_map_build(&map, p);
    image_bytes(&map_part, map.entry, map.count * sizeof(map.entry[0]));
    *out = (struct firmware_handover){
        .system_table = p->base + FIRMWARE_DATA,
        .map = p->base + FIRMWARE_MAP,
        .map_size = map_part.used,
        .descriptor_size = sizeof(map.entry[0]),
    };
    return tables.full || map_part.full || code.full ? ERR_RANGE : 0;
}
