// SPDX-License-Identifier: Apache-2.0
#include "call/guestinfo.h"

#include "lib/bits.h"
#include "lib/error.h"

#include <string.h>

// Entries follow each other without gaps: this, the key, the value, and up to the next multiple of
// 8.
struct entry {
    uint32_t size; // of all of it
    uint32_t value_size;
    uint32_t key_size;
};

// What the host alone says, and the guest believes.
static const char *const read_only[] = {"guestinfo.ovfEnv"};

static size_t entry_size(size_t key_size, size_t value_size)
{
    return (sizeof(struct entry) + key_size + value_size + 7) & ~(size_t)7;
}

static struct entry *entry_at(const struct guestinfo *g, size_t offset)
{
    return (struct entry *)(void *)(g->memory + offset);
}

static bool is_key_of(const struct entry *e, struct text key)
{
    return e->key_size == key.size && memcmp(e + 1, key.bytes, key.size) == 0;
}

// g->used if there is none.
static size_t find(const struct guestinfo *g, struct text key)
{
    size_t offset = 0;
    while (offset < g->used && !is_key_of(entry_at(g, offset), key)) {
        offset += entry_at(g, offset)->size;
    }
    return offset;
}

static bool is_valid_key(struct text key)
{
    const size_t prefix = sizeof(GUESTINFO_PREFIX) - 1;
    if (key.size <= prefix || key.size > GUESTINFO_KEY_MAX ||
        memcmp(key.bytes, GUESTINFO_PREFIX, prefix) != 0) {
        return false;
    }
    for (size_t i = prefix; i < key.size; i++) {
        if (key.bytes[i] <= ' ' || key.bytes[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool is_read_only(struct text key)
{
    for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
        if (strlen(read_only[i]) == key.size && memcmp(read_only[i], key.bytes, key.size) == 0) {
            return true;
        }
    }
    return false;
}

static void remove_at(struct guestinfo *g, size_t offset)
{
    size_t size = entry_at(g, offset)->size;
    memmove(g->memory + offset, g->memory + offset + size, g->used - offset - size);
    g->used -= size;
    g->pairs--;
}

static void append(struct guestinfo *g, struct text key, struct text value)
{
    struct entry *e = entry_at(g, g->used);
    e->size = (uint32_t)entry_size(key.size, value.size);
    e->key_size = (uint32_t)key.size;
    e->value_size = (uint32_t)value.size;
    memcpy(e + 1, key.bytes, key.size);
    memcpy((char *)(e + 1) + key.size, value.bytes, value.size);
    g->used += e->size;
    g->pairs++;
}

void guestinfo_init(struct guestinfo *g, void *memory, size_t size)
{
    g->memory = memory;
    g->size = size;
    g->used = 0;
    g->pairs = 0;
}

int guestinfo_set(struct guestinfo *g, struct text key, struct text value, enum guestinfo_by by)
{
    if (!is_valid_key(key)) {
        return ERR_INVALID;
    }
    if (by == GUESTINFO_BY_GUEST && is_read_only(key)) {
        return ERR_ACCESS;
    }
    if (value.size > GUESTINFO_VALUE_MAX) {
        return ERR_RANGE;
    }
    size_t old = find(g, key);
    size_t freed = old < g->used ? entry_at(g, old)->size : 0;
    bool more = freed == 0 && value.size != 0;
    if (entry_size(key.size, value.size) > g->size - (g->used - freed) ||
        (more && g->pairs == GUESTINFO_PAIRS_MAX)) {
        return ERR_NOMEM;
    }
    if (freed != 0) {
        remove_at(g, old);
    }
    if (value.size != 0) {
        append(g, key, value);
    }
    return 0;
}

bool guestinfo_get(const struct guestinfo *g, struct text key, struct text *value)
{
    size_t cursor = find(g, key);
    struct text found;
    return guestinfo_next(g, &cursor, &found, value);
}

bool guestinfo_next(const struct guestinfo *g, size_t *cursor, struct text *key, struct text *value)
{
    if (*cursor >= g->used) {
        return false;
    }
    const struct entry *e = entry_at(g, *cursor);
    *key = (struct text){(const char *)(e + 1), e->key_size};
    *value = (struct text){key->bytes + key->size, e->value_size};
    *cursor += e->size;
    return true;
}
