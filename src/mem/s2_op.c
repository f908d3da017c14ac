// SPDX-License-Identifier: Apache-2.0
#include "mem/s2_op.h"

#include "arch/cache.h"
#include "lib/check.h"
#include "lib/error.h"

// ---- Entries

size_t s2_empty_run(const uint64_t *entry, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        const uint64_t *e = &entry[i];

        if ((e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) != 0) {
            break;
        }
    }
    while (i < n && entry[i] == 0) {
        i++;
    }
    return i;
}

void s2_fill(uint64_t *entry, size_t n, uint64_t descriptor, uint64_t step)
{
#pragma clang loop unroll_count(8)
    for (size_t i = 0; i < n; i++) {
        entry[i] = descriptor;
        descriptor += step;
    }
}

uint64_t *s2_find(const struct stage2 *s2, uint64_t ipa, unsigned *level)
{
    unsigned l = s2->start_level, shift = s2_shift(l);
    uint64_t *entry = &s2_root(s2)[ipa >> shift];

    for (; s2d_is_table(*entry, l); l++) {
        shift -= 9;
        entry = &s2d_table(*entry)[(ipa >> shift) % S2_ENTRIES];
    }
    *level = l;
    return entry;
}

// ---- Table pages

static void push(struct s2_tables *t, uint64_t *table)
{
    __atomic_store_n(table, (uint64_t)(uintptr_t)t->first, __ATOMIC_RELAXED);
    t->first = table;
    t->count++;
}

static uint64_t *pop(struct s2_tables *t)
{
    uint64_t *table = t->first;

    CHECK(table != NULL);
    t->first = hpa_ptr(hpa(*table));
    t->count--;
    return table;
}

static void put_all(struct pool *pool, struct s2_tables *t)
{
    while (t->first != NULL) {
        pool_put(pool, pop(t));
    }
}

int s2_take(struct s2_op *op, size_t count)
{
    while (op->spare.count < count) {
        uint64_t *table = pool_get_dirty(op->s2->pool);

        if (table == NULL) {
            put_all(op->s2->pool, &op->spare);
            return ERR_NOMEM;
        }
        push(&op->spare, table);
    }
    return 0;
}

uint64_t *s2_pop(struct s2_op *op)
{
    return pop(&op->spare);
}

void s2_link(struct s2_op *op, uint64_t *entry, const uint64_t *table)
{
    s2_store(entry, ptr_hpa(table).v | S2D_VALID | S2D_TABLE);
    op->s2->table_pages++;
}

void s2_unlink(struct s2_op *op, uint64_t *table)
{
    push(&op->unlinked, table);
}

// Its leaves stay as they are until they leave the TLBs, being out of reach for every new walk.
void s2_unlink_tree(struct s2_op *op, uint64_t *table, unsigned level)
{
    for (size_t i = 0; level < 3 && i < S2_ENTRIES; i++) {
        if (s2d_is_table(table[i], level)) {
            s2_unlink_tree(op, s2d_table(table[i]), level + 1);
        }
    }
    s2_unlink(op, table);
}

// ---- Splitting

void s2_break(struct s2_op *op, uint64_t *entry, size_t n, uint64_t ipa, unsigned level)
{
    for (size_t i = 0; i < n; i++) {
        s2_store(&entry[i], (entry[i] & ~S2D_VALID) | S2D_BROKEN);
        s2_note(op, ipa + i * s2_span(level), level);
    }
    s2_flush_tlb(op);
}

// Takes the contiguous hint from the group that the entry is one of.
static void split_group(struct s2_op *op, uint64_t *entry, uint64_t ipa, unsigned level)
{
    size_t within = (ipa >> s2_shift(level)) % S2_CONTIGUOUS_ENTRIES;
    uint64_t *first = entry - within;

    s2_break(op, first, S2_CONTIGUOUS_ENTRIES,
             align_down(ipa, s2_span(level) * S2_CONTIGUOUS_ENTRIES), level);
    for (size_t i = 0; i < S2_CONTIGUOUS_ENTRIES; i++) {
        s2_store(&first[i], s2_mended(first[i]) & ~S2D_CONTIGUOUS);
    }
}

// Puts a table of 512 smaller leaves in the place of a block. Level-2 break-before-make support
// lets the table replace the block in one store (D8.16.2).
static void split_block(struct s2_op *op, uint64_t *entry, uint64_t ipa, unsigned level)
{
    uint64_t block = *entry, *table = s2_pop(op);
    uint64_t base = align_down(ipa, s2_span(level));
    uint64_t first = block | (level + 1 == 3 ? S2D_TABLE : 0);

    s2_fill(table, S2_ENTRIES, first, s2_span(level + 1));
    if (s2_features()->bbm2) {
        s2_note(op, base, level);
        s2_link(op, entry, table);
        s2_flush_tlb(op);
    } else {
        s2_break(op, entry, 1, base, level);
        s2_link(op, entry, table);
    }
}

// Splits until no leaf and no contiguous group has at in its middle.
static void split_at(struct s2_op *op, uint64_t at)
{
    if (at >= BIT(op->s2->ipa_bits)) {
        return;
    }
    for (;;) {
        unsigned level = 0;
        uint64_t *entry = s2_find(op->s2, at, &level);
        uint64_t group = s2_span(level) * S2_CONTIGUOUS_ENTRIES;

        if (!s2d_is_leaf(*entry, level)) {
            return;
        }
        if ((*entry & S2D_CONTIGUOUS) != 0 && !is_aligned(at, group)) {
            split_group(op, entry, at, level);
        }
        if (is_aligned(at, s2_span(level))) {
            return;
        }
        split_block(op, entry, at, level);
    }
}

// Tables that split_at() needs for at, where the walk ends at a leaf of this level.
static size_t splits_at(uint64_t at, unsigned level)
{
    size_t n = 0;

    while (level < 3 && !is_aligned(at, s2_span(level))) {
        n++;
        level++;
    }
    return n;
}

// The level at which at lies in a valid leaf; 3, where nothing has to be split, if it does not.
static unsigned leaf_level(const struct stage2 *s2, uint64_t at)
{
    unsigned level = 3;

    if (at >= BIT(s2->ipa_bits)) {
        return 3;
    }
    const uint64_t *entry = s2_find(s2, at, &level);

    return s2d_is_leaf(*entry, level) ? level : 3;
}

static size_t splits_for(const struct stage2 *s2, uint64_t start, uint64_t end)
{
    unsigned at_start = leaf_level(s2, start), at_end = leaf_level(s2, end);
    size_t n = splits_at(start, at_start) + splits_at(end, at_end);

    // Both ends in one block need one new table only; and the same again one level below.
    for (unsigned level = at_start; at_start == at_end && level < 3; level++) {
        bool same = start >> s2_shift(level) == end >> s2_shift(level);

        n -= same && !is_aligned(start, s2_span(level)) && !is_aligned(end, s2_span(level));
    }
    return n;
}

int s2_split_ends(struct s2_op *op, uint64_t start, uint64_t end)
{
    int err = s2_take(op, splits_for(op->s2, start, end));

    if (err == 0) {
        split_at(op, start);
        split_at(op, end);
    }
    return err;
}

// ---- The end

void s2_new_generation(struct stage2 *s2)
{
    __atomic_store_n(&s2->generation, s2->generation + 1, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void s2_finish(struct s2_op *op)
{
    struct stage2 *s2 = op->s2;

    s2_flush_tlb(op);
    if (op->flush.changed) {
        s2_new_generation(s2);
    }
    s2->table_pages -= op->unlinked.count;
    put_all(s2->pool, &op->unlinked);
    put_all(s2->pool, &op->spare);
    cache_dsb_ishst();
}
