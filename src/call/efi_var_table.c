// SPDX-License-Identifier: Apache-2.0
#include "call/efi_var_table.h"

#include "lib/bits.h"

#include <string.h>

// Entries follow each other without gaps: this, the name, the data, and up to the next multiple of
// 8.
struct entry {
    uint32_t size; // of all of it
    uint32_t hash; // of the name, so that few are compared
    uint32_t attributes;
    uint32_t name_bytes, data_bytes;
    struct efi_guid vendor;
};

size_t efi_var_table_footprint(size_t name_bytes, size_t data_bytes)
{
    return (sizeof(struct entry) + name_bytes + data_bytes + 7) & ~(size_t)7;
}

static struct entry *entry_at(const struct efi_var_table *t, size_t offset)
{
    return (struct entry *)(void *)(t->memory + offset);
}

static char *data_of(struct entry *e)
{
    return (char *)(e + 1) + e->name_bytes;
}

static uint32_t hash_name(const struct efi_var_name *name)
{
    uint32_t hash = name->vendor.a ^ (uint32_t)name->bytes;
    for (size_t i = 0; i < name->bytes / 2; i++) {
        hash = (hash ^ name->text[i]) * UINT32_C(0x01000193); // FNV-1a's multiplier
    }
    return hash;
}

static bool is_named(const struct entry *e, const struct efi_var_name *name)
{
    return e->name_bytes == name->bytes && memcmp(e + 1, name->text, name->bytes) == 0 &&
           memcmp(&e->vendor, &name->vendor, sizeof(e->vendor)) == 0;
}

// t->used if there is none.
static size_t find(const struct efi_var_table *t, const struct efi_var_name *name)
{
    uint32_t hash = hash_name(name);
    size_t offset = 0;
    while (offset < t->used) {
        const struct entry *e = entry_at(t, offset);
        if (e->hash == hash && is_named(e, name)) {
            break;
        }
        offset += e->size;
    }
    return offset;
}

static void show(struct entry *e, struct efi_var *out)
{
    *out = (struct efi_var){
        .name = {e->vendor, (const efi_char16 *)(const void *)(e + 1), e->name_bytes},
        .attributes = e->attributes,
        .data = data_of(e),
        .size = e->data_bytes,
    };
}

void efi_var_table_init(struct efi_var_table *t, void *memory, size_t size)
{
    *t = (struct efi_var_table){.memory = memory, .size = size & ~(size_t)7};
}

bool efi_var_table_find(const struct efi_var_table *t, const struct efi_var_name *name,
                        struct efi_var *out)
{
    size_t offset = find(t, name);
    return efi_var_table_next(t, &offset, out);
}

bool efi_var_table_next(const struct efi_var_table *t, size_t *cursor, struct efi_var *out)
{
    if (*cursor >= t->used) {
        return false;
    }
    struct entry *e = entry_at(t, *cursor);
    show(e, out);
    *cursor += e->size;
    return true;
}

bool efi_var_table_seek(const struct efi_var_table *t, const struct efi_var_name *name,
                        size_t *cursor)
{
    struct efi_var v;
    *cursor = find(t, name);
    return efi_var_table_next(t, cursor, &v);
}

// The entry's data becomes that long, for which there is room; what it is then is for the caller.
static void resize(struct efi_var_table *t, size_t offset, size_t data_bytes)
{
    struct entry *e = entry_at(t, offset);
    size_t old = e->size, new = efi_var_table_footprint(e->name_bytes, data_bytes);
    memmove(t->memory + offset + new, t->memory + offset + old, t->used - offset - old);
    t->used = t->used - old + new;
    e->size = (uint32_t) new;
    e->data_bytes = (uint32_t)data_bytes;
}

// At the end, without data; there is room.
static void add(struct efi_var_table *t, const struct efi_var_name *name)
{
    struct entry *e = entry_at(t, t->used);
    *e = (struct entry){
        .size = (uint32_t)efi_var_table_footprint(name->bytes, 0),
        .hash = hash_name(name),
        .name_bytes = (uint32_t)name->bytes,
        .vendor = name->vendor,
    };
    memcpy(e + 1, name->text, name->bytes);
    t->used += e->size;
    t->count++;
}

bool efi_var_table_fits(const struct efi_var_table *t, const struct efi_var_name *name, size_t size)
{
    size_t offset = find(t, name), used = t->used;
    if (offset < t->used) {
        used -= entry_at(t, offset)->size;
    } else if (t->count == EFI_VARS_MAX) {
        return false;
    }
    return size <= t->size && efi_var_table_footprint(name->bytes, size) <= t->size - used;
}

bool efi_var_table_put(struct efi_var_table *t, const struct efi_var *v)
{
    if (!efi_var_table_fits(t, &v->name, v->size)) {
        return false;
    }
    size_t offset = find(t, &v->name);
    if (offset == t->used) {
        add(t, &v->name);
    }
    resize(t, offset, v->size);
    struct entry *e = entry_at(t, offset);
    e->attributes = v->attributes;
    if (v->size != 0) {
        memcpy(data_of(e), v->data, v->size);
    }
    return true;
}

void efi_var_table_remove(struct efi_var_table *t, const struct efi_var_name *name)
{
    size_t offset = find(t, name);
    if (offset < t->used) {
        size_t size = entry_at(t, offset)->size;
        memmove(t->memory + offset, t->memory + offset + size, t->used - offset - size);
        t->used -= size;
        t->count--;
    }
}
