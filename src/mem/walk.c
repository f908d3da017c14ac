// SPDX-License-Identifier: Apache-2.0
#include "mem/walk.h"

#include "lib/bits.h"
#include "lib/error.h"
#include "mem/guest.h"
#include "mem/s2_op.h"

// SCTLR_EL1
#define SCTLR_M    BIT(0)
#define SCTLR_WXN  BIT(19)
#define SCTLR_EE   BIT(25)
#define SCTLR_EPAN BIT(57)
// TCR_EL1
#define TCR_HA BIT(39)
#define TCR_HD BIT(40)
#define TCR_DS BIT(59)
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

// SH, and MAIR_EL1's attributes
#define OUTER_SHAREABLE 2
#define INNER_SHAREABLE 3
#define DEVICE_nGnRE    0x04
#define NON_CACHEABLE   0x44

// One half of the address space.
struct half {
    uint64_t ttbr;
    unsigned size_field; // TnSZ
    unsigned page_bits;  // 12, 14 or 16; 0 for the reserved encoding
    uint8_t shareability;
    bool ds; // TCR_EL1.DS, where it has a meaning
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
    uint64_t stop;       // the page of tables that is not to be read; 0 for none
    gpa_t at;            // of the descriptor
    struct walk_result *out;
    struct walk_rights *rights; // NULL: the access is judged by them
};

static void fault(struct walk_result *out, enum walk_fault kind, int level)
{
    out->fault = kind;
    out->level = level;
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

static bool tcr_bit(const struct walk_regs *r, bool high, unsigned low_bit, unsigned high_bit)
{
    return (r->tcr & BIT(high ? high_bit : low_bit)) != 0;
}

static struct half half_of(const struct walk_regs *r, uint64_t va, enum walk_access access)
{
    bool high = bits_get(va, 55, 55) != 0;
    bool data_only = r->cpu.pauth && tcr_bit(r, high, 51, 52);
    unsigned page_bits = high ? granule_of_ttbr1(r->tcr) : granule_of_ttbr0(r->tcr);
    bool lpa2 = page_bits == 12 ? r->cpu.lpa2_4k : page_bits == 14 && r->cpu.lpa2_16k;

    return (struct half){
        .ttbr = high ? r->ttbr1 : r->ttbr0,
        .size_field = (unsigned)(high ? bits_get(r->tcr, 21, 16) : bits_get(r->tcr, 5, 0)),
        .page_bits = page_bits,
        .shareability = (uint8_t)(high ? bits_get(r->tcr, 29, 28) : bits_get(r->tcr, 13, 12)),
        .ds = lpa2 && (r->tcr & TCR_DS) != 0,
        .off = tcr_bit(r, high, 7, 23),
        .top_byte_ignored = tcr_bit(r, high, 37, 38) && !(access == WALK_FETCH && data_only),
        .flat_permissions = r->cpu.hpds && tcr_bit(r, high, 41, 42),
        .el0_kept_out = r->el == 0 && r->cpu.e0pd && tcr_bit(r, high, 55, 56),
    };
}

// 52 bits are for 64 KiB granules, and for the others with DS.
static unsigned output_bits(const struct walk_regs *r, const struct half *h)
{
    static const unsigned bits[] = {32, 36, 40, 42, 44, 48, 52, 52};
    unsigned most = h->page_bits == 16 || h->ds ? 52 : 48;

    return MIN(MIN(bits[bits_get(r->tcr, 34, 32)], most), r->cpu.pa_bits);
}

static bool size_valid(const struct walk_cpu *cpu, const struct half *h)
{
    unsigned least = (h->page_bits == 16 && cpu->lva) || h->ds ? 12 : 16;
    unsigned most = !cpu->small_tables ? 39 : h->page_bits == 16 ? 47 : 48;

    return h->size_field >= least && h->size_field <= most;
}

// Are the bits of the address that no table resolves all equal to bit 55?
static bool canonical(const struct half *h, uint64_t va)
{
    unsigned top = h->top_byte_ignored ? 55 : 63, low = 64 - h->size_field;
    uint64_t rest = bits_get(va, top, low), ones = bits_get(UINT64_MAX, top, low);

    return low > top || rest == (bits_get(va, 55, 55) != 0 ? ones : 0);
}

// ---- Descriptors

// Stage 2 does not let the walk at its descriptor.
static void fault_on_walk(struct walk *w, enum walk_fault kind, int level)
{
    fault(w->out, kind, level);
    w->out->stage2 = w->out->on_walk = true;
    w->out->ipa = w->at;
}

static bool read_descriptor(struct walk *w, uint64_t *d)
{
    struct s2_entry e = {0};
    int err = guest_read(w->s2, d, w->at, sizeof(*d));

    if (err == 0) {
        *d = (w->r->sctlr & SCTLR_EE) != 0 ? __builtin_bswap64(*d) : *d;
        return true;
    }
    stage2_lookup(w->s2, w->at, &e); // for the level at which it ends
    fault_on_walk(w, err == ERR_ACCESS ? WALK_PERMISSION : WALK_TRANSLATION, e.level);
    return false;
}

static bool block_allowed(const struct walk *w, int level)
{
    switch (w->half.page_bits) {
    case 12:
        return level == 2 || level == 1 || (level == 0 && w->half.ds);
    case 14:
        return level == 2 || (level == 1 && w->half.ds);
    default:
        return level == 2 || (level == 1 && w->r->cpu.pa_bits == 52);
    }
}

// The address in a descriptor, whose lowest bit is shift.
static uint64_t address_in(const struct walk *w, uint64_t d, unsigned shift)
{
    if (w->half.ds) {
        return (d & MASK(49, shift)) | bits_get(d, 9, 8) << 50;
    }
    bool wide = w->half.page_bits == 16 && w->output_bits > 48;

    return (d & MASK(47, shift)) | (wide ? bits_get(d, 15, 12) << 48 : 0);
}

// TTBRn_EL1, of a table of this many bits.
static uint64_t root_in(const struct walk *w, unsigned bits)
{
    uint64_t ttbr = w->half.ttbr;

    // Aligned to 64 bytes at least where more than 48 bits are, which displaces some.
    return w->output_bits > 48 ? (ttbr & MASK(47, MAX(bits, 6u))) | bits_get(ttbr, 5, 2) << 48
                               : ttbr & MASK(47, bits);
}

static bool beyond(const struct walk *w, uint64_t address)
{
    return address >> w->output_bits != 0;
}

// ---- Rights

// Does hardware make it writable on the first write?
static bool dirty_state(const struct walk_regs *r, uint64_t d)
{
    bool on = r->cpu.dirty && (r->tcr & (TCR_HA | TCR_HD)) == (TCR_HA | TCR_HD);

    return on && (d & D_DBM) != 0;
}

// With what the tables above take away.
static uint64_t effective(const struct walk *w, uint64_t leaf)
{
    uint64_t t = w->half.flat_permissions ? 0 : w->table_bits;

    leaf &= dirty_state(w->r, leaf) ? ~D_READ_ONLY : UINT64_MAX;
    leaf |= (t & D_NO_WRITE) != 0 ? D_READ_ONLY : 0;
    leaf &= (t & D_NO_EL0) != 0 ? ~D_EL0 : UINT64_MAX;
    leaf |= (t & D_UXN_TABLE) != 0 ? D_UXN : 0;
    return leaf | ((t & D_PXN_TABLE) != 0 ? D_PXN : 0);
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
    return access == WALK_READ || (d & D_READ_ONLY) == 0;
}

static uint8_t rights_at(const struct walk *w, uint64_t d, unsigned el)
{
    struct walk_regs r = *w->r;
    unsigned rights = 0;

    r.el = el;
    r.pan = false;
    for (enum walk_access a = WALK_READ; a <= WALK_FETCH; a++) {
        rights |= may_access(&r, d, a) ? 1u << a : 0;
    }
    return (uint8_t)rights;
}

// ---- The walk

// Does the access make the CPU write the descriptor, for the access flag or the dirty state?
static bool updates(const struct walk *w, uint64_t d, enum walk_access access)
{
    return (d & D_AF) == 0 ||
           (access == WALK_WRITE && (d & D_READ_ONLY) != 0 && dirty_state(w->r, d));
}

// Such a write is the guest's, and stage 2 may forbid it.
static bool update_allowed(struct walk *w)
{
    struct s2_entry e = {0};

    if (stage2_lookup(w->s2, w->at, &e) == 0 && (e.rights & S2_W) == 0) {
        fault_on_walk(w, WALK_PERMISSION, e.level);
        return false;
    }
    return true;
}

static bool permitted(struct walk *w, uint64_t d, int level, enum walk_access access)
{
    bool accessed = (d & D_AF) != 0 || (w->r->cpu.access_flag && (w->r->tcr & TCR_HA) != 0);

    if (!accessed) {
        fault(w->out, WALK_ACCESS_FLAG, level);
        return false;
    }
    if (!may_access(w->r, effective(w, d), access)) {
        fault(w->out, WALK_PERMISSION, level);
        return false;
    }
    return !updates(w, d, access) || update_allowed(w);
}

static void leaf(struct walk *w, uint64_t d, int level, unsigned shift, enum walk_access access)
{
    uint64_t base = address_in(w, d, shift);

    if (beyond(w, base)) {
        fault(w->out, WALK_ADDRESS_SIZE, level);
        return;
    }
    if (w->rights != NULL) {
        uint64_t e = effective(w, d);

        *w->rights = (struct walk_rights){rights_at(w, e, 1), rights_at(w, e, 0)};
    } else if (!permitted(w, d, level, access)) {
        return;
    }
    w->out->level = level;
    w->out->size = BIT(shift);
    w->out->ipa = gpa(base | (w->va & (BIT(shift) - 1)));
    w->out->attributes = (uint8_t)(w->r->mair >> (8 * bits_get(d, 4, 2)));
    w->out->shareability = w->half.ds ? w->half.shareability : (uint8_t)bits_get(d, 9, 8);
}

// One level: false if it is the last, be it for a fault.
static bool step(struct walk *w, uint64_t d, int level, unsigned shift, enum walk_access access,
                 uint64_t *table)
{
    bool is_table = level < 3 && (d & D_TABLE) != 0;
    bool is_leaf = level == 3 ? (d & D_TABLE) != 0 : !is_table && block_allowed(w, level);

    if ((d & D_VALID) == 0 || (!is_table && !is_leaf)) {
        fault(w->out, WALK_TRANSLATION, level);
        return false;
    }
    if (is_leaf) {
        leaf(w, d, level, shift, access);
        return false;
    }
    *table = address_in(w, d, w->half.page_bits);
    if (beyond(w, *table)) {
        fault(w->out, WALK_ADDRESS_SIZE, level);
        return false;
    }
    w->table_bits |= d;
    return true;
}

static void descend(struct walk *w, enum walk_access access)
{
    unsigned page_bits = w->half.page_bits, stride = page_bits - 3;
    unsigned input = 64 - w->half.size_field;
    unsigned levels = (input - page_bits + stride - 1) / stride;
    unsigned shift = page_bits + stride * (levels - 1), index_bits = input - shift;
    uint64_t table = root_in(w, index_bits + 3), d = 0;

    if (beyond(w, table)) {
        fault(w->out, WALK_ADDRESS_SIZE, 0);
        return;
    }
    for (int level = 4 - (int)levels;; level++) {
        uint64_t index = bits_get(w->va, shift + index_bits - 1, shift);

        w->at = gpa(table + index * sizeof(d));
        w->out->walk_level = level;
        if ((w->stop != 0 && align_down(w->at.v, PAGE_SIZE) == w->stop) ||
            !read_descriptor(w, &d) || !step(w, d, level, shift, access, &table)) {
            return;
        }
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
    if (w->out->ipa.v >> w->r->cpu.pa_bits != 0) {
        fault(w->out, WALK_ADDRESS_SIZE, 0);
    }
}

static void walk(struct walk *w, enum walk_access access)
{
    const struct walk_regs *r = w->r;

    w->half = half_of(r, w->va, access);
    w->output_bits = output_bits(r, &w->half);
    *w->out = (struct walk_result){.fault = WALK_OK};
    if ((r->sctlr & SCTLR_M) == 0) {
        flat(w, access);
    } else if (!size_valid(&r->cpu, &w->half) || w->half.page_bits == 0 || w->half.off ||
               w->half.el0_kept_out || !canonical(&w->half, w->va)) {
        fault(w->out, WALK_TRANSLATION, 0);
    } else {
        descend(w, access);
    }
}

void walk_stage1(struct stage2 *s2, const struct walk_regs *r, gva_t va, enum walk_access access,
                 struct walk_result *out)
{
    struct walk w = {.s2 = s2, .r = r, .va = va.v, .out = out};

    walk(&w, access);
}

void walk_look(struct stage2 *s2, const struct walk_regs *r, gva_t va, struct walk_result *out,
               struct walk_rights *rights)
{
    struct walk w = {.s2 = s2, .r = r, .va = va.v, .out = out, .rights = rights};

    *rights = (struct walk_rights){7, 7}; // with stage 1 off
    walk(&w, WALK_READ);
}

bool walk_half(const struct walk_regs *r, bool high, struct walk_half *out)
{
    struct half h = half_of(r, high ? UINT64_MAX : 0, WALK_READ);

    *out = (struct walk_half){h.page_bits, 64 - h.size_field};
    return h.page_bits != 0 && size_valid(&r->cpu, &h) && !h.off;
}

int walk_until(struct stage2 *s2, const struct walk_regs *r, gva_t va, gpa_t table)
{
    struct walk_result out;
    struct walk w = {.s2 = s2, .r = r, .va = va.v, .stop = table.v, .out = &out};

    walk(&w, WALK_READ);
    return out.walk_level;
}

// Half of MAIR_EL1's attributes, of outer or inner caches: hints stay, where there are any.
static unsigned forced_write_back(unsigned half)
{
    return half == 4 ? 0xf : half | 4; // 4: not cacheable
}

// D8.6.4 to D8.6.6: the stricter of both stages, unless stage 2 forces its own. Stage 2's Normal
// memory is write-back and inner shareable, its devices nGnRE.
static void combine(struct walk_result *w, enum s2_memtype type)
{
    if (type == S2_DEVICE) {
        w->attributes = MIN(w->attributes, DEVICE_nGnRE);
    } else if (s2_features()->fwb) {
        w->attributes = w->attributes < 0x10
                            ? 0xff
                            : (uint8_t)(forced_write_back(w->attributes >> 4) << 4 |
                                        forced_write_back(w->attributes & 0xf));
    }
    w->shareability = w->shareability == OUTER_SHAREABLE ? OUTER_SHAREABLE : INNER_SHAREABLE;
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
        fault(out, err != 0 ? WALK_TRANSLATION : WALK_PERMISSION, e.level);
        out->stage2 = true;
        return;
    }
    out->pa = e.pa;
    combine(out, e.type);
}

// Level -1 has codes of its own (D19.2.113, FST).
static uint64_t fault_status(const struct walk_result *w)
{
    if (w->level >= 0) {
        return (uint64_t)((unsigned)w->fault | (unsigned)w->level);
    }
    return w->fault == WALK_ADDRESS_SIZE ? 0x29 : 0x2b;
}

uint64_t walk_par(const struct walk_result *w, bool both)
{
    if (w->fault != WALK_OK) {
        return BIT(0) | fault_status(w) << 1 | (w->on_walk ? BIT(8) : 0) |
               (w->stage2 ? BIT(9) : 0) | BIT(11);
    }
    bool plain = w->attributes < 0x10 || // Device
                 w->attributes == NON_CACHEABLE;

    return ((both ? w->pa.v : w->ipa.v) & MASK(51, 12)) | (uint64_t)w->attributes << 56 |
           (uint64_t)(plain ? 2 : w->shareability) << 7 | BIT(11);
}
