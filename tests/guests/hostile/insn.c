// SPDX-License-Identifier: Apache-2.0
// Encodings are of the Arm ARM, C4 (A64) and F3, F4 (T32, A32).
#include "hostile/insn.h"

#include <stddef.h>

#define DAIFSET_ALL 0xd5034fdfu
#define MSR_VBAR    0xd518c01cu /* from x28 */
#define NOP         0xd503201fu

#define OP0(i)  (((i) >> 19) & 3)
#define OP1(i)  (((i) >> 16) & 7)
#define CRN(i)  (((i) >> 12) & 15)
#define CRM(i)  (((i) >> 8) & 15)
#define OP2(i)  (((i) >> 5) & 7)
#define READ(i) (((i) >> 21) & 1)

/* op0 op1 CRn CRm op2 */
#define KEY(i)                       ((i) >> 5 & 0xffff)
#define REG(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define SCTLR_EL1                    REG(3, 0, 1, 0, 0)
#define VBAR_EL1                     REG(3, 0, 12, 0, 0)
#define ICC_BPR1_EL1                 REG(3, 0, 12, 12, 3)

/* xorshift64*, Marsaglia and Vigna */
uint64_t random_next(struct random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1d;
}

static uint32_t result_register(struct random *r)
{
    return 20 + (uint32_t)random_below(r, 6);
}

static uint32_t address_register(struct random *r)
{
    return 2 + (uint32_t)random_below(r, 15);
}

/* Where EL1's and EL0's registers and instructions are; CRm from `first` on, op2 any. */
static const struct {
    uint8_t op0, op1, crn, first, count;
} rooms[] = {
    {3, 0, 0, 0, 8},  {3, 0, 1, 0, 3},  {3, 0, 2, 0, 6},  {3, 0, 4, 0, 7},  {3, 0, 5, 1, 6},
    {3, 0, 6, 0, 1},  {3, 0, 7, 4, 1},  {3, 0, 9, 9, 6},  {3, 0, 10, 2, 4}, {3, 0, 12, 0, 2},
    {3, 0, 12, 8, 5}, {3, 0, 13, 0, 1}, {3, 0, 14, 1, 1}, {3, 1, 0, 0, 1},  {3, 2, 0, 0, 1},
    {3, 3, 0, 0, 1},  {3, 3, 2, 4, 2},  {3, 3, 4, 2, 4},  {3, 3, 9, 12, 3}, {3, 3, 13, 0, 16},
    {3, 3, 14, 0, 4}, {3, 3, 14, 8, 8}, {2, 0, 0, 0, 16}, {2, 0, 1, 0, 5},  {2, 0, 7, 8, 7},
    {2, 3, 0, 1, 5},  {2, 1, 0, 0, 16}, {1, 0, 7, 1, 14}, {1, 0, 8, 1, 7},  {1, 0, 9, 1, 7},
    {1, 3, 7, 1, 14}, {0, 3, 2, 0, 3},  {0, 3, 3, 0, 16}, {0, 0, 4, 0, 16}, {0, 3, 4, 0, 16},
    {1, 0, 7, 8, 2},  {3, 0, 12, 8, 5}, {3, 3, 14, 2, 2}, {3, 6, 0, 0, 2},  {3, 4, 0, 0, 16},
};

static uint32_t known_encoding(struct random *r)
{
    unsigned room = (unsigned)random_below(r, sizeof(rooms) / sizeof(*rooms));
    uint32_t crm = rooms[room].first + (uint32_t)random_below(r, rooms[room].count);
    uint32_t read_and_op2 = (uint32_t)random_next(r) & 0x2000e0;

    return 0xd5000000u | read_and_op2 | (uint32_t)rooms[room].op0 << 19 |
           (uint32_t)rooms[room].op1 << 16 | (uint32_t)rooms[room].crn << 12 | crm << 8;
}

/* All 2^22 encodings now and then, more often those that may be something. */
static uint32_t system_encoding(struct random *r)
{
    if (random_below(r, 8)) {
        return known_encoding(r);
    }
    return 0xd5000000u | ((uint32_t)random_next(r) & 0x3fffe0);
}

/* WFI, WFE, WFIT, WFET: a sleep is another affair. */
static bool sleeps(uint32_t word)
{
    bool hint = (word & 0xfffff01fu) == 0xd503201fu;

    return (hint && CRM(word) == 0 && (OP2(word) == 2 || OP2(word) == 3)) ||
           (word & 0xffffffc0u) == 0xd5031000u;
}

/* Registers whose loss a shot with its own translation would not survive. */
static bool governs_translation(uint32_t word)
{
    uint32_t crn = CRN(word);
    uint32_t crm = CRM(word);

    return OP0(word) == 3 && OP1(word) == 0 && !READ(word) &&
           ((crn == 1 && crm == 0) || (crn == 2 && crm == 0) || (crn == 10 && crm == 2));
}

unsigned insn_system(struct random *r, uint32_t *to, bool mmu)
{
    uint32_t word = system_encoding(r);

    if (sleeps(word) || (mmu && governs_translation(word))) {
        word = NOP;
    } else if (OP0(word) == 0) {
        word |= random_below(r, 4) ? 31 : (uint32_t)random_below(r, 32);
        word = sleeps(word) ? NOP : word;
    } else if (OP0(word) == 1 && CRN(word) == 7 && !READ(word)) {
        word |= address_register(r); /* caches, AT, DC ZVA */
    } else if (!READ(word) && KEY(word) == SCTLR_EL1) {
        word |= 19;
    } else if (!READ(word) && KEY(word) == ICC_BPR1_EL1) {
        word |= 31; /* QEMU up to 10.0.2 takes 8 for 0, which it then dies of (icv_gprio_mask) */
    } else {
        word |= random_below(r, 8) ? result_register(r) : 31;
    }
    if (!READ(word) && KEY(word) == VBAR_EL1) {
        to[0] = DAIFSET_ALL; /* nothing may come before it is set right */
        to[1] = word;
        to[2] = MSR_VBAR;
        return 3;
    }
    to[0] = word;
    return 1;
}

/* What of a load's or store's encoding is fixed, and which of its registers there are. */
enum { RT2 = 1, RS = 2, RM = 4, EVEN = 8 };

static const struct template
{
    uint32_t word, random;
    unsigned registers;
}
templates[] = {
    {0x39000000, 0xc4fffc00, 0},        /* LDR, STR, PRFM, unsigned offset, all sizes, SIMD too */
    {0x39000000, 0xc0c00c00, 0},        /* with small offsets, general registers */
    {0xb9000000, 0x40400000, 0},        /* 32 and 64 bits */
    {0x38000000, 0xc4dffc00, 0},        /* unscaled, post, unprivileged, pre */
    {0x38200800, 0xc4c0f000, RM},       /* register offset */
    {0x28000000, 0xc5ff8000, RT2},      /* pairs, all forms */
    {0x08000000, 0xc0e08000, RT2 | RS}, /* exclusives, ordered, CAS */
    {0x08200000, 0x40408000, RT2 | RS | EVEN}, /* CASP */
    {0x38200000, 0xc4c0f000, RS},              /* atomics */
    {0x19000000, 0xc0dff000, 0},               /* LDAPUR, STLUR */
    {0x0c000000, 0x4040fc00, 0},               /* LD1 to LD4, ST1 to ST4, multiple structures */
    {0x0c800000, 0x4040fc00, RM},              /* with write-back */
    {0x0d000000, 0x4060fc00, 0},               /* single structures */
    {0x0d800000, 0x4060fc00, RM},
    {0xf8200400, 0x00dff800, 0}, /* LDRAA, LDRAB */
    {0xd9200000, 0x00dffc00, 0}, /* tags */
};

uint32_t insn_memory(struct random *r)
{
    const struct template *t = &templates[random_below(r, sizeof(templates) / sizeof(*templates))];
    uint32_t result = result_register(r) & ~(t->registers & EVEN ? 1u : 0);
    uint32_t word = t->word | ((uint32_t)random_next(r) & t->random);

    if (random_below(r, 64) == 0) {
        return 0xd50b7420u | address_register(r); /* DC ZVA */
    }
    if (t->registers & RT2) {
        word |= (t->registers & EVEN ? 31 : result_register(r)) << 10;
    }
    if (t->registers & RS) {
        word |= (result_register(r) & ~(t->registers & EVEN ? 1u : 0)) << 16;
    }
    if (t->registers & RM) {
        word |= (random_below(r, 2) ? 17u : 31u) << 16;
    }
    return word | address_register(r) << 5 | result;
}

/* Neither a branch nor an access; what has a general destination has it in bits 4 to 0. */
static uint32_t insn_data(struct random *r)
{
    static const struct {
        uint32_t word, random;
    } groups[] = {
        {0x10000000, 0xe3ffffe0},                           /* immediate */
        {0x0a000000, 0xf1ffffe0},                           /* register */
        {0x0e000000, 0xf1ffffe0},                           /* FP and SIMD */
        {0x0e000000, 0xf1ffffe0}, {0x04000000, 0x61ffffe0}, /* SVE */
        {0xc0000000, 0x01ffffe0},                           /* SME */
    };
    unsigned group = (unsigned)random_below(r, sizeof(groups) / sizeof(*groups));

    return groups[group].word | ((uint32_t)random_next(r) & groups[group].random) |
           result_register(r);
}

/* SVC ends a shot, BRK and HLT do not; HVC and SMC with an immediate are no SMCCC calls. */
static uint32_t insn_exception(struct random *r)
{
    static const uint32_t kinds[] = {INSN_HVC, INSN_SMC, 0xd4200000, 0xd4400000, 0xd4a00001};
    uint32_t immediate = 1 + (uint32_t)random_below(r, 0xfffe);

    return kinds[random_below(r, 5)] | immediate << 5;
}

unsigned insn_any(struct random *r, uint32_t *to, bool mmu)
{
    unsigned kind = (unsigned)random_below(r, 32);

    if (kind < 18) {
        return insn_system(r, to, mmu);
    }
    if (kind < 28) {
        to[0] = insn_memory(r);
    } else if (kind < 31) {
        to[0] = insn_data(r);
    } else {
        to[0] = insn_exception(r);
    }
    return 1;
}

/* Results go to r0 and r1, addresses are r2 to r12. */
uint32_t insn_aarch32(struct random *r, bool thumb)
{
    uint32_t any = (uint32_t)random_next(r);
    uint32_t word = 0xee000000 | (any & 0xff0fff); /* CDP, MCR, MRC */

    switch (random_below(r, 4)) {
    case 0:
        word = 0xec410000 | (any & 0x100fff); /* MCRR, MRRC */
        break;
    case 1:
        if (!thumb) { /* LDR, LDRB, STR, STRB */
            return 0xe5800000 | (any & 0x00500fff) | (2 + (uint32_t)random_below(r, 11)) << 16;
        }
        return (0xbf08u | (any & 0xf0)) << 16 | 0xbf00; /* NOP; IT */
    default:
        break;
    }
    return thumb ? word << 16 | word >> 16 : word;
}
