// SPDX-License-Identifier: Apache-2.0
#include "trap/decode.h"

#include "lib/bits.h"

#include <string.h>

static uint32_t get(uint32_t insn, unsigned hi, unsigned lo)
{
    return (uint32_t)bits_get(insn, hi, lo);
}

static int64_t get_signed(uint32_t insn, unsigned hi, unsigned lo)
{
    uint64_t sign = BIT(hi - lo);
    return (int64_t)((get(insn, hi, lo) ^ sign) - sign);
}

static bool is(uint32_t insn, uint32_t mask, uint32_t value)
{
    return (insn & mask) == value;
}

// ---- one register ----

// size and opc of the single-register forms, for V = 0.
static enum access_kind general_size(uint32_t insn, struct access *a)
{
    unsigned size = get(insn, 31, 30);
    unsigned opc = get(insn, 23, 22);
    a->size = (uint8_t)size;
    a->load = opc != 0;
    a->sign = opc >= 2;
    a->wide = size == 3 || opc == 2;
    if (size == 3 && opc == 2) {
        return ACCESS_PREFETCH;
    }
    return size >= 2 && opc == 3 ? ACCESS_UNKNOWN : ACCESS_PLAIN;
}

// For V = 1: B, H, S, D, and Q as opc<1>:size = 100.
static enum access_kind simd_size(uint32_t insn, struct access *a)
{
    unsigned size = get(insn, 31, 30);
    a->simd = true;
    a->load = get(insn, 22, 22) != 0;
    a->size = (uint8_t)(get(insn, 23, 23) ? 4 : size);
    return a->size == 4 && size != 0 ? ACCESS_UNKNOWN : ACCESS_PLAIN;
}

static enum access_kind single_size(uint32_t insn, struct access *a)
{
    a->elements = 1;
    a->rt = (uint8_t)get(insn, 4, 0);
    a->rn = (uint8_t)get(insn, 9, 5);
    return get(insn, 26, 26) ? simd_size(insn, a) : general_size(insn, a);
}

// A prefetch exists without write-back alone.
static enum access_kind no_prefetch(enum access_kind kind)
{
    return kind == ACCESS_PREFETCH ? ACCESS_UNKNOWN : kind;
}

// LDUR, LDTR, and LDR with write-back: imm9, bits 11..10 tell which.
static enum access_kind unscaled(uint32_t insn, struct access *a)
{
    enum access_kind kind = single_size(insn, a);
    a->offset = get_signed(insn, 20, 12);
    switch (get(insn, 11, 10)) {
    case 0:
        return kind;
    case 1:
        a->form = ADDRESS_POST;
        return no_prefetch(kind);
    case 2: // LDTR; no SIMD form
        a->unprivileged = true;
        return a->simd ? ACCESS_UNKNOWN : no_prefetch(kind);
    default:
        a->form = ADDRESS_PRE;
        return no_prefetch(kind);
    }
}

static enum access_kind unsigned_offset(uint32_t insn, struct access *a)
{
    enum access_kind kind = single_size(insn, a);
    a->offset = (int64_t)get(insn, 21, 10) << a->size;
    return kind;
}

static enum access_kind register_offset(uint32_t insn, struct access *a)
{
    enum access_kind kind = single_size(insn, a);
    a->form = ADDRESS_REGISTER;
    a->rm = (uint8_t)get(insn, 20, 16);
    a->extend = (uint8_t)get(insn, 15, 13);
    a->shift = get(insn, 12, 12) ? a->size : 0;
    return (a->extend & 2) == 0 ? ACCESS_UNKNOWN : kind;
}

// LDADD... SWP, and LDAPR among them: A=1 R=0 Rs=31 o3=1 opc=100.
static enum access_kind atomic(uint32_t insn, struct access *a)
{
    if (get(insn, 26, 26)) {
        return ACCESS_UNKNOWN;
    }
    a->elements = 1;
    a->size = (uint8_t)get(insn, 31, 30);
    a->rt = (uint8_t)get(insn, 4, 0);
    a->rn = (uint8_t)get(insn, 9, 5);
    a->load = true;
    if (is(insn, 0x00fffc00, 0x00bfc000)) {
        a->wide = a->size == 3;
        return ACCESS_PLAIN;
    }
    bool o3 = get(insn, 15, 15) != 0;
    return o3 && get(insn, 14, 12) != 0 ? ACCESS_UNKNOWN : ACCESS_EXCLUSIVE; // LD64B and its like
}

// LDRAA, LDRAB
static enum access_kind authenticated(uint32_t insn, struct access *a)
{
    if (get(insn, 31, 30) != 3 || get(insn, 26, 26)) {
        return ACCESS_UNKNOWN;
    }
    a->elements = 1;
    a->size = 3;
    a->load = a->wide = true;
    a->rt = (uint8_t)get(insn, 4, 0);
    a->rn = (uint8_t)get(insn, 9, 5);
    a->form = get(insn, 11, 11) ? ADDRESS_FAULTING_PRE : ADDRESS_FAULTING;
    return ACCESS_PLAIN;
}

// xx11 1x0x: the single-register forms.
static enum access_kind single_register(uint32_t insn, struct access *a)
{
    if (get(insn, 24, 24)) {
        return unsigned_offset(insn, a);
    }
    if (!get(insn, 21, 21)) {
        return unscaled(insn, a);
    }
    switch (get(insn, 11, 10)) {
    case 0:
        return atomic(insn, a);
    case 2:
        return register_offset(insn, a);
    default:
        return authenticated(insn, a);
    }
}

static enum access_kind literal(uint32_t insn, struct access *a)
{
    unsigned opc = get(insn, 31, 30);
    a->simd = get(insn, 26, 26) != 0;
    a->form = ADDRESS_LITERAL;
    a->offset = get_signed(insn, 23, 5) * 4;
    a->load = true;
    a->elements = 1;
    a->rt = (uint8_t)get(insn, 4, 0);
    a->size = (uint8_t)(a->simd ? 2 + opc : opc == 1 ? 3 : 2);
    a->wide = !a->simd && opc != 0;
    a->sign = !a->simd && opc == 2;
    if (opc == 3) {
        return a->simd ? ACCESS_UNKNOWN : ACCESS_PREFETCH;
    }
    return ACCESS_PLAIN;
}

// LDAPUR, STLUR: size and opc as the single-register forms have them.
static enum access_kind ordered_unscaled(uint32_t insn, struct access *a)
{
    if (get(insn, 21, 21) || get(insn, 11, 10)) {
        return ACCESS_UNKNOWN; // tags, memory copy
    }
    enum access_kind kind = single_size(insn, a);
    a->offset = get_signed(insn, 20, 12);
    return no_prefetch(kind);
}

// ---- pairs ----

static enum access_kind pair_size(uint32_t insn, struct access *a)
{
    unsigned opc = get(insn, 31, 30);
    a->simd = get(insn, 26, 26) != 0;
    a->load = get(insn, 22, 22) != 0;
    if (opc == 3) {
        return ACCESS_UNKNOWN;
    }
    if (a->simd) {
        a->size = (uint8_t)(2 + opc);
        return ACCESS_PLAIN;
    }
    a->size = opc == 2 ? 3 : 2;
    a->wide = opc != 0;
    a->sign = opc == 1; // LDPSW; its store would be STGP, its non-temporal form does not exist
    return opc == 1 && (!a->load || get(insn, 24, 23) == 0) ? ACCESS_UNKNOWN : ACCESS_PLAIN;
}

static enum access_kind pair(uint32_t insn, struct access *a)
{
    static const uint8_t forms[] = {ADDRESS_OFFSET, ADDRESS_POST, ADDRESS_OFFSET, ADDRESS_PRE};
    enum access_kind kind = pair_size(insn, a);
    a->form = forms[get(insn, 24, 23)];
    a->elements = 2;
    a->rt = (uint8_t)get(insn, 4, 0);
    a->rn = (uint8_t)get(insn, 9, 5);
    a->rt2 = (uint8_t)get(insn, 14, 10);
    a->offset = get_signed(insn, 21, 15) * (INT64_C(1) << a->size);
    return kind;
}

// ---- exclusive, ordered, compare and swap ----

static enum access_kind exclusive(uint32_t insn, struct access *a)
{
    bool o2 = get(insn, 23, 23) != 0;
    bool o1 = get(insn, 21, 21) != 0;
    a->elements = 1;
    a->load = get(insn, 22, 22) != 0;
    a->size = (uint8_t)get(insn, 31, 30);
    a->wide = a->size == 3;
    a->rt = (uint8_t)get(insn, 4, 0);
    a->rn = (uint8_t)get(insn, 9, 5);
    return o2 && !o1 ? ACCESS_PLAIN : ACCESS_EXCLUSIVE; // LDAR, STLR, LDLAR, STLLR
}

// ---- SIMD structures ----

static void structure_address(uint32_t insn, struct access *a)
{
    a->rn = (uint8_t)get(insn, 9, 5);
    a->rm = (uint8_t)get(insn, 20, 16);
    if (get(insn, 23, 23)) {
        a->form = a->rm == 31 ? ADDRESS_POST : ADDRESS_POST_REGISTER;
        a->offset = (int64_t)access_bytes(a);
        a->extend = a->rm == 31 ? 0 : EXTEND_LSL;
    }
}

// Without write-back Rm is not there, and must be 0.
static bool structure_allocated(uint32_t insn)
{
    return get(insn, 23, 23) || get(insn, 20, 16) == 0;
}

// LD1..LD4, ST1..ST4 of whole registers.
static enum access_kind multiple_structures(uint32_t insn, struct access *a)
{
    // By opcode: registers in a row and elements in a structure; 0 is not allocated.
    static const uint8_t repeats[16] = {
        [0] = 1, [2] = 4, [4] = 1, [6] = 3, [7] = 1, [8] = 1, [10] = 2};
    static const uint8_t structures[16] = {
        [0] = 4, [2] = 1, [4] = 3, [6] = 1, [7] = 1, [8] = 2, [10] = 1};
    unsigned opcode = get(insn, 15, 12);
    a->load = get(insn, 22, 22) != 0;
    a->quad = get(insn, 30, 30) != 0;
    a->size = (uint8_t)get(insn, 11, 10);
    a->rt = (uint8_t)get(insn, 4, 0);
    a->repeats = repeats[opcode];
    a->structure = structures[opcode];
    a->lanes = (uint8_t)((a->quad ? 16 : 8) >> a->size);
    a->elements = (uint8_t)(a->repeats * a->lanes * a->structure);
    structure_address(insn, a);
    if (!structure_allocated(insn) || get(insn, 21, 21) || a->repeats == 0) {
        return ACCESS_UNKNOWN;
    }
    return a->size == 3 && !a->quad && a->structure != 1 ? ACCESS_UNKNOWN : ACCESS_VECTORS;
}

// The lane's number and the element's size share bits Q, S and size. False if not allocated.
static bool single_lane(uint32_t insn, struct access *a)
{
    unsigned scale = get(insn, 15, 14);
    unsigned size = get(insn, 11, 10);
    unsigned s = get(insn, 12, 12);
    unsigned index = (get(insn, 30, 30) << 3) | (s << 2) | size;
    a->size = (uint8_t)scale;
    switch (scale) {
    case 0:
        break;
    case 1:
        if (size & 1) {
            return false;
        }
        break;
    case 2:
        if (size == 1 && s == 0) {
            a->size = 3;
        } else if (size != 0) {
            return false;
        }
        break;
    default: // LD1R
        a->size = (uint8_t)size;
        a->replicate = true;
        return a->load && s == 0;
    }
    a->lane = (uint8_t)(index >> a->size);
    return true;
}

// LD1..LD4, ST1..ST4 of one lane, and the replicating loads.
static enum access_kind single_structure(uint32_t insn, struct access *a)
{
    a->load = get(insn, 22, 22) != 0;
    a->quad = get(insn, 30, 30) != 0;
    a->rt = (uint8_t)get(insn, 4, 0);
    a->repeats = 1;
    a->lanes = 1;
    a->single = true;
    a->structure = (uint8_t)(((get(insn, 13, 13) << 1) | get(insn, 21, 21)) + 1);
    a->elements = a->structure;
    if (!single_lane(insn, a) || !structure_allocated(insn)) {
        return ACCESS_UNKNOWN;
    }
    structure_address(insn, a);
    return ACCESS_VECTORS;
}

// ---- all ----

// The rows of "Loads and Stores" (C4.1.94) that a guest can reach a device with.
static const struct {
    uint32_t mask, value;
    enum access_kind (*decode)(uint32_t insn, struct access *a);
} rows[] = {
    {0x3a000000, 0x38000000, single_register},  {0x3a000000, 0x28000000, pair},
    {0x3f000000, 0x08000000, exclusive},        {0x3f000000, 0x19000000, ordered_unscaled},
    {0x3b000000, 0x18000000, literal},          {0xbf000000, 0x0c000000, multiple_structures},
    {0xbf000000, 0x0d000000, single_structure},
};

// SYS instructions, without their register (C5.3, C5.4). None here is of MTE, which guests do not
// see.
#define SYS_MASK 0xffffffe0u
#define DC_ZVA   0xd50b7420u

static bool is_cache_maintenance(uint32_t insn)
{
    static const uint32_t words[] = {
        0xd5087620, // DC IVAC
        0xd50b7a20, // DC CVAC
        0xd50b7b20, // DC CVAU
        0xd50b7c20, // DC CVAP
        0xd50b7d20, // DC CVADP
        0xd50b7e20, // DC CIVAC
        0xd50b7520, // IC IVAU
    };
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        if (is(insn, SYS_MASK, words[i])) {
            return true;
        }
    }
    return false;
}

void decode_access(uint32_t insn, struct access *a)
{
    memset(a, 0, sizeof(*a));
    if (is(insn, SYS_MASK, DC_ZVA)) {
        a->kind = ACCESS_ZERO;
        a->rt = (uint8_t)get(insn, 4, 0);
        return;
    }
    if (is_cache_maintenance(insn)) {
        a->kind = ACCESS_CACHE;
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (is(insn, rows[i].mask, rows[i].value)) {
            a->kind = rows[i].decode(insn, a);
            break;
        }
    }
    if (a->kind == ACCESS_UNKNOWN) {
        memset(a, 0, sizeof(*a)); // nothing half decoded
    }
}
