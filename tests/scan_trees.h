// SPDX-License-Identifier: Apache-2.0
// Random sparse trees of EL1's translation tables, and what they map, found by recursion: for
// whatever is to find the same. Used on the host, at EL2 and by a guest; needs no library.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TREE_TABLE  0x10000u // bytes that each table has, the largest granule's
#define TREE_BIT(n) (UINT64_C(1) << (n))

static uint64_t tree_rng = 1;

static inline uint64_t tree_next(void)
{
    tree_rng ^= tree_rng << 13;
    tree_rng ^= tree_rng >> 7;
    tree_rng ^= tree_rng << 17;
    return tree_rng;
}

static inline uint64_t tree_pick(uint64_t n)
{
    return (tree_next() >> 16) % n;
}

static inline uint64_t tree_mask(unsigned hi, unsigned lo)
{
    return hi < lo ? 0 : (~UINT64_C(0) >> (63 - hi)) & (~UINT64_C(0) << lo);
}

// Where the tables are: size bytes, a multiple of TREE_TABLE, that the guest has at base.
struct tree_memory {
    char *at;
    uint64_t base, size;
};

// One half of the address space.
struct tree_shape {
    unsigned page_bits, input_bits, output_bits;
    bool high;
    bool ds;               // FEAT_LPA2's descriptors
    bool top_blocks;       // 64 KiB: level 1 has blocks
    unsigned shareability; // TCR_EL1.SHn, with ds
    uint64_t root, mair;
};

struct tree_run {
    uint64_t va, last, ipa;
    bool unreadable;  // what maps it is not in the memory; then only va and last count
    uint8_t el1, el0; // rights: 1 read, 2 write, 4 execute
    uint8_t attributes, shareability;
};

typedef void (*tree_found_fn)(void *arg, const struct tree_run *run);

// ---- Making them

// Any output; each entry leads somewhere, some tables outside the memory, some back to where they
// come from.
static inline uint64_t tree_descriptor(const struct tree_memory *m, unsigned page_bits, bool ds)
{
    uint64_t kind = tree_pick(4) == 0 ? 1 : 3;
    uint64_t inside = m->base + tree_pick(m->size / TREE_TABLE) * TREE_TABLE;
    uint64_t out = tree_pick(3) == 0
                       ? tree_next() & tree_mask(tree_pick(2) == 0 ? 47 : 39, page_bits)
                       : inside;
    uint64_t lower = tree_mask(4, 2) | tree_mask(7, 6) | TREE_BIT(10) | (ds ? 0 : tree_mask(9, 8));

    return kind | out | (tree_next() & (lower | tree_mask(54, 53)));
}

// One to three entries a table; neighbours now and then, also of the next output, that may merge.
static inline void tree_fill(const struct tree_memory *m, unsigned page_bits, bool ds)
{
    uint64_t size = TREE_BIT(page_bits - 3);

    for (uint64_t t = 0; t < m->size / TREE_TABLE; t++) {
        uint64_t *table = (uint64_t *)(m->at + t * TREE_TABLE);

        for (unsigned n = 1 + (unsigned)tree_pick(page_bits == 16 ? 2 : 3); n > 0; n--) {
            uint64_t i = tree_pick(TREE_BIT(tree_pick(page_bits - 2))); // roots may be short
            uint64_t d = tree_descriptor(m, page_bits, ds);

            table[i] = d;
            if (i + 1 < size && tree_pick(2) != 0) {
                uint64_t next = d + (tree_pick(2) << page_bits);

                // Behind the memory may be other RAM, where a table is one without entries.
                table[i + 1] = (next & tree_mask(47, page_bits)) == m->base + m->size ? d : next;
            }
        }
    }
}

// ---- What they map

struct tree_walk {
    const struct tree_shape *shape;
    const struct tree_memory *memory;
    tree_found_fn found;
    void *arg;
    struct tree_run run; // not told yet, where has_run
    bool has_run;
    uint64_t entries; // looked at
};

static inline bool tree_joins(const struct tree_run *a, const struct tree_run *b)
{
    if (a->last + 1 != b->va || a->unreadable != b->unreadable) {
        return false;
    }
    return a->unreadable ||
           (a->ipa + (a->last - a->va) + 1 == b->ipa && a->el1 == b->el1 && a->el0 == b->el0 &&
            a->attributes == b->attributes && a->shareability == b->shareability);
}

static inline void tree_tell(struct tree_walk *w, const struct tree_run *new)
{
    if (w->has_run && tree_joins(&w->run, new)) {
        w->run.last = new->last;
        return;
    }
    if (w->has_run) {
        w->found(w->arg, &w->run);
    }
    w->run = *new;
    w->has_run = true;
}

static inline uint64_t tree_address(const struct tree_shape *s, uint64_t d, unsigned lowest)
{
    if (s->ds) {
        return (d & tree_mask(49, lowest)) | (d >> 8 & 3) << 50;
    }
    return (d & tree_mask(47, lowest)) |
           (s->page_bits == 16 && s->output_bits > 48 ? (d >> 12 & 15) << 48 : 0);
}

static inline bool tree_has_blocks(const struct tree_shape *s, int level)
{
    switch (s->page_bits) {
    case 12:
        return level == 1 || level == 2 || (level == 0 && s->ds);
    case 14:
        return level == 2 || (level == 1 && s->ds);
    default:
        return level == 2 || (level == 1 && s->top_blocks);
    }
}

// Rights as AP, UXN and PXN say; the trees have no others, and nothing in their tables.
static inline void tree_leaf(struct tree_walk *w, uint64_t va, unsigned shift, uint64_t d)
{
    const struct tree_shape *s = w->shape;
    bool el0 = d >> 6 & 1, write = (d >> 7 & 1) == 0;
    unsigned data = write ? 3 : 1;
    bool x1 = (d >> 53 & 1) == 0 && !(write && el0), x0 = (d >> 54 & 1) == 0;
    struct tree_run run = {
        .va = va,
        .last = va + (TREE_BIT(shift) - 1),
        .ipa = tree_address(s, d, shift),
        .el1 = (uint8_t)(data | (x1 ? 4 : 0)),
        .el0 = (uint8_t)((el0 ? data : 0) | (x0 ? 4 : 0)),
        .attributes = (uint8_t)(s->mair >> (8 * (d >> 2 & 7))),
        .shareability = (uint8_t)(s->ds ? s->shareability : d >> 8 & 3),
    };

    if (run.ipa >> s->output_bits == 0) {
        tree_tell(w, &run);
    }
}

static inline void tree_recurse(struct tree_walk *w, uint64_t table, int level, unsigned bits,
                                uint64_t base)
{
    const struct tree_shape *s = w->shape;
    unsigned shift = s->page_bits + (s->page_bits - 3) * (unsigned)(3 - level);

    if (table >> s->output_bits != 0) {
        return;
    }
    for (uint64_t i = 0; i < TREE_BIT(bits); i++) {
        uint64_t at = table + i * 8 - w->memory->base, va = base | i << shift;

        w->entries++;
        if (at >= w->memory->size) {
            tree_tell(w, &(struct tree_run){
                             .va = va, .last = va + (TREE_BIT(shift) - 1), .unreadable = true});
            continue;
        }
        uint64_t d = *(volatile uint64_t *)(w->memory->at + at), kind = d & 3;

        if (kind == 3 && level < 3) {
            tree_recurse(w, tree_address(s, d, s->page_bits), level + 1, s->page_bits - 3, va);
        } else if (kind == 3 || (kind == 1 && level < 3 && tree_has_blocks(s, level))) {
            tree_leaf(w, va, shift, d);
        }
    }
}

// Each run that is contiguous and alike, in ascending order; the number of entries looked at.
static inline uint64_t tree_walk(const struct tree_shape *s, const struct tree_memory *m,
                                 tree_found_fn found, void *arg)
{
    struct tree_walk w = {.shape = s, .memory = m, .found = found, .arg = arg};
    unsigned stride = s->page_bits - 3, left = s->input_bits - s->page_bits;
    unsigned levels = (left + stride - 1) / stride, bits = left - stride * (levels - 1);

    tree_recurse(&w, s->root, 4 - (int)levels, bits, s->high ? -TREE_BIT(s->input_bits) : 0);
    if (w.has_run) {
        found(arg, &w.run);
    }
    return w.entries;
}
