// SPDX-License-Identifier: Apache-2.0
// What a fuzzer's bytes do to a good device tree: edits by libfdt, which keep it well formed, and
// then damage to single bytes. So the readers behind fdt_check_full() get their share, and
// fdt_check_full() gets its own.
#pragma once

#include <libfdt.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const uint8_t *data;
    size_t size;
};

struct words {
    const char *const *word;
    size_t count;
};

struct dictionary {
    struct words paths, names, strings;
};

#define WORDS(array)                                \
    {                                               \
        (array), sizeof(array) / sizeof((array)[0]) \
    }

static inline uint8_t take_byte(struct input *in)
{
    if (in->size == 0) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

static inline const char *take_word(struct input *in, const struct words *w)
{
    return w->word[take_byte(in) % w->count];
}

// A cell's value: small numbers, and such as have few bits of one kind.
static inline uint32_t take_cell(struct input *in)
{
    uint8_t kind = take_byte(in), v = take_byte(in);
    switch (kind % 4) {
    case 0:
        return v;
    case 1:
        return (uint32_t)v << (kind / 4 % 25);
    case 2:
        return ~((uint32_t)v << (kind / 4 % 25));
    default:
        return (uint32_t)v << 24 | (uint32_t)take_byte(in) << 12 | take_byte(in);
    }
}

static inline void edit_property(void *fdt, int node, const char *name, struct input *in,
                                 const struct dictionary *d, uint8_t kind)
{
    fdt32_t cells[16];
    int count = take_byte(in) % 17;
    const char *text = take_word(in, &d->strings);
    switch (kind) {
    case 0:
        fdt_setprop(fdt, node, name, text, (int)strlen(text) + 1);
        return;
    case 1:
        fdt_appendprop(fdt, node, name, text, (int)strlen(text) + (count & 1));
        return;
    case 2:
        fdt_delprop(fdt, node, name);
        return;
    default:
        for (int i = 0; i < count; i++) {
            cells[i] = cpu_to_fdt32(take_cell(in));
        }
        fdt_setprop(fdt, node, name, cells, 4 * count);
    }
}

static inline void edit_tree(void *fdt, struct input *in, const struct dictionary *d)
{
    uint8_t op = take_byte(in) % 12;
    int node = fdt_path_offset(fdt, take_word(in, &d->paths));
    const char *name = take_word(in, &d->names);
    if (node < 0) {
        return;
    }
    switch (op) {
    case 9:
        fdt_del_node(fdt, node);
        break;
    case 10:
        fdt_add_subnode(fdt, node, name);
        break;
    case 11:
        fdt_add_mem_rsv(fdt, take_cell(in), take_cell(in));
        break;
    default:
        edit_property(fdt, node, name, in, d, op);
    }
}

// A copy of good after in's edits, in memory of exactly its size; to be freed. Input that begins
// like a blob is one.
static inline void *fuzzed_tree(const void *good, struct input in, const struct dictionary *d,
                                size_t *size)
{
    static uint64_t work[0x10000 / 8];
    void *blob;
    if (in.size >= 4 && memcmp(in.data, "\xd0\x0d\xfe\xed", 4) == 0) {
        *size = in.size;
        blob = malloc(in.size);
        return memcpy(blob, in.data, in.size);
    }
    if (fdt_open_into(good, work, sizeof(work)) != 0) {
        abort();
    }
    uint8_t damage = take_byte(&in) % 4;
    uint8_t at[4][3];
    for (uint8_t i = 0; i < damage; i++) {
        for (int k = 0; k < 3; k++) {
            at[i][k] = take_byte(&in);
        }
    }
    while (in.size > 0) {
        edit_tree(work, &in, d);
    }
    fdt_pack(work);
    *size = fdt_totalsize(work);
    blob = malloc(*size);
    memcpy(blob, work, *size);
    for (uint8_t i = 0; i < damage; i++) {
        ((uint8_t *)blob)[((size_t)at[i][0] << 8 | at[i][1]) % *size] ^= at[i][2];
    }
    return blob;
}
