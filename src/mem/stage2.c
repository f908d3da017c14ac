// SPDX-License-Identifier: Apache-2.0
#include "mem/stage2.h"

#include "arch/cache.h"
#include "lib/check.h"
#include "lib/error.h"
#include "mem/s2_desc.h"

#define VTCR_IRGN0_WB (UINT64_C(1) << 8)
#define VTCR_ORGN0_WB (UINT64_C(1) << 10)
#define VTCR_SH0_IS   (UINT64_C(3) << 12)
#define VTCR_VS       BIT(19)
#define VTCR_RES1     BIT(31)

// Pages up to which a range is invalidated one by one where the CPU has no range operations; for
// more, all of the VM's TLB entries go.
#define FLUSH_ONE_BY_ONE 64

static struct s2_features features;

// Table pages that an operation took before it changed anything, or that it unlinked and has not
// given back yet; linked by their first word, which as a descriptor is invalid.
struct tables {
    uint64_t *first;
    size_t count;
};

// What has to leave the TLBs.
struct flush {
    uint64_t low, high;
    size_t entries;
    unsigned level; // of the leaves, if all of one level; else 0
    bool tables;    // some may be cached as well, on the way to the leaves
};

struct op {
    struct stage2 *s2;
    struct tables spare, unlinked;
    struct flush flush;
};

void stage2_setup(const struct s2_features *f)
{
    features = *f;
}

// ---- Entries

static uint64_t load(const uint64_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

// A table's contents are visible before the descriptor that points to it.
static void store(uint64_t *entry, uint64_t descriptor)
{
    __atomic_store_n(entry, descriptor, __ATOMIC_RELEASE);
}

// Of a block; a page has S2D_TABLE as well.
static uint64_t leaf_attributes(enum s2_rights rights, enum s2_memtype type)
{
    uint64_t d = S2D_VALID | S2D_AF | s2d_rights(rights);

    if (type == S2_DEVICE) {
        return d | S2D_MEMATTR(S2_ATTR_DEVICE);
    }
    return d | S2D_SH_INNER | S2D_MEMATTR(features.fwb ? S2_ATTR_NORMAL_FWB : S2_ATTR_NORMAL);
}

// The root's tables lie one after the other, so its index may exceed 511.
static size_t index_of(const struct stage2 *s2, unsigned level, uint64_t ipa)
{
    size_t index = (size_t)(ipa >> s2_shift(level));

    return level == s2->start_level ? index : index % S2_ENTRIES;
}

static uint64_t *root_of(const struct stage2 *s2)
{
    return hpa_ptr(s2->root);
}

// The bytes from at that lie in one entry of this level, and below end.
static uint64_t in_entry(unsigned level, uint64_t at, uint64_t end)
{
    uint64_t next = align_down(at, s2_span(level)) + s2_span(level);

    return MIN(next, end) - at;
}

// ---- Table pages

static void push(struct tables *t, uint64_t *table)
{
    __atomic_store_n(table, (uint64_t)(uintptr_t)t->first, __ATOMIC_RELAXED);
    t->first = table;
    t->count++;
}

static uint64_t *pop(struct tables *t)
{
    uint64_t *table = t->first;

    CHECK(table != NULL);
    t->first = hpa_ptr(hpa(*table));
    t->count--;
    return table;
}

static void put_all(struct pool *pool, struct tables *t)
{
    while (t->first != NULL) {
        pool_put(pool, pop(t));
    }
}

// The part of an operation that may fail: all or nothing.
static int take(struct op *op, size_t count)
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

static void link_table(struct op *op, uint64_t *entry, const uint64_t *table)
{
    store(entry, ptr_hpa(table).v | S2D_VALID | S2D_TABLE);
    op->s2->table_pages++;
}

// ---- TLB

static void note(struct op *op, uint64_t ipa, unsigned level)
{
    struct flush *f = &op->flush;

    if (f->entries == 0) {
        f->low = ipa;
        f->level = level;
    }
    f->low = MIN(f->low, ipa);
    f->high = MAX(f->high, ipa + s2_span(level));
    f->level = f->level == level ? level : 0;
    f->entries++;
}

static void note_table(struct op *op, uint64_t ipa, unsigned level)
{
    note(op, ipa, level);
    op->flush.tables = true;
}

// Nothing that was noted is in a TLB afterwards, on any CPU.
static void flush(struct op *op)
{
    struct flush *f = &op->flush;
    uint64_t vttbr = stage2_vttbr(op->s2), pages = (f->high - f->low) / PAGE_SIZE;

    if (f->entries == 0) {
        return;
    }
    cache_dsb_ishst();
    if (f->entries == 1 && !f->tables) {
        tlbi_ipa(vttbr, f->low, features.ttl ? f->level : 0, PAGE_SHIFT);
    } else if (features.range_tlbi || pages <= FLUSH_ONE_BY_ONE) {
        tlbi_ipa_range(vttbr, f->low, f->high - f->low);
    } else {
        tlbi_vmid(vttbr);
    }
    *f = (struct flush){0};
}

// Ends an operation: what it did is visible to table walks, and what it unlinked is given back.
static void finish(struct op *op)
{
    struct stage2 *s2 = op->s2;

    flush(op);
    if (op->unlinked.first != NULL) {
        s2->table_pages -= op->unlinked.count;
        __atomic_store_n(&s2->freed, s2->freed + 1, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        put_all(s2->pool, &op->unlinked);
    }
    put_all(s2->pool, &op->spare);
    cache_dsb_ishst();
}

// ---- The space

static unsigned start_level_for(unsigned ipa_bits)
{
    // Up to 16 tables in place of one more level: four bits more than a table resolves.
    return ipa_bits <= 34 ? 2 : ipa_bits <= 43 ? 1 : 0;
}

static unsigned root_pages_for(unsigned ipa_bits)
{
    unsigned resolved = s2_shift(start_level_for(ipa_bits)) + 9;

    return ipa_bits > resolved ? 1u << (ipa_bits - resolved) : 1;
}

int stage2_init(struct stage2 *s2, struct pool *pool, unsigned ipa_bits, uint16_t vmid)
{
    if (ipa_bits < 32 || ipa_bits > features.pa_bits) {
        return ERR_RANGE;
    }
    *s2 = (struct stage2){
        .pool = pool,
        .ipa_bits = ipa_bits,
        .start_level = start_level_for(ipa_bits),
        .root_pages = root_pages_for(ipa_bits),
        .vmid = vmid,
    };
    void *root = pool_get_run(pool, s2->root_pages);

    if (root == NULL) {
        return ERR_NOMEM;
    }
    s2->root = ptr_hpa(root);
    cache_dsb_ishst();
    return 0;
}

size_t stage2_pages_needed(unsigned ipa_bits, uint64_t ram_size)
{
    // Wherever RAM begins, it touches one entry more than its size fills.
    size_t pages = 2 * root_pages_for(ipa_bits) - 1;

    for (unsigned level = start_level_for(ipa_bits); level < 3; level++) {
        pages += (size_t)(align_up(ram_size, s2_span(level)) >> s2_shift(level)) + 1;
    }
    return pages;
}

static uint64_t pa_size_field(void)
{
    unsigned bits = features.pa_bits;

    return bits >= 48 ? 5 : bits >= 44 ? 4 : bits >= 42 ? 3 : bits >= 40 ? 2 : bits >= 36 ? 1 : 0;
}

uint64_t stage2_vttbr(const struct stage2 *s2)
{
    return (uint64_t)s2->vmid << 48 | s2->root.v;
}

// D19.2.160
uint64_t stage2_vtcr(const struct stage2 *s2)
{
    uint64_t sl0 = 2 - s2->start_level;

    return VTCR_RES1 | (features.vmid_bits == 16 ? VTCR_VS : 0) | pa_size_field() << 16 |
           VTCR_SH0_IS | VTCR_ORGN0_WB | VTCR_IRGN0_WB | sl0 << 6 | (64 - s2->ipa_bits);
}

static int check_range(const struct stage2 *s2, gpa_t ipa, uint64_t size)
{
    if (!is_aligned(ipa.v | size, PAGE_SIZE)) {
        return ERR_INVALID;
    }
    return range_fits(ipa.v, size, BIT(s2->ipa_bits)) ? 0 : ERR_RANGE;
}

static bool rights_valid(enum s2_rights rights)
{
    return (rights & S2_X) == 0 || (rights & S2_R) != 0;
}

// ---- Mapping

struct mapping {
    uint64_t offset;     // pa - ipa, modulo 2^64
    uint64_t attributes; // of a leaf, without its address
};

// How many entries of this table, from the one for at on, are each a whole block or page of the
// range that ends at end.
static size_t leaves_in(const struct stage2 *s2, const struct mapping *m, unsigned level,
                        uint64_t at, uint64_t end)
{
    if (level == 0 || !is_aligned(at | m->offset, s2_span(level))) {
        return 0;
    }
    size_t n = (size_t)((end - at) >> s2_shift(level));

    // The root is one table, however many pages it has.
    return level == s2->start_level ? n : MIN(n, S2_ENTRIES - index_of(s2, level, at));
}

// How many of the n entries from the first on are empty.
static size_t empty_run(const uint64_t *entry, size_t n)
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

// Tables needed below an empty entry to map [at, end), which lies in it.
static size_t tables_below(const struct mapping *m, unsigned level, uint64_t at, uint64_t end)
{
    bool whole = end - at == s2_span(level) && is_aligned(at | m->offset, s2_span(level));

    if (level == 3 || (level > 0 && whole)) {
        return 0;
    }
    size_t need = 1;

    for (uint64_t n; level < 2 && at < end; at += n) {
        n = in_entry(level + 1, at, end);
        need += tables_below(m, level + 1, at, at + n);
    }
    return need;
}

// Adds to *need the tables that mapping [at, end) within this table will take; ERR_EXISTS.
static int map_prepare(const struct stage2 *s2, const struct mapping *m, const uint64_t *table,
                       unsigned level, uint64_t at, uint64_t end, size_t *need)
{
    int err = 0;

    for (uint64_t n; at < end && err == 0; at += n) {
        const uint64_t *entry = &table[index_of(s2, level, at)];
        size_t leaves = empty_run(entry, leaves_in(s2, m, level, at, end));

        n = leaves > 0 ? (uint64_t)leaves << s2_shift(level) : in_entry(level, at, end);
        if (s2d_is_table(*entry, level)) {
            err = map_prepare(s2, m, s2d_table(*entry), level + 1, at, at + n, need);
        } else if (*entry != 0) {
            err = ERR_EXISTS;
        } else if (leaves == 0) {
            *need += tables_below(m, level, at, at + n);
        }
    }
    return err;
}

static void fill(uint64_t *entry, size_t n, uint64_t descriptor, uint64_t step)
{
#pragma clang loop unroll_count(8)
    for (size_t i = 0; i < n; i++) {
        __atomic_store_n(&entry[i], descriptor, __ATOMIC_RELAXED);
        descriptor += step;
    }
}

// n leaves from at on; with the contiguous hint where 16 of them are aligned on both sides.
static void fill_leaves(const struct mapping *m, uint64_t *entry, unsigned level, uint64_t at,
                        size_t n)
{
    uint64_t span = s2_span(level), group = span * S2_CONTIGUOUS_ENTRIES;
    uint64_t d = (at + m->offset) | m->attributes | (level == 3 ? S2D_TABLE : 0);
    size_t head = n, body = 0;

    if (level > 1 && n >= S2_CONTIGUOUS_ENTRIES && is_aligned(m->offset, group)) {
        head = MIN(n, (align_up(at, group) - at) >> s2_shift(level));
        body = (n - head) / S2_CONTIGUOUS_ENTRIES * S2_CONTIGUOUS_ENTRIES;
    }
    fill(entry, head, d, span);
    fill(entry + head, body, (d + head * span) | S2D_CONTIGUOUS, span);
    fill(entry + head + body, n - head - body, d + (head + body) * span, span);
}

static void map_commit(struct op *op, const struct mapping *m, uint64_t *table, unsigned level,
                       uint64_t at, uint64_t end);

// A table that maps [at, at + n) of what the empty entry covers, linked when it is complete.
static void map_below(struct op *op, const struct mapping *m, uint64_t *entry, unsigned level,
                      uint64_t at, uint64_t n)
{
    uint64_t *below = pop(&op->spare);

    if (level == 2 && n == BLOCK_SIZE) {
        fill_leaves(m, below, 3, at, S2_ENTRIES); // every entry, so there is no need to zero it
    } else {
        zero_pages(below, PAGE_SIZE);
        map_commit(op, m, below, level + 1, at, at + n);
    }
    link_table(op, entry, below);
}

// Cannot fail: prepare saw that what it overwrites is empty, and the spare tables suffice.
static void map_commit(struct op *op, const struct mapping *m, uint64_t *table, unsigned level,
                       uint64_t at, uint64_t end)
{
    for (uint64_t n; at < end; at += n) {
        uint64_t *entry = &table[index_of(op->s2, level, at)];
        size_t leaves = empty_run(entry, leaves_in(op->s2, m, level, at, end));

        if (leaves > 0) {
            n = (uint64_t)leaves << s2_shift(level);
            fill_leaves(m, entry, level, at, leaves);
            continue;
        }
        n = in_entry(level, at, end);
        if (s2d_is_table(*entry, level)) {
            map_commit(op, m, s2d_table(*entry), level + 1, at, at + n);
        } else {
            map_below(op, m, entry, level, at, n);
        }
    }
}

int stage2_map(struct stage2 *s2, gpa_t ipa, hpa_t pa, uint64_t size, enum s2_rights rights,
               enum s2_memtype type)
{
    int err = check_range(s2, ipa, size);

    if (err == 0 && (!rights_valid(rights) || !is_aligned(pa.v, PAGE_SIZE))) {
        err = ERR_INVALID;
    }
    if (err == 0 && !range_fits(pa.v, size, BIT(features.pa_bits))) {
        err = ERR_RANGE;
    }
    if (err != 0) {
        return err;
    }
    struct mapping m = {.offset = pa.v - ipa.v, .attributes = leaf_attributes(rights, type)};
    struct op op = {.s2 = s2};
    size_t need = 0;
    unsigned level = s2->start_level;

    spin_lock(&s2->lock);
    err = map_prepare(s2, &m, root_of(s2), level, ipa.v, ipa.v + size, &need);
    if (err == 0) {
        err = take(&op, need);
    }
    if (err == 0) {
        map_commit(&op, &m, root_of(s2), level, ipa.v, ipa.v + size);
        finish(&op);
    }
    spin_unlock(&s2->lock);
    return err;
}

// ---- Splitting

// The entry whose leaf holds ipa, or the empty one where the walk ends; its level in *level. With
// the lock held.
static uint64_t *find_entry(const struct stage2 *s2, uint64_t ipa, unsigned *level)
{
    uint64_t *table = root_of(s2);

    for (*level = s2->start_level;; (*level)++) {
        uint64_t *entry = &table[index_of(s2, *level, ipa)];

        if (!s2d_is_table(*entry, *level)) {
            return entry;
        }
        table = s2d_table(*entry);
    }
}

// Break-before-make, the only one (D8.16.1): makes n leaves at ipa invalid, for software still
// readable; when it returns, no TLB holds them.
static void break_leaves(struct op *op, uint64_t *entry, size_t n, uint64_t ipa, unsigned level)
{
    for (size_t i = 0; i < n; i++) {
        store(&entry[i], (entry[i] & ~S2D_VALID) | S2D_BROKEN);
        note(op, ipa + i * s2_span(level), level);
    }
    flush(op);
}

static uint64_t mended(uint64_t broken)
{
    return (broken & ~S2D_BROKEN) | S2D_VALID;
}

// Takes the contiguous hint from the group that the entry is one of.
static void split_group(struct op *op, uint64_t *entry, uint64_t ipa, unsigned level)
{
    size_t within = (ipa >> s2_shift(level)) % S2_CONTIGUOUS_ENTRIES;
    uint64_t *first = entry - within;

    break_leaves(op, first, S2_CONTIGUOUS_ENTRIES,
                 align_down(ipa, s2_span(level) * S2_CONTIGUOUS_ENTRIES), level);
    for (size_t i = 0; i < S2_CONTIGUOUS_ENTRIES; i++) {
        store(&first[i], mended(first[i]) & ~S2D_CONTIGUOUS);
    }
}

// Puts a table of 512 smaller leaves in the place of a block. Level-2 break-before-make support
// lets the table replace the block in one store (D8.16.2).
static void split_block(struct op *op, uint64_t *entry, uint64_t ipa, unsigned level)
{
    uint64_t block = *entry, *table = pop(&op->spare);
    uint64_t base = align_down(ipa, s2_span(level));
    uint64_t first = block | (level + 1 == 3 ? S2D_TABLE : 0);

    fill(table, S2_ENTRIES, first, s2_span(level + 1));
    if (features.bbm2) {
        note_table(op, base, level);
        link_table(op, entry, table);
        flush(op);
    } else {
        break_leaves(op, entry, 1, base, level);
        link_table(op, entry, table);
    }
}

// Splits until no leaf and no contiguous group has at in its middle.
static void split_at(struct op *op, uint64_t at)
{
    if (at >= BIT(op->s2->ipa_bits)) {
        return;
    }
    for (;;) {
        unsigned level = 0;
        uint64_t *entry = find_entry(op->s2, at, &level);
        uint64_t group = s2_span(level) * S2_CONTIGUOUS_ENTRIES;

        if (!s2d_valid(*entry)) {
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

    if (at < BIT(s2->ipa_bits) && !s2d_valid(*find_entry(s2, at, &level))) {
        level = 3;
    }
    return level;
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

static int split_ends(struct op *op, uint64_t start, uint64_t end)
{
    int err = take(op, splits_for(op->s2, start, end));

    if (err == 0) {
        split_at(op, start);
        split_at(op, end);
    }
    return err;
}

// ---- Unmapping

// Every table of the subtree is noted as unlinked; its leaves stay as they are until they leave the
// TLBs, being out of reach for every new walk.
static void unlink_tree(struct op *op, uint64_t *table, unsigned level)
{
    for (size_t i = 0; level < 3 && i < S2_ENTRIES; i++) {
        if (s2d_is_table(table[i], level)) {
            unlink_tree(op, s2d_table(table[i]), level + 1);
        }
    }
    push(&op->unlinked, table);
}

// The range begins and ends with a leaf, or in a hole.
static void clear(struct op *op, uint64_t *table, unsigned level, uint64_t at, uint64_t end)
{
    for (uint64_t n; at < end; at += n) {
        uint64_t *entry = &table[index_of(op->s2, level, at)];
        uint64_t d = *entry;

        n = in_entry(level, at, end);
        if (!s2d_is_table(d, level)) {
            if (d != 0) {
                store(entry, 0);
                note(op, align_down(at, s2_span(level)), level);
            }
            continue;
        }
        if (n == s2_span(level)) {
            store(entry, 0);
            note_table(op, at, level);
            unlink_tree(op, s2d_table(d), level + 1);
            continue;
        }
        clear(op, s2d_table(d), level + 1, at, at + n);
        if (empty_run(s2d_table(d), S2_ENTRIES) == S2_ENTRIES) {
            // Its leaves are noted; their invalidation takes what is cached of the walk to them.
            store(entry, 0);
            op->flush.tables = true;
            push(&op->unlinked, s2d_table(d));
        }
    }
}

int stage2_unmap(struct stage2 *s2, gpa_t ipa, uint64_t size)
{
    int err = check_range(s2, ipa, size);

    if (err != 0) {
        return err;
    }
    struct op op = {.s2 = s2};

    spin_lock(&s2->lock);
    err = split_ends(&op, ipa.v, ipa.v + size);
    if (err == 0) {
        clear(&op, root_of(s2), s2->start_level, ipa.v, ipa.v + size);
        finish(&op);
    }
    spin_unlock(&s2->lock);
    return err;
}

// ---- Rights

// With break_groups, makes contiguous groups whose rights will change invalid, and nothing else:
// their entries must never differ while valid. Without, gives all leaves their rights.
static void set_rights(struct op *op, uint64_t *table, unsigned level, uint64_t at, uint64_t end,
                       uint64_t rights, bool break_groups)
{
    for (uint64_t n; at < end; at += n) {
        uint64_t *entry = &table[index_of(op->s2, level, at)];
        uint64_t d = *entry, wanted = (mended(d) & ~S2D_RIGHTS) | rights;

        n = in_entry(level, at, end);
        if (s2d_is_table(d, level)) {
            set_rights(op, s2d_table(d), level + 1, at, at + n, rights, break_groups);
        } else if (d == 0 || d == wanted) {
            continue;
        } else if (!break_groups) {
            store(entry, wanted);
            if (s2d_valid(d)) {
                note(op, at, level);
            }
        } else if ((d & S2D_CONTIGUOUS) != 0) {
            store(entry, (d & ~S2D_VALID) | S2D_BROKEN);
            note(op, at, level);
        }
    }
}

int stage2_protect(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights)
{
    int err = check_range(s2, ipa, size);

    if (err == 0 && !rights_valid(rights)) {
        err = ERR_INVALID;
    }
    if (err != 0) {
        return err;
    }
    struct op op = {.s2 = s2};
    uint64_t end = ipa.v + size, bits = s2d_rights(rights);

    spin_lock(&s2->lock);
    err = split_ends(&op, ipa.v, end);
    if (err == 0) {
        set_rights(&op, root_of(s2), s2->start_level, ipa.v, end, bits, true);
        flush(&op);
        set_rights(&op, root_of(s2), s2->start_level, ipa.v, end, bits, false);
        finish(&op);
    }
    spin_unlock(&s2->lock);
    return err;
}

// ---- Looking up

// False if a table was given back meanwhile: the walk may have been in it, and what it read may be
// anything. That is checked before a descriptor is followed or believed.
static bool walk(const struct stage2 *s2, uint64_t ipa, uint64_t *descriptor, unsigned *level)
{
    uint32_t freed = __atomic_load_n(&s2->freed, __ATOMIC_ACQUIRE);
    const uint64_t *table = root_of(s2);

    for (*level = s2->start_level;; (*level)++) {
        uint64_t d = load(&table[index_of(s2, *level, ipa)]);

        if (__atomic_load_n(&s2->freed, __ATOMIC_ACQUIRE) != freed) {
            return false;
        }
        if (!s2d_is_table(d, *level)) {
            *descriptor = d;
            return true;
        }
        table = s2d_table(d);
    }
}

int stage2_lookup(const struct stage2 *s2, gpa_t ipa, struct s2_entry *out)
{
    unsigned level = 0;
    uint64_t d = 0;

    if (ipa.v >= BIT(s2->ipa_bits)) {
        return ERR_NOENT;
    }
    while (!walk(s2, ipa.v, &d, &level)) {
    }
    if (!s2d_is_leaf(d, level)) {
        return ERR_NOENT;
    }
    out->size = s2_span(level);
    out->pa = hpa((d & S2D_ADDRESS) | (ipa.v & (out->size - 1)));
    out->rights = s2d_rights_of(d);
    out->type = bits_get(d, 5, 2) == S2_ATTR_DEVICE ? S2_DEVICE : S2_NORMAL;
    out->level = (int)level;
    return 0;
}
