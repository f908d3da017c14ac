// SPDX-License-Identifier: Apache-2.0
// UEFI variables in one piece of memory: names, attributes, data, and nothing of the rules that
// call/efi_vars.h keeps. No lock: the caller's.
#pragma once

#include "lib/efi.h"

#include <stdbool.h>
#include <stddef.h>

// Of one variable; a table of that many is searched within the time that a handler has.
#define EFI_VARS_MAX 512u

// A variable's name is a vendor's GUID and UTF-16 text that ends with its only NUL.
struct efi_var_name {
    struct efi_guid vendor;
    const efi_char16 *text;
    size_t bytes; // the NUL included
};

// As it lies in the table, until the next change of the table.
struct efi_var {
    struct efi_var_name name;
    uint32_t attributes;
    const void *data;
    size_t size; // bytes of data
};

struct efi_var_table {
    char *memory;
    size_t size, used; // bytes
    unsigned count;
};

// What a variable takes of the memory.
size_t efi_var_table_footprint(size_t name_bytes, size_t data_bytes);

// memory: 8-byte aligned, and the table's from now on.
void efi_var_table_init(struct efi_var_table *t, void *memory, size_t size);

// False if there is none.
bool efi_var_table_find(const struct efi_var_table *t, const struct efi_var_name *name,
                        struct efi_var *out);

// In the order in which they were made: *cursor is 0 at first. False after the last.
bool efi_var_table_next(const struct efi_var_table *t, size_t *cursor, struct efi_var *out);
// Where to go on after a variable; false if there is no such.
bool efi_var_table_seek(const struct efi_var_table *t, const struct efi_var_name *name,
                        size_t *cursor);

// Would efi_var_table_put() find room?
bool efi_var_table_fits(const struct efi_var_table *t, const struct efi_var_name *name,
                        size_t size);
// Makes or replaces it; v lies outside of the table. False, and nothing is changed, if there is no
// room or there would be more than EFI_VARS_MAX.
bool efi_var_table_put(struct efi_var_table *t, const struct efi_var *v);
void efi_var_table_remove(struct efi_var_table *t, const struct efi_var_name *name);
