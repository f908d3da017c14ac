// SPDX-License-Identifier: Apache-2.0
#include "boot/acpi.h"

#include "lib/addr.h"
#include "lib/error.h"

#include <string.h>

// 5.2.5.3: of ACPI 1.0, and since 2.0.
#define RSDP_SIZE_1   20u
#define RSDP_SIZE     36u
#define RSDP_SIZE_MAX 4096u

static uint64_t read_field(const struct acpi_table *t, uint32_t at, uint32_t size)
{
    uint64_t v = 0;
    if (size > t->size || at > t->size - size) {
        return 0;
    }
    for (uint32_t i = size; i-- > 0;) {
        v = v << 8 | t->bytes[at + i];
    }
    return v;
}

uint8_t acpi_u8(const struct acpi_table *t, uint32_t at)
{
    return (uint8_t)read_field(t, at, 1);
}

uint16_t acpi_u16(const struct acpi_table *t, uint32_t at)
{
    return (uint16_t)read_field(t, at, 2);
}

uint32_t acpi_u32(const struct acpi_table *t, uint32_t at)
{
    return (uint32_t)read_field(t, at, 4);
}

uint64_t acpi_u64(const struct acpi_table *t, uint32_t at)
{
    return read_field(t, at, 8);
}

static bool sums_to_zero(const uint8_t *bytes, uint32_t size)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

static bool view(const struct acpi *a, uint64_t address, uint32_t size, struct acpi_table *t)
{
    bool fits = range_fits(address, size, UINT64_MAX);
    *t = (struct acpi_table){fits ? a->memory(a->context, address, size) : NULL, size, address};
    return t->bytes != NULL;
}

static bool has_signature(const struct acpi_table *t, const char *signature)
{
    return t->size >= ACPI_HEADER_SIZE && memcmp(t->bytes, signature, 4) == 0;
}

// All of the table at an address, whose signature is known.
static int open_table(const struct acpi *a, uint64_t address, const char *signature,
                      uint32_t min_size, struct acpi_table *t)
{
    struct acpi_table header;
    if (!view(a, address, ACPI_HEADER_SIZE, &header)) {
        return complain(&a->complaint, "%s at 0x%lx is not in memory", signature,
                        (unsigned long)address);
    }
    if (!has_signature(&header, signature)) {
        return complain(&a->complaint, "there is no %s at 0x%lx", signature,
                        (unsigned long)address);
    }
    uint32_t size = acpi_u32(&header, 4);
    if (size < min_size || size > ACPI_TABLE_MAX) {
        return complain(&a->complaint, "%s at 0x%lx: a length of %u cannot be", signature,
                        (unsigned long)address, size);
    }
    if (!view(a, address, size, t)) {
        return complain(&a->complaint, "%s at 0x%lx, %u bytes, is not all in memory", signature,
                        (unsigned long)address, size);
    }
    if (!sums_to_zero(t->bytes, size)) {
        return complain(&a->complaint, "%s at 0x%lx: its checksum is wrong", signature,
                        (unsigned long)address);
    }
    return 0;
}

int acpi_open(struct acpi *a, uint64_t rsdp)
{
    struct acpi_table root;
    if (!view(a, rsdp, RSDP_SIZE, &root) || memcmp(root.bytes, "RSD PTR ", 8) != 0) {
        return complain(&a->complaint, "there is no RSDP at 0x%lx", (unsigned long)rsdp);
    }
    if (acpi_u8(&root, 15) < 2) {
        return complain(&a->complaint, "RSDP at 0x%lx is of ACPI 1.0: it names no XSDT",
                        (unsigned long)rsdp);
    }
    uint32_t size = acpi_u32(&root, 20);
    if (size < RSDP_SIZE || size > RSDP_SIZE_MAX || !view(a, rsdp, size, &root)) {
        return complain(&a->complaint, "RSDP at 0x%lx: a length of %u cannot be",
                        (unsigned long)rsdp, size);
    }
    if (!sums_to_zero(root.bytes, RSDP_SIZE_1) || !sums_to_zero(root.bytes, size)) {
        return complain(&a->complaint, "RSDP at 0x%lx: its checksum is wrong", (unsigned long)rsdp);
    }
    return open_table(a, acpi_u64(&root, 24), "XSDT", ACPI_HEADER_SIZE, &a->xsdt);
}

static uint32_t table_count(const struct acpi *a)
{
    return (a->xsdt.size - ACPI_HEADER_SIZE) / 8;
}

static uint64_t table_address(const struct acpi *a, uint32_t n)
{
    return acpi_u64(&a->xsdt, ACPI_HEADER_SIZE + 8 * n);
}

// Does it share bytes with the XSDT, or with another table as far as that one's length is known?
static int check_apart(const struct acpi *a, const struct acpi_table *t, const char *signature)
{
    struct acpi_table other = a->xsdt;
    for (uint32_t i = 0; i <= table_count(a); i++) {
        if (other.bytes != NULL && other.address != t->address &&
            ranges_overlap(other.address, other.size, t->address, t->size)) {
            return complain(&a->complaint, "%s at 0x%lx and %.4s at 0x%lx overlap", signature,
                            (unsigned long)t->address, (const char *)other.bytes,
                            (unsigned long)other.address);
        }
        if (i < table_count(a) && view(a, table_address(a, i), ACPI_HEADER_SIZE, &other)) {
            struct acpi_table whole;
            uint32_t size = acpi_u32(&other, 4);
            bool known = size > ACPI_HEADER_SIZE && size <= ACPI_TABLE_MAX &&
                         view(a, other.address, size, &whole);
            other = known ? whole : other;
        }
    }
    return 0;
}

int acpi_find(const struct acpi *a, const char *signature, uint32_t min_size, struct acpi_table *t)
{
    for (uint32_t i = 0; i < table_count(a); i++) {
        struct acpi_table header;
        if (!view(a, table_address(a, i), ACPI_HEADER_SIZE, &header) ||
            !has_signature(&header, signature)) {
            continue;
        }
        int err = open_table(a, header.address, signature, min_size, t);
        return err != 0 ? err : check_apart(a, t, signature);
    }
    return ERR_NOENT;
}

int acpi_next(const struct acpi *a, const struct acpi_table *t, uint32_t *at,
              struct acpi_table *entry)
{
    if (*at >= t->size) {
        return 0;
    }
    uint32_t size = acpi_u8(t, *at + 1);
    if (size < 2 || size > t->size - *at) {
        return complain(&a->complaint, "%.4s: at offset %u a length of %u cannot be",
                        (const char *)t->bytes, *at, size);
    }
    *entry = (struct acpi_table){t->bytes + *at, size, t->address + *at};
    *at += size;
    return 1;
}
