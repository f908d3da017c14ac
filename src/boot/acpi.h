// SPDX-License-Identifier: Apache-2.0
// ACPI's static tables (ACPI 6.5, chapter 5.2): found, and bounds- and checksum-checked before
// anybody looks into them. No AML. What the firmware says is not trusted: no length or address is
// followed out of memory, and no walk goes on for ever.
#pragma once

#include "boot/complaint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Signature, length, revision, checksum, who made it: before each table but the RSDP.
#define ACPI_HEADER_SIZE 36u

// Longer ones are not believed: a MADT of 512 CPUs has 40 KiB.
#define ACPI_TABLE_MAX UINT32_C(0x1000000)

// A table, or a structure in one. Its fields are little-endian, of any alignment.
struct acpi_table {
    const uint8_t *bytes;
    uint32_t size;
    uint64_t address; // physical, of bytes
};

struct acpi {
    // size bytes at a physical address as far as they are memory, else NULL; size is not 0.
    const void *(*memory)(void *context, uint64_t address, uint64_t size);
    void *context;
    struct complaint complaint;
    struct acpi_table xsdt; // by acpi_open()
};

// Finds the table of tables; memory, context and complaint are set. ERR_INVALID with a complaint if
// there is none (ACPI 1.0 has none), or one that is damaged.
int acpi_open(struct acpi *a, uint64_t rsdp);

// The first table with this signature of four letters, of at least min_size bytes, its checksum
// right, and lying in no other table. ERR_NOENT, without a complaint, if there is none; ERR_INVALID
// with one.
int acpi_find(const struct acpi *a, const char *signature, uint32_t min_size, struct acpi_table *t);

// A field at a byte offset; what lies outside of the table reads as 0.
uint8_t acpi_u8(const struct acpi_table *t, uint32_t at);
uint16_t acpi_u16(const struct acpi_table *t, uint32_t at);
uint32_t acpi_u32(const struct acpi_table *t, uint32_t at);
uint64_t acpi_u64(const struct acpi_table *t, uint32_t at);

// The structures that follow each other from offset *at (at first: the first one's) to the table's
// end, each beginning with its type and length of a byte each, as in MADT. 1 with the next one in
// entry, 0 at the end, ERR_INVALID with a complaint where a length cannot be.
int acpi_next(const struct acpi *a, const struct acpi_table *t, uint32_t *at,
              struct acpi_table *entry);
