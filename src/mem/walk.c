// SPDX-License-Identifier: Apache-2.0
#include "mem/walk.h"

#include "lib/bits.h"
#include "lib/error.h"
#include "mem/guest.h"

// SCTLR_EL1
#define SCTLR_M    BIT(0)
#define SCTLR_WXN  BIT(19)
#define SCTLR_EE   BIT(25)
#define SCTLR_EPAN BIT(57)
// TCR_EL1
#define TCR_HA BIT(39)
#define TCR_HD BIT(40)
// Descriptors (D8.3.1)
#define D_VALID     BIT(0)
#define D_TABLE     BIT(1)
#define D_EL0       BIT(6) // AP[1]
#define D_READ_ONLY BIT(7) // AP[2]
#define D_AF        BIT(10)
#define D_DBM       BIT(51)
#define D_PXN       BIT(53)
#define D_UXN       BIT(54)
#define D_PXN_TABLE BIT(59)
#define D_UXN_TABLE BIT(60)
#define D_NO_EL0    BIT(61) // APTable[0]
#define D_NO_WRITE  BIT(62) // APTable[1]

// One half of the address space.
struct half {
    uint64_t ttbr;
    unsigned size_field; // TnSZ
    unsigned page_bits;  // 12, 14 or 16; 0 for the reserved encoding
    bool off, top_byte_ignored, flat_permissions, el0_kept_out;
};

// What is gathered on the way down.
struct walk {
    struct stage2 *s2;
    const struct walk_regs *r;
    struct half half;
    uint64_t va;
    unsigned output_bits;
    uint64_t table_bits; // of APTable, UXNTable and PXNTable
    struct walk_result *out;
};

static void fault(struct walk_result *out, enum walk_fault kind, unsigned level)
{
    out->fault = kind;
    out->level = (int)level;
}

static unsigned granule_of_ttbr0(uint64_t tcr)
{
    static const unsigned bits[] = {12, 16, 14, 0};

    return bits[bits_get(tcr, 15, 14)];
}

static unsigned granule_of_ttbr1(uint64_t tcr)
{
    static const unsigned bits[] = {0, 14, 12, 16};

    return bits[bits_get(tcr, 31, 30)];
}

static struct half half_of(const struct walk_regs *r, uint64_t va, enum walk_access access)
{
    uint64_t tcr = r->tcr;
    bool high = bits_get(va, 55, 55) != 0, fetch = access == WALK_FETCH;
    bool tbi = bits_get(tcr, high ? 38 : 37, high ? 38 : 37) != 0;
    bool data_only = bits_get(tcr, high ? 52 : 51, high ? 52 : 51) != 0;

    return (struct half){
        .ttbr = high ? r->ttbr1 : r->ttbr0,
        .size_field = (unsigned)(high ? bits_get(tcr, 21, 16) : bits_get(tcr, 5, 0)),
        .page_bits = high ? granule_of_ttbr1(tcr) : granule_of_ttbr0(tcr),
        .off = bits_get(tcr, high ? 23 : 7, high ? 23 : 7) != 0,
        .top_byte_ignored = tbi && !(fetch && data_only),
        .flat_permissions = bits_get(tcr, high ? 42 : 41, high ? 42 : 41) != 0,
        .el0_kept_out = r->el == 0 && bits_get(tcr, high ? 56 : 55, high ? 56 : 55) != 0,
    };
}

static unsigned output_bits(const struct walk_regs *r)
{
    static const unsigned bits[] = {32, 36, 40, 42, 44, 48, 48, 48};

    return MIN(bits[bits_get(r->tcr, 34, 32)], r->pa_bits);
}

// Are the bits of the address that no table resolves all equal to bit 55?
static bool canonical(const struct half *h, uint64_t va)
{
    unsigned top = h->top_byte_ignored ? 55 : 63, low = 64 - h->size_field;
    uint64_t rest = bits_get(va, top, low), ones = bits_get(UINT64_MAX, top, low);

    return low > top || rest == (bits_get(va, 55, 55) != 0 ? ones : 0);
}

// ---- Descriptors

static bool read_descriptor(struct walk *w, gpa_t at, uint64_t *d)
{
    struct s2_entry e = {0};
    int err = guest_read(w->s2, d, at, sizeof(*d));

    if (err == 0) {
        *d = (w->r->sctlr & SCTLR_EE) != 0 ? __builtin_bswap64(*d) : *d;
        return true;
    }
    fault(w->out, err == ERR_ACCESS ? WALK_PERMISSION : WALK_TRANSLATION, 0);
    stage2_lookup(w->s2, at, &e); // for the level at which it ends
    w->out->level = e.level;
    w->out->stage2 = w->out->on_walk = true;
    w->out->ipa = at;
    return false;
}

static bool block_allowed(const struct walk *w, unsigned level)
{
    return level == 2 || (level == 1 && w->half.page_bits == 12);
}

static bool beyond(const struct walk *w, uint64_t address)
{
    return address >> w->output_bits != 0;
}

// ---- Rights

// With what the tables above take away.
static uint64_t effective(const struct walk *w, uint64_t leaf)
{
    uint64_t t = w->half.flat_permissions ? 0 : w->table_bits;

    leaf |= (t & D_NO_WRITE) != 0 ? D_READ_ONLY : 0;
    leaf &= (t & D_NO_EL0) != 0 ? ~D_EL0 : UINT64_MAX;
    leaf |= (t & D_UXN_TABLE) != 0 ? D_UXN : 0;
    return leaf | ((t & D_PXN_TABLE) != 0 ? D_PXN : 0);
}

static bool writable(const struct walk_regs *r, uint64_t d)
{
    bool dirty_state = r->hafdbs && (r->tcr & (TCR_HA | TCR_HD)) == (TCR_HA | TCR_HD);

    return (d & D_READ_ONLY) == 0 || (dirty_state && (d & D_DBM) != 0);
}

static bool may_execute(const struct walk_regs *r, uint64_t d)
{
    bool el0 = (d & D_EL0) != 0, write = (d & D_READ_ONLY) == 0;

    if (r->el == 0) {
        return (d & D_UXN) == 0 && !((r->sctlr & SCTLR_WXN) != 0 && write && el0);
    }
    // What EL0 can write, EL1 never executes (D8.4.1).
    return (d & D_PXN) == 0 && !(write && el0) && !((r->sctlr & SCTLR_WXN) != 0 && write);
}

static bool may_access(const struct walk_regs *r, uint64_t d, enum walk_access access)
{
    bool el0 = (d & D_EL0) != 0;
    bool el0_executes = (r->sctlr & SCTLR_EPAN) != 0 && (d & D_UXN) == 0;

    if (access == WALK_FETCH) {
        return may_execute(r, d);
    }
    if (r->el == 0 ? !el0 : r->pan && (el0 || el0_executes)) {
        return false;
    }
    return access == WALK_READ || writable(r, d);
}

// ---- The walk

static void leaf(struct walk *w, uint64_t d, unsigned level, unsigned shift,
                 enum walk_access access)
{
    uint64_t base = d & MASK(47, shift);
    bool af_set = (d & D_AF) != 0 || (w->r->hafdbs && (w->r->tcr & TCR_HA) != 0);

    if (beyond(w, base)) {
        fault(w->out, WALK_ADDRESS_SIZE, level);
        return;
    }
    if (!af_set) {
        fault(w->out, WALK_ACCESS_FLAG, level);
        return;
    }
    if (!may_access(w->r, effective(w, d), access)) {
        fault(w->out, WALK_PERMISSION, level);
        return;
    }
    w->out->level = (int)level;
    w->out->size = BIT(shift);
    w->out->ipa = gpa(base | (w->va & (BIT(shift) - 1)));
    w->out->attributes = (uint8_t)(w->r->mair >> (8 * bits_get(d, 4, 2)));
    w->out->shareability = (uint8_t)bits_get(d, 9, 8);
}

static void descend(struct walk *w, enum walk_access access)
{
    unsigned page_bits = w->half.page_bits, stride = page_bits - 3;
    unsigned input = 64 - w->half.size_field;
    unsigned levels = (input - page_bits + stride - 1) / stride;
    unsigned shift = page_bits + stride * (levels - 1), index_bits = input - shift;
    uint64_t table = w->half.ttbr & MASK(47, index_bits + 3), d = 0;

    if (beyond(w, table)) {
        fault(w->out, WALK_ADDRESS_SIZE, 0);
        return;
    }
    for (unsigned level = 4 - levels;; level++) {
        uint64_t index = bits_get(w->va, shift + index_bits - 1, shift);

        if (!read_descriptor(w, gpa(table + index * sizeof(d)), &d)) {
            return;
        }
        bool is_table = level < 3 && (d & D_TABLE) != 0;
        bool is_leaf = level == 3 ? (d & D_TABLE) != 0 : !is_table && block_allowed(w, level);

        if ((d & D_VALID) == 0 || (!is_table && !is_leaf)) {
            fault(w->out, WALK_TRANSLATION, level);
            return;
        }
        if (is_leaf) {
            leaf(w, d, level, shift, access);
            return;
        }
        table = d & MASK(47, page_bits);
        if (beyond(w, table)) {
            fault(w->out, WALK_ADDRESS_SIZE, level);
            return;
        }
        w->table_bits |= d;
        shift -= stride;
        index_bits = stride;
    }
}

// Stage 1 off: the address is the IPA (D8.2.10).
static void flat(struct walk *w, enum walk_access access)
{
    // Memory attributes: Device-nGnRnE for data, write-through for fetches with SCTLR_EL1.I.
    w->out->attributes = access == WALK_FETCH ? 0xaa : 0;
    w->out->shareability = 2;
    w->out->size = PAGE_SIZE;
    w->out->ipa = gpa(w->half.top_byte_ignored ? w->va & MASK(55, 0) : w->va);
    if (w->out->ipa.v >> w->r->pa_bits != 0) {
        fault(w->out, WALK_ADDRESS_SIZE, 0);
    }
}

void walk_stage1(struct stage2 *s2, const struct walk_regs *r, gva_t va, enum walk_access access,
                 struct walk_result *out)
{
    struct walk w = {
        .s2 = s2,
        .r = r,
        .half = half_of(r, va.v, access),
        .va = va.v,
        .output_bits = output_bits(r),
        .out = out,
    };

    *out = (struct walk_result){.fault = WALK_OK};
    if ((r->sctlr & SCTLR_M) == 0) {
        flat(&w, access);
        return;
    }
    bool size_valid = w.half.size_field >= 16 && w.half.size_field <= 39;

    if (!size_valid || w.half.page_bits == 0 || w.half.off || w.half.el0_kept_out ||
        !canonical(&w.half, va.v)) {
        fault(out, WALK_TRANSLATION, 0);
        return;
    }
    descend(&w, access);
}

void walk_both(struct stage2 *s2, const struct walk_regs *r, gva_t va, enum walk_access access,
               struct walk_result *out)
{
    static const enum s2_rights need[] = {S2_R, S2_W, S2_X | S2_X_LATER};
    struct s2_entry e = {0};

    walk_stage1(s2, r, va, access, out);
    if (out->fault != WALK_OK) {
        return;
    }
    int err = stage2_lookup(s2, out->ipa, &e);

    if (err != 0 || (e.rights & need[access]) == 0) {
        fault(out, err != 0 ? WALK_TRANSLATION : WALK_PERMISSION, (unsigned)e.level);
        out->stage2 = true;
        return;
    }
    out->pa = e.pa;
}

uint64_t walk_par(const struct walk_result *w, bool both)
{
    if (w->fault != WALK_OK) {
        return BIT(0) | (uint64_t)((unsigned)w->fault | (unsigned)w->level) << 1 |
               (w->on_walk ? BIT(8) : 0) | (w->stage2 ? BIT(9) : 0) | BIT(11);
    }
    bool plain = w->attributes < 0x10 || w->attributes == 0x44; // Device, Normal Non-cacheable

    return ((both ? w->pa.v : w->ipa.v) & MASK(47, 12)) | (uint64_t)w->attributes << 56 |
           (uint64_t)(plain ? 2 : w->shareability) << 7 | BIT(11);
}
