// SPDX-License-Identifier: Apache-2.0
#include "mem/stage2_lazy.h"

#include "arch/cache.h"
#include "lib/error.h"
#include "mem/s2_op.h"

// ---- Suspending

// The contiguous hint goes: the entries of a group come back one by one.
static void suspend_entries(uint64_t *entry, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s2d_valid(entry[i])) {
            s2_store(&entry[i], (entry[i] & ~(S2D_VALID | S2D_CONTIGUOUS)) | S2D_SUSPENDED);
        }
    }
}

void stage2_suspend(struct stage2 *s2)
{
    s2->suspended = true;
    suspend_entries(s2_root(s2), s2_root_entries(s2));
    cache_dsb_ishst();
    tlbi_vmid(stage2_vttbr(s2));
    s2_new_generation(s2);
}

static void resume_entry(uint64_t *entry)
{
    s2_store(entry, (*entry & ~S2D_SUSPENDED) | S2D_VALID);
}

// A suspended 1 GiB block becomes a table of suspended 2 MiB ones, if there is a page for it.
static bool split_suspended(struct stage2 *s2, uint64_t *entry)
{
    struct s2_op op = {.s2 = s2};

    if (s2_take(&op, 1) != 0) {
        return false;
    }
    uint64_t *table = s2_pop(&op);

    s2_fill(table, S2_ENTRIES, *entry, s2_span(2));
    s2_link(&op, entry, table);
    s2_finish(&op);
    return true;
}

bool stage2_resume(struct stage2 *s2, gpa_t ipa, stage2_look_fn *look)
{
    uint64_t *table = s2_root(s2);
    bool any = false;

    if (!s2->suspended) {
        return false;
    }
    for (unsigned level = s2->start_level;; level++) {
        uint64_t *entry = &table[s2_index(s2, level, ipa.v)];
        bool suspended = (*entry & S2D_SUSPENDED) != 0;

        any |= suspended;
        if (suspended && level == 1 && !s2d_is_table(*entry, level)) {
            suspended = !split_suspended(s2, entry);
        }
        if (!s2d_is_table(*entry, level)) {
            if (suspended) {
                look(s2, hpa(*entry & S2D_ADDRESS), s2_span(level));
                resume_entry(entry);
                cache_dsb_ishst();
            }
            return any;
        }
        table = s2d_table(*entry);
        if (suspended) {
            suspend_entries(table, S2_ENTRIES);
            resume_entry(entry);
        }
    }
}

// ---- Joining

#define KIND (~(S2D_ADDRESS | S2D_CONTIGUOUS))

// The level-2 entry whose table maps 512 pages at ipa; NULL with an error.
static uint64_t *entry_of_pages(const struct stage2 *s2, gpa_t ipa, int *err)
{
    uint64_t *table = s2_root(s2);

    for (unsigned level = s2->start_level; level < 2; level++) {
        uint64_t d = table[s2_index(s2, level, ipa.v)];

        if (!s2d_is_table(d, level)) {
            *err = ERR_NOENT;
            return NULL;
        }
        table = s2d_table(d);
    }
    uint64_t *entry = &table[s2_index(s2, 2, ipa.v)];

    *err = s2d_is_table(*entry, 2) && s2d_valid(*entry) ? 0 : ERR_NOENT;
    return *err == 0 ? entry : NULL;
}

// All valid, and alike in what ignored does not cover.
static bool uniform(const uint64_t *table, uint64_t ignored)
{
    uint64_t kind = table[0] & KIND & ~ignored;

    for (size_t i = 0; i < S2_ENTRIES; i++) {
        if (!s2d_valid(table[i]) || (table[i] & KIND & ~ignored) != kind) {
            return false;
        }
    }
    return true;
}

static bool adjacent(const uint64_t *table)
{
    uint64_t first = table[0] & S2D_ADDRESS;

    for (size_t i = 0; i < S2_ENTRIES; i++) {
        if ((table[i] & S2D_ADDRESS) != first + i * PAGE_SIZE) {
            return false;
        }
    }
    return is_aligned(first, BLOCK_SIZE);
}

int stage2_join(struct stage2 *s2, gpa_t ipa)
{
    struct s2_op op = {.s2 = s2};
    int err = 0;
    uint64_t at = align_down(ipa.v, BLOCK_SIZE), *entry = entry_of_pages(s2, gpa(at), &err);

    if (entry == NULL) {
        return err;
    }
    uint64_t *table = s2d_table(*entry);

    if (!uniform(table, 0)) {
        return ERR_BUSY;
    }
    if (!adjacent(table)) {
        return ERR_INVALID;
    }
    uint64_t block = table[0] & ~(S2D_TABLE | S2D_CONTIGUOUS);

    // Level-2 break-before-make support allows the block in one store; else readers see the block
    // already while it is broken.
    s2_store(entry, s2_features()->bbm2 ? block : ((block & ~S2D_VALID) | S2D_BROKEN));
    s2_note_table(&op, at, 2);
    s2_flush_tlb(&op);
    s2_store(entry, block);
    s2_unlink(&op, table);
    s2_finish(&op);
    return 0;
}

int stage2_replace(struct stage2 *s2, gpa_t ipa, hpa_t to, enum s2_rights rights,
                   stage2_move_fn *move)
{
    struct s2_op op = {.s2 = s2};
    int err = 0;
    uint64_t at = align_down(ipa.v, BLOCK_SIZE), *entry = entry_of_pages(s2, gpa(at), &err);

    if (entry == NULL) {
        return err;
    }
    uint64_t *table = s2d_table(*entry);

    // Whether execution is granted at once or later is for the caller to settle.
    if (!uniform(table, S2D_XN | S2D_X_LATER)) {
        return ERR_BUSY;
    }
    uint64_t kind = table[0] & ~(S2D_ADDRESS | S2D_TABLE | S2D_CONTIGUOUS | S2D_RIGHTS);

    // What readers find meanwhile is the place to which the contents are on their way; they hold
    // the lock to look into it, so they will look when it has arrived.
    s2_store(entry, ((kind | to.v | s2d_rights(rights)) & ~S2D_VALID) | S2D_BROKEN);
    s2_note_table(&op, at, 2);
    s2_flush_tlb(&op);
    for (unsigned i = 0; i < S2_ENTRIES; i++) {
        move(s2, i, hpa(table[i] & S2D_ADDRESS), hpa_add(to, i * PAGE_SIZE));
    }
    s2_store(entry, kind | to.v | s2d_rights(rights));
    s2_unlink(&op, table);
    s2_finish(&op);
    return 0;
}
