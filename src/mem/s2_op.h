// SPDX-License-Identifier: Apache-2.0
// What every change of a stage-2 tree is made of: table pages taken before anything changes,
// entries, break-before-make, TLB maintenance gathered up, table pages given back at the end. For
// mem/ alone. All of it with the space's lock held.
#pragma once

#include "mem/s2_desc.h"
#include "mem/stage2.h"

// Table pages that an operation took before it changed anything, or that it unlinked and has not
// given back yet; linked by their first word, which as a descriptor is invalid.
struct s2_tables {
    uint64_t *first;
    uint32_t count;
};

// What has to leave the TLBs.
struct s2_flush {
    uint64_t low, high;
    uint32_t entries;
    uint8_t level; // of the leaves, if all of one level; else 0
    bool tables;   // some may be cached as well, on the way to the leaves
    bool changed;  // a translation that existed, in a way that a reader could see; kept by a flush
};

// Starts as {.s2 = the space}; ends with s2_finish(), or by a failed s2_take() before any change.
// Small enough for the compiler to zero it in line.
struct s2_op {
    struct stage2 *s2;
    struct s2_tables spare, unlinked;
    struct s2_flush flush;
};

_Static_assert(sizeof(struct s2_flush) <= 24, "struct s2_op grows beyond 64 bytes");

const struct s2_features *s2_features(void);

// A leaf's descriptor, all but its address; of a block. A page has S2D_TABLE as well.
uint64_t s2_attributes(enum s2_rights rights, enum s2_memtype type);

static inline uint64_t s2_load(const uint64_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

// A table's contents are visible before the descriptor that points to it.
// NOLINTNEXTLINE(readability-non-const-parameter)
static inline void s2_store(uint64_t *entry, uint64_t descriptor)
{
    __atomic_store_n(entry, descriptor, __ATOMIC_RELEASE);
}

static inline uint64_t *s2_root(const struct stage2 *s2)
{
    return hpa_ptr(s2->root);
}

static inline size_t s2_root_entries(const struct stage2 *s2)
{
    return (size_t)(BIT(s2->ipa_bits) >> s2_shift(s2->start_level));
}

// The root's tables lie one after the other, so its index may exceed 511.
static inline size_t s2_index(const struct stage2 *s2, unsigned level, uint64_t ipa)
{
    size_t index = (size_t)(ipa >> s2_shift(level));

    return level == s2->start_level ? index : index % S2_ENTRIES;
}

// The bytes from at that lie in one entry of this level, and below end.
static inline uint64_t s2_in_entry(unsigned level, uint64_t at, uint64_t end)
{
    uint64_t next = align_down(at, s2_span(level)) + s2_span(level);

    return MIN(next, end) - at;
}

// How many of the n entries from the first on are empty.
size_t s2_empty_run(const uint64_t *entry, size_t n);

// n descriptors, each a step above the one before.
void s2_fill(uint64_t *entry, size_t n, uint64_t descriptor, uint64_t step);

// The entry whose leaf holds ipa, or the empty one where the walk ends; its level in *level.
uint64_t *s2_find(const struct stage2 *s2, uint64_t ipa, unsigned *level);

// The part of an operation that may fail: count spare tables, or ERR_NOMEM and none.
int s2_take(struct s2_op *op, size_t count);
uint64_t *s2_pop(struct s2_op *op); // one of them, contents undefined
void s2_link(struct s2_op *op, uint64_t *entry, const uint64_t *table);
void s2_unlink(struct s2_op *op, uint64_t *table); // whose entry is gone already
void s2_unlink_tree(struct s2_op *op, uint64_t *table, unsigned level); // with all below it

// Notes what an entry of this level at ipa translated, or led to, for s2_flush_tlb().
void s2_note(struct s2_op *op, uint64_t ipa, unsigned level);
void s2_note_table(struct s2_op *op, uint64_t ipa, unsigned level);
// Nothing that was noted is in a TLB afterwards, on any CPU.
void s2_flush_tlb(struct s2_op *op);

// Break-before-make, the only one (D8.16.1): makes n leaves at ipa invalid, for software still
// readable; when it returns, no TLB holds them.
void s2_break(struct s2_op *op, uint64_t *entry, size_t n, uint64_t ipa, unsigned level);

// What a broken entry is to become.
static inline uint64_t s2_mended(uint64_t d)
{
    return (d & ~S2D_BROKEN) | ((d & S2D_SUSPENDED) != 0 ? 0 : S2D_VALID);
}

// Splits until no leaf and no contiguous group has start or end in its middle: ERR_NOMEM.
int s2_split_ends(struct s2_op *op, uint64_t start, uint64_t end);

// What readers found before is no longer to be believed: after the last store of a change, and
// before a table becomes something else. s2_finish() does it.
void s2_new_generation(struct stage2 *s2);

// Ends an operation: what it did is visible to table walks, and what it unlinked is given back.
void s2_finish(struct s2_op *op);

// stage2_map() and its like, for a caller that holds the lock.
int stage2_map_locked(struct stage2 *s2, gpa_t ipa, hpa_t pa, uint64_t size, enum s2_rights rights,
                      enum s2_memtype type);
int stage2_unmap_locked(struct stage2 *s2, gpa_t ipa, uint64_t size);
int stage2_protect_locked(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights);
int stage2_override_locked(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights);
