// SPDX-License-Identifier: Apache-2.0
#include "mem/stage2.h"

#include "arch/cache.h"
#include "lib/check.h"
#include "lib/error.h"
#include "mem/s2_op.h"

#define VTCR_IRGN0_WB (UINT64_C(1) << 8)
#define VTCR_ORGN0_WB (UINT64_C(1) << 10)
#define VTCR_SH0_IS   (UINT64_C(3) << 12)
#define VTCR_VS       BIT(19)
#define VTCR_RES1     BIT(31)

static struct s2_features features;

void stage2_setup(const struct s2_features *f)
{
    features = *f;
}

const struct s2_features *s2_features(void)
{
    return &features;
}

// ---- Entries

uint64_t s2_attributes(enum s2_rights rights, enum s2_memtype type)
{
    uint64_t d = S2D_VALID | S2D_AF | s2d_rights(rights);

    if (type == S2_DEVICE) {
        return d | S2D_MEMATTR(S2_ATTR_DEVICE);
    }
    return d | S2D_SH_INNER | S2D_MEMATTR(features.fwb ? S2_ATTR_NORMAL_FWB : S2_ATTR_NORMAL);
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

int stage2_init(struct stage2 *s2, struct pool *pool, unsigned ipa_bits)
{
    if (ipa_bits < 32 || ipa_bits > features.pa_bits) {
        return ERR_RANGE;
    }
    *s2 = (struct stage2){
        .pool = pool,
        .ipa_bits = ipa_bits,
        .start_level = start_level_for(ipa_bits),
        .root_pages = root_pages_for(ipa_bits),
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
    return (uint64_t)vmid_number(&s2->vmid) << 48 | s2->root.v;
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
    enum s2_rights x = rights & (S2_X | S2_X_LATER);

    return x == 0 || (x != (S2_X | S2_X_LATER) && (rights & S2_R) != 0);
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
    return level == s2->start_level ? n : MIN(n, S2_ENTRIES - s2_index(s2, level, at));
}

// 2 MiB spans of [at, end), which lies in 1 GiB, that need a table: those not whole, or all of
// them.
static size_t spans_in_pages(const struct mapping *m, uint64_t at, uint64_t end)
{
    uint64_t first = at / BLOCK_SIZE, last = (end - 1) / BLOCK_SIZE;
    bool start_cut = !is_aligned(at, BLOCK_SIZE), end_cut = !is_aligned(end, BLOCK_SIZE);

    if (!is_aligned(m->offset, BLOCK_SIZE)) {
        return (size_t)(last - first + 1);
    }
    return first == last ? (size_t)(start_cut || end_cut) : (size_t)start_cut + end_cut;
}

// Tables needed below an empty entry to map [at, end), which lies in it.
static size_t tables_below(const struct mapping *m, unsigned level, uint64_t at, uint64_t end)
{
    bool whole = end - at == s2_span(level) && is_aligned(at | m->offset, s2_span(level));

    if (level == 3 || (level > 0 && whole)) {
        return 0;
    }
    size_t need = 1;

    if (level == 1) {
        need += spans_in_pages(m, at, end);
    }
    for (uint64_t n; level == 0 && at < end; at += n) {
        n = s2_in_entry(1, at, end);
        need += tables_below(m, 1, at, at + n);
    }
    return need;
}

// Adds to *need the tables that mapping [at, end) within this table will take; ERR_EXISTS.
static int map_prepare(const struct stage2 *s2, const struct mapping *m, const uint64_t *table,
                       unsigned level, uint64_t at, uint64_t end, size_t *need)
{
    int err = 0;

    for (uint64_t n; at < end && err == 0; at += n) {
        const uint64_t *entry = &table[s2_index(s2, level, at)];
        size_t leaves = s2_empty_run(entry, leaves_in(s2, m, level, at, end));

        n = leaves > 0 ? (uint64_t)leaves << s2_shift(level) : s2_in_entry(level, at, end);
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
    s2_fill(entry, head, d, span);
    s2_fill(entry + head, body, (d + head * span) | S2D_CONTIGUOUS, span);
    s2_fill(entry + head + body, n - head - body, d + (head + body) * span, span);
}

static void map_commit(struct s2_op *op, const struct mapping *m, uint64_t *table, unsigned level,
                       uint64_t at, uint64_t end);

// A table that maps [at, at + n) of what the empty entry covers, linked when it is complete.
static void map_below(struct s2_op *op, const struct mapping *m, uint64_t *entry, unsigned level,
                      uint64_t at, uint64_t n)
{
    uint64_t *below = s2_pop(op);

    if (n == s2_span(level) && leaves_in(op->s2, m, level + 1, at, at + n) == S2_ENTRIES) {
        fill_leaves(m, below, level + 1, at, S2_ENTRIES); // all of it: no need to zero it first
    } else {
        zero_pages(below, PAGE_SIZE);
        map_commit(op, m, below, level + 1, at, at + n);
    }
    s2_link(op, entry, below);
}

// Cannot fail: prepare saw that what it overwrites is empty, and the spare tables suffice.
static void map_commit(struct s2_op *op, const struct mapping *m, uint64_t *table, unsigned level,
                       uint64_t at, uint64_t end)
{
    for (uint64_t n; at < end; at += n) {
        uint64_t *entry = &table[s2_index(op->s2, level, at)];
        size_t leaves = s2_empty_run(entry, leaves_in(op->s2, m, level, at, end));

        if (leaves > 0) {
            n = (uint64_t)leaves << s2_shift(level);
            fill_leaves(m, entry, level, at, leaves);
            continue;
        }
        n = s2_in_entry(level, at, end);
        if (s2d_is_table(*entry, level)) {
            map_commit(op, m, s2d_table(*entry), level + 1, at, at + n);
        } else {
            map_below(op, m, entry, level, at, n);
        }
    }
}

static int map_range(struct stage2 *s2, const struct mapping *m, uint64_t at, uint64_t end)
{
    struct s2_op op = {.s2 = s2};
    size_t need = 0;
    int err = map_prepare(s2, m, s2_root(s2), s2->start_level, at, end, &need);

    if (err == 0) {
        err = s2_take(&op, need);
    }
    if (err == 0) {
        map_commit(&op, m, s2_root(s2), s2->start_level, at, end);
        s2_finish(&op);
    }
    return err;
}

// The commonest case by far where memory is populated page by page: the table is there. False if it
// is not.
static bool map_page(const struct stage2 *s2, const struct mapping *m, uint64_t at, int *err)
{
    unsigned level = 0;
    uint64_t *entry = s2_find(s2, at, &level);

    if (level < 3) {
        return false;
    }
    *err = *entry == 0 ? 0 : ERR_EXISTS;
    if (*err == 0) {
        s2_store(entry, (at + m->offset) | m->attributes | S2D_TABLE);
        cache_dsb_ishst();
    }
    return true;
}

int stage2_map_locked(struct stage2 *s2, gpa_t ipa, hpa_t pa, uint64_t size, enum s2_rights rights,
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
    struct mapping m = {.offset = pa.v - ipa.v, .attributes = s2_attributes(rights, type)};

    if (size != PAGE_SIZE || !map_page(s2, &m, ipa.v, &err)) {
        err = map_range(s2, &m, ipa.v, ipa.v + size);
    }
    return err;
}

int stage2_map(struct stage2 *s2, gpa_t ipa, hpa_t pa, uint64_t size, enum s2_rights rights,
               enum s2_memtype type)
{
    spin_lock(&s2->lock);
    int err = stage2_map_locked(s2, ipa, pa, size, rights, type);

    spin_unlock(&s2->lock);
    return err;
}

// ---- Unmapping

// The range begins and ends with a leaf, or in a hole.
static void clear(struct s2_op *op, uint64_t *table, unsigned level, uint64_t at, uint64_t end)
{
    for (uint64_t n; at < end; at += n) {
        uint64_t *entry = &table[s2_index(op->s2, level, at)];
        uint64_t d = *entry;

        n = s2_in_entry(level, at, end);
        if (!s2d_is_table(d, level)) {
            if (d != 0) {
                s2_store(entry, 0);
                s2_note(op, align_down(at, s2_span(level)), level);
            }
            continue;
        }
        if (n == s2_span(level)) {
            s2_store(entry, 0);
            s2_note_table(op, at, level);
            s2_unlink_tree(op, s2d_table(d), level + 1);
            continue;
        }
        clear(op, s2d_table(d), level + 1, at, at + n);
        if (s2_empty_run(s2d_table(d), S2_ENTRIES) == S2_ENTRIES) {
            // Its leaves are noted; their invalidation takes what is cached of the walk to them.
            s2_store(entry, 0);
            op->flush.tables = true;
            s2_unlink(op, s2d_table(d));
        }
    }
}

int stage2_unmap_locked(struct stage2 *s2, gpa_t ipa, uint64_t size)
{
    struct s2_op op = {.s2 = s2};
    int err = check_range(s2, ipa, size);

    if (err == 0) {
        err = s2_split_ends(&op, ipa.v, ipa.v + size);
    }
    if (err == 0) {
        clear(&op, s2_root(s2), s2->start_level, ipa.v, ipa.v + size);
        s2_finish(&op);
    }
    return err;
}

int stage2_unmap(struct stage2 *s2, gpa_t ipa, uint64_t size)
{
    spin_lock(&s2->lock);
    int err = stage2_unmap_locked(s2, ipa, size);

    spin_unlock(&s2->lock);
    return err;
}

// ---- Rights

struct change {
    uint64_t rights;   // as descriptor bits
    bool withhold;     // execution that a leaf does not have yet becomes S2D_X_LATER
    bool break_groups; // only make contiguous groups invalid whose rights will change
};

static uint64_t changed(const struct change *c, uint64_t d)
{
    uint64_t rights = c->rights;

    if (c->withhold && (rights & S2D_XN) == 0 && (d & S2D_XN) != 0) {
        rights |= S2D_XN | S2D_X_LATER;
    }
    return (s2_mended(d) & ~S2D_RIGHTS) | rights;
}

// The entries of a contiguous group must never differ while valid, so a first pass breaks those.
// The second gives all leaves their rights; for one that was not broken the change of rights alone
// needs no break.
static void set_rights(struct s2_op *op, uint64_t *table, unsigned level, uint64_t at, uint64_t end,
                       const struct change *c)
{
    for (uint64_t n; at < end; at += n) {
        uint64_t *entry = &table[s2_index(op->s2, level, at)];
        uint64_t d = *entry, wanted = changed(c, d);

        n = s2_in_entry(level, at, end);
        if (s2d_is_table(d, level)) {
            set_rights(op, s2d_table(d), level + 1, at, at + n, c);
        } else if (d == 0 || d == wanted) {
            continue;
        } else if (!c->break_groups) {
            op->flush.changed = true;
            s2_store(entry, wanted);
            if (s2d_valid(d)) {
                s2_note(op, at, level);
            }
        } else if ((d & S2D_CONTIGUOUS) != 0) {
            s2_store(entry, (d & ~S2D_VALID) | S2D_BROKEN);
            s2_note(op, at, level);
        }
    }
}

// A single page that stands alone. False if it does not.
static bool change_page(struct s2_op *op, uint64_t ipa, const struct change *c)
{
    unsigned level = 0;
    uint64_t *entry = s2_find(op->s2, ipa, &level), d = *entry;

    if (level < 3 || (d & S2D_CONTIGUOUS) != 0) {
        return false;
    }
    if (d != 0 && d != changed(c, d)) {
        s2_store(entry, changed(c, d));
        s2_note(op, ipa, 3);
        s2_finish(op);
    }
    return true;
}

static int change_rights(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights,
                         bool withhold)
{
    struct s2_op op = {.s2 = s2};
    struct change c = {s2d_rights(rights), withhold, true};
    int err = check_range(s2, ipa, size);

    if (err == 0 && !rights_valid(rights)) {
        err = ERR_INVALID;
    }
    if (err == 0 && size == PAGE_SIZE && change_page(&op, ipa.v, &c)) {
        return 0;
    }
    if (err == 0) {
        err = s2_split_ends(&op, ipa.v, ipa.v + size);
    }
    if (err == 0) {
        set_rights(&op, s2_root(s2), s2->start_level, ipa.v, ipa.v + size, &c);
        s2_flush_tlb(&op);
        c.break_groups = false;
        set_rights(&op, s2_root(s2), s2->start_level, ipa.v, ipa.v + size, &c);
        s2_finish(&op);
    }
    return err;
}

int stage2_protect_locked(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights)
{
    return change_rights(s2, ipa, size, rights, false);
}

int stage2_override_locked(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights)
{
    return change_rights(s2, ipa, size, rights, true);
}

int stage2_protect(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights)
{
    spin_lock(&s2->lock);
    int err = stage2_protect_locked(s2, ipa, size, rights);

    spin_unlock(&s2->lock);
    return err;
}

// ---- Looking up

// False if a change ended meanwhile: the walk may have been in a table that was given back, and
// what it read may be anything. That is checked before a descriptor is followed or believed. A
// suspension higher up is added to the leaf.
static bool walk(const struct stage2 *s2, uint64_t ipa, uint64_t *descriptor, unsigned *level)
{
    uint64_t generation = __atomic_load_n(&s2->generation, __ATOMIC_ACQUIRE), suspended = 0;
    unsigned l = s2->start_level, shift = s2_shift(l);
    const uint64_t *entry = &s2_root(s2)[ipa >> shift];

    for (;; l++) {
        uint64_t d = s2_load(entry);

        if (__atomic_load_n(&s2->generation, __ATOMIC_ACQUIRE) != generation) {
            return false;
        }
        if (!s2d_is_table(d, l)) {
            *descriptor = d | (d != 0 ? suspended : 0);
            *level = l;
            return true;
        }
        suspended |= d & S2D_SUSPENDED;
        shift -= 9;
        entry = &s2d_table(d)[(ipa >> shift) % S2_ENTRIES];
    }
}

int stage2_lookup(const struct stage2 *s2, gpa_t ipa, struct s2_entry *out)
{
    unsigned level = 0;
    uint64_t d = 0;

    if (ipa.v >= BIT(s2->ipa_bits)) {
        out->level = 0;
        return ERR_NOENT;
    }
    while (!walk(s2, ipa.v, &d, &level)) {
    }
    out->level = (int)level;
    if (!s2d_is_leaf(d, level)) {
        return ERR_NOENT;
    }
    out->size = s2_span(level);
    out->pa = hpa((d & S2D_ADDRESS) | (ipa.v & (out->size - 1)));
    out->rights = s2d_rights_of(d);
    out->type = bits_get(d, 5, 2) == S2_ATTR_DEVICE ? S2_DEVICE : S2_NORMAL;
    out->suspended = (d & S2D_SUSPENDED) != 0;
    return 0;
}
