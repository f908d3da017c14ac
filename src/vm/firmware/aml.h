// SPDX-License-Identifier: Apache-2.0
// As much of ACPI's machine language as a VM's devices need (ACPI 6.4, chapters 20.2 and 6.4): no
// methods, names of one segment of four characters.
#pragma once

#include "vm/firmware/image.h"

// What aml_end() closes.
struct aml_package {
    uint32_t at; // of its PkgLength
};

// Packages hold at most 4095 bytes: their length always takes two.
struct aml_package aml_scope(struct image *m, const char *path); // "\\_SB_"
struct aml_package aml_device(struct image *m, const char name[4]);
void aml_end(struct image *m, struct aml_package package);

void aml_name_string(struct image *m, const char name[4], const char *value);
void aml_name_integer(struct image *m, const char name[4], uint32_t value);

// _CRS, whose descriptors come between the two.
struct aml_resources {
    struct aml_package buffer;
    uint32_t size_at;
};
struct aml_resources aml_resources_begin(struct image *m);
void aml_memory(struct image *m, uint32_t base, uint32_t size); // 6.4.3.4, read-write
void aml_interrupt(struct image *m, uint32_t gsiv);             // 6.4.3.6, level, high
void aml_resources_end(struct image *m, struct aml_resources resources);
