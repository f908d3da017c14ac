// SPDX-License-Identifier: Apache-2.0
#include "cpu/features.h"

#include "cpu/errata.h"
#include "cpu/sve.h"
#include "lib/bits.h"

#include <stddef.h>
#include <string.h>

struct features features;

// AArch32's registers (meaningful where EL0 may be AArch32), then AArch64's.
enum {
    ID_PFR0 = ID_INDEX(1, 0),
    ID_PFR1 = ID_INDEX(1, 1),
    ID_DFR0 = ID_INDEX(1, 2),
    ID_MMFR0 = ID_INDEX(1, 4),
    ID_MMFR1 = ID_INDEX(1, 5),
    ID_MMFR2 = ID_INDEX(1, 6),
    ID_MMFR3 = ID_INDEX(1, 7),
    ID_ISAR0 = ID_INDEX(2, 0),
    ID_ISAR5 = ID_INDEX(2, 5),
    ID_MMFR4 = ID_INDEX(2, 6),
    ID_ISAR6 = ID_INDEX(2, 7),
    MVFR0 = ID_INDEX(3, 0),
    MVFR1 = ID_INDEX(3, 1),
    MVFR2 = ID_INDEX(3, 2),
    ID_PFR2 = ID_INDEX(3, 4),
    ID_MMFR5 = ID_INDEX(3, 6),
    AARCH32_END = ID_INDEX(4, 0),
    PFR0 = ID_INDEX(4, 0),
    PFR1 = ID_INDEX(4, 1),
    ZFR0 = ID_INDEX(4, 4),
    DFR0 = ID_INDEX(5, 0),
    ISAR0 = ID_INDEX(6, 0),
    ISAR1 = ID_INDEX(6, 1),
    ISAR2 = ID_INDEX(6, 2),
    MMFR0 = ID_INDEX(7, 0),
    MMFR1 = ID_INDEX(7, 1),
    MMFR2 = ID_INDEX(7, 2),
    MMFR4 = ID_INDEX(7, 4),
};

enum field_kind {
    PLAIN,  // 0 is absent, more is more
    SIGNED, // 0xf (-1) is absent
    PAUTH,  // PLAIN, part of pointer authentication
    SVE,    // PLAIN, part of SVE
    PMU,    // PLAIN, part of the PMU
    GIC,    // PLAIN, that of the GIC
};

struct id_field {
    uint8_t index, shift;
    int8_t max; // more than this is not shown
    uint8_t kind;
};

// What a guest may see. A field that is not here reads as zero. Every feature here either has no
// state, or state that Newel switches; all others trap or are masked by EL2's controls.
static const struct id_field guest_fields[] = {
    {PFR0, 0, 2, PLAIN},   // EL0, with AArch32 where the CPU has it
    {PFR0, 4, 1, PLAIN},   // EL1: AArch64 alone
    {PFR0, 16, 1, SIGNED}, // FP
    {PFR0, 20, 1, SIGNED}, // AdvSIMD
    {PFR0, 24, 1, GIC},    // version 3 system registers
    {PFR0, 32, 1, SVE},
    {PFR0, 48, 1, PLAIN},   // DIT
    {PFR0, 56, 1, PLAIN},   // CSV2; 2 would promise SCXTNUM_ELx
    {PFR0, 60, 1, PLAIN},   // CSV3
    {PFR1, 0, 1, PLAIN},    // BT
    {PFR1, 4, 2, PLAIN},    // SSBS
    {ZFR0, 0, 2, SVE},      // SVEver
    {ZFR0, 4, 2, SVE},      // AES
    {ZFR0, 16, 1, SVE},     // BitPerm
    {ZFR0, 20, 2, SVE},     // BF16
    {ZFR0, 32, 1, SVE},     // SHA3
    {ZFR0, 40, 1, SVE},     // SM4
    {ZFR0, 44, 1, SVE},     // I8MM
    {ZFR0, 52, 1, SVE},     // F32MM
    {ZFR0, 56, 1, SVE},     // F64MM
    {DFR0, 0, 9, PLAIN},    // DebugVer
    {DFR0, 8, 6, PMU},      // PMUVer: FEAT_PMUv3p5
    {DFR0, 12, 15, PLAIN},  // BRPs; 15 is the largest number, not a sign
    {DFR0, 20, 15, PLAIN},  // WRPs
    {DFR0, 28, 15, PLAIN},  // CTX_CMPs
    {DFR0, 36, -1, SIGNED}, // DoubleLock: none
    {ISAR0, 4, 2, PLAIN},   // AES
    {ISAR0, 8, 1, PLAIN},   // SHA1
    {ISAR0, 12, 2, PLAIN},  // SHA2
    {ISAR0, 16, 1, PLAIN},  // CRC32
    {ISAR0, 20, 2, PLAIN},  // Atomic
    {ISAR0, 28, 1, PLAIN},  // RDM
    {ISAR0, 32, 1, PLAIN},  // SHA3
    {ISAR0, 36, 1, PLAIN},  // SM3
    {ISAR0, 40, 1, PLAIN},  // SM4
    {ISAR0, 44, 1, PLAIN},  // DP
    {ISAR0, 48, 1, PLAIN},  // FHM
    {ISAR0, 52, 2, PLAIN},  // TS
    {ISAR0, 56, 2, PLAIN},  // TLB
    {ISAR0, 60, 1, PLAIN},  // RNDR
    {ISAR1, 0, 2, PLAIN},   // DPB
    {ISAR1, 4, 5, PAUTH},   // APA
    {ISAR1, 8, 5, PAUTH},   // API
    {ISAR1, 12, 1, PLAIN},  // JSCVT
    {ISAR1, 16, 1, PLAIN},  // FCMA
    {ISAR1, 20, 2, PLAIN},  // LRCPC
    {ISAR1, 24, 1, PAUTH},  // GPA
    {ISAR1, 28, 1, PAUTH},  // GPI
    {ISAR1, 32, 1, PLAIN},  // FRINTTS
    {ISAR1, 36, 1, PLAIN},  // SB
    {ISAR1, 40, 1, PLAIN},  // SPECRES
    {ISAR1, 44, 2, PLAIN},  // BF16
    {ISAR1, 48, 1, PLAIN},  // DGH
    {ISAR1, 52, 1, PLAIN},  // I8MM
    {ISAR2, 4, 1, PLAIN},   // RPRES
    {ISAR2, 8, 1, PAUTH},   // GPA3
    {ISAR2, 12, 5, PAUTH},  // APA3
    {ISAR2, 20, 1, PLAIN},  // BC
    {ISAR2, 24, 1, PAUTH},  // PAC_frac
    {ISAR2, 28, 1, PLAIN},  // CLRBHB
    {ISAR2, 48, 1, PLAIN},  // RPRFM
    {ISAR2, 52, 1, PLAIN},  // CSSC
    {MMFR0, 0, 5, PLAIN},   // PARange: 48 bits
    {MMFR0, 4, 2, PLAIN},   // ASIDBits
    {MMFR0, 8, 1, PLAIN},   // BigEnd
    {MMFR0, 16, 1, PLAIN},  // BigEndEL0
    {MMFR0, 20, 1, PLAIN},  // TGran16; 2 is 52-bit addresses
    {MMFR0, 24, 0, SIGNED}, // TGran64
    {MMFR0, 28, 0, SIGNED}, // TGran4
    {MMFR1, 0, 2, PLAIN},   // HAFDBS
    {MMFR1, 12, 2, PLAIN},  // HPDS
    {MMFR1, 20, 3, PLAIN},  // PAN
    {MMFR1, 24, 1, PLAIN},  // SpecSEI
    {MMFR1, 36, 2, PLAIN},  // ETS
    {MMFR1, 44, 1, PLAIN},  // AFP
    {MMFR1, 48, 1, PLAIN},  // nTLBPA
    {MMFR1, 60, 1, PLAIN},  // ECBHB
    {MMFR2, 0, 1, PLAIN},   // CnP
    {MMFR2, 4, 1, PLAIN},   // UAO
    {MMFR2, 8, 1, PLAIN},   // LSM
    {MMFR2, 20, 1, PLAIN},  // CCIDX
    {MMFR2, 28, 1, PLAIN},  // ST
    {MMFR2, 32, 1, PLAIN},  // AT (LSE2)
    {MMFR2, 36, 1, PLAIN},  // IDS
    {MMFR2, 48, 1, PLAIN},  // TTL
    {MMFR2, 52, 2, PLAIN},  // BBM
    {MMFR2, 60, 1, PLAIN},  // E0PD
    // AArch32 at EL0: the system's side is absent, since EL1 is AArch64.
    {ID_PFR0, 16, 1, PLAIN},  // CSV2
    {ID_PFR0, 24, 1, PLAIN},  // DIT
    {ID_PFR1, 16, 1, PLAIN},  // GenTimer
    {ID_DFR0, 0, 9, PLAIN},   // CopDbg
    {ID_DFR0, 24, 6, PMU},    // PerfMon
    {ID_PFR2, 0, 1, PLAIN},   // CSV3
    {ID_PFR2, 4, 1, PLAIN},   // SSBS
    {ID_MMFR4, 4, 1, PLAIN},  // AC2
    {ID_MMFR4, 12, 1, PLAIN}, // CnP
    {ID_MMFR4, 16, 2, PLAIN}, // HPDS
    {ID_MMFR4, 20, 1, PLAIN}, // LSM
    {ID_MMFR4, 24, 1, PLAIN}, // CCIDX
    {ID_MMFR5, 0, 1, PLAIN},  // ETS
    {ID_MMFR5, 4, 1, PLAIN},  // nTLBPA
};

// AArch32 registers that tell of instructions and of VMSAv8-32 only: shown whole.
#define R(first, last) MASK(last, first)
static const uint64_t guest_whole =
    R(ID_MMFR0, ID_MMFR3) | R(ID_ISAR0, ID_ISAR5) | BIT(ID_ISAR6) | R(MVFR0, MVFR2);
#undef R

static int field(const struct id_regs *ids, unsigned index, unsigned shift)
{
    return (int)bits_get(ids->r[index], shift + 3, shift);
}

static int field_signed(const struct id_regs *ids, unsigned index, unsigned shift)
{
    int f = field(ids, index, shift);
    return f < 8 ? f : f - 16;
}

int features_field(const struct features *f, unsigned crm, unsigned op2, unsigned shift)
{
    return field(&f->raw, ID_INDEX(crm, op2), shift);
}

static unsigned pa_bits(const struct id_regs *ids)
{
    static const uint8_t bits[] = {32, 36, 40, 42, 44, 48};
    return bits[MIN(field(ids, MMFR0, 0), (int)ARRAY_SIZE(bits) - 1)];
}

// PMUVer, PerfMon: 0xf is a PMU that is not the architecture's.
static int pmu_version(const struct id_regs *ids, unsigned index, unsigned shift)
{
    int value = field(ids, index, shift);
    return value == 0xf ? 0 : value;
}

// MTE, RAS, PMU and so on: at the first version that has the feature at all.
static void features_from_pfr(struct features *f, const struct id_regs *ids)
{
    f->aarch32_el0 = field(ids, PFR0, 0) == 2;
    f->ras = field(ids, PFR0, 28) >= 1;
    f->sve = field(ids, PFR0, 32) >= 1;
    f->amu = field(ids, PFR0, 44) >= 1;
    f->csv2 = field(ids, PFR0, 56) >= 1;
    f->csv3 = field(ids, PFR0, 60) >= 1;
    f->ssbs = field(ids, PFR1, 4) >= 1;
    f->mte = field(ids, PFR1, 8) >= 1;
    f->sme = field(ids, PFR1, 24) >= 1;
    f->pmu_version = (unsigned)pmu_version(ids, DFR0, 8);
    f->pmu = f->pmu_version >= 1;
    f->spe = field(ids, DFR0, 32) >= 1;
    f->trbe = field(ids, DFR0, 44) >= 1;
    f->breakpoints = (unsigned)field(ids, DFR0, 12) + 1;
    f->watchpoints = (unsigned)field(ids, DFR0, 20) + 1;
}

static void features_from_isar(struct features *f, const struct id_regs *ids)
{
    int apa = field(ids, ISAR1, 4);
    int api = field(ids, ISAR1, 8);
    int apa3 = field(ids, ISAR2, 12);
    f->lse = field(ids, ISAR0, 20) >= 2;
    f->range_tlbi = field(ids, ISAR0, 56) >= 2;
    f->rndr = field(ids, ISAR0, 60) >= 1;
    f->pauth = (apa | api | apa3) != 0;
}

static void features_from_mmfr(struct features *f, const struct id_regs *ids)
{
    f->pa_bits = pa_bits(ids);
    f->vmid_bits = field(ids, MMFR1, 4) == 2 ? 16 : 8;
    f->granule_4k = field_signed(ids, MMFR0, 28) >= 0;
    f->granule_16k = field(ids, MMFR0, 20) >= 1;
    f->granule_64k = field_signed(ids, MMFR0, 24) >= 0;
    f->fgt = field(ids, MMFR0, 56) >= 1;
    f->ecv = field(ids, MMFR0, 60) >= 1;
    f->hafdbs = field(ids, MMFR1, 0) >= 2;
    f->vhe = field(ids, MMFR1, 8) >= 1;
    f->pan = field(ids, MMFR1, 20) >= 1;
    f->xnx = field(ids, MMFR1, 28) >= 1;
    f->hcx = field(ids, MMFR1, 40) >= 1;
    f->fwb = field(ids, MMFR2, 40) >= 1;
    f->ttl = field(ids, MMFR2, 48) >= 1;
    f->bbm2 = field(ids, MMFR2, 52) >= 2;
    f->evt = field(ids, MMFR2, 56) >= 1;
    f->e2h_res1 = field_signed(ids, MMFR4, 24) < 0;
}

void features_from(struct features *f, const struct id_regs *raw)
{
    if (&f->raw != raw) {
        f->raw = *raw;
    }
    features_from_pfr(f, raw);
    features_from_isar(f, raw);
    features_from_mmfr(f, raw);
    f->sve_length = f->sve ? sve_longest(raw->sve_lengths) : 0;
    f->errata = errata_of(raw);
    f->differ = false;
}

// Where a larger number is not more, but a negative one: FP, AdvSIMD, DoubleLock, MTPMU, TGran64,
// TGran4, E2H0.
static bool is_signed(unsigned index, unsigned shift)
{
    switch (index) {
    case PFR0:
        return shift == 16 || shift == 20;
    case DFR0:
        return shift == 36 || shift == 48;
    case MMFR0:
        return shift == 24 || shift == 28;
    case MMFR4:
        return shift == 24;
    default:
        return false;
    }
}

static int field_value(const struct id_regs *ids, unsigned index, unsigned shift)
{
    if ((index == DFR0 && shift == 8) || (index == ID_DFR0 && shift == 24)) {
        return pmu_version(ids, index, shift);
    }
    return is_signed(index, shift) ? field_signed(ids, index, shift) : field(ids, index, shift);
}

static uint64_t merge_register(const struct id_regs *a, const struct id_regs *b, unsigned index)
{
    uint64_t merged = 0;
    for (unsigned shift = 0; shift < 64; shift += 4) {
        int of_a = field_value(a, index, shift), of_b = field_value(b, index, shift);
        int less = MIN(of_a, of_b);
        merged |= (uint64_t)((unsigned)less & 0xf) << shift;
    }
    return merged;
}

// CTR_EL0 (D19.2.34): the smaller lines, DIC and IDC where all have them, and the instruction cache
// taken for VIPT where the CPUs differ.
static uint64_t merge_ctr(uint64_t a, uint64_t b)
{
    uint64_t ctr = a & (b | ~MASK(29, 28));
    uint64_t l1ip = bits_get(a, 15, 14) == bits_get(b, 15, 14) ? bits_get(a, 15, 14) : 2;
    ctr = bits_set(ctr, 15, 14, l1ip);
    ctr = bits_set(ctr, 19, 16, MIN(bits_get(a, 19, 16), bits_get(b, 19, 16)));
    return bits_set(ctr, 3, 0, MIN(bits_get(a, 3, 0), bits_get(b, 3, 0)));
}

void features_merge(struct features *f, const struct id_regs *other)
{
    struct id_regs merged = {
        .midr = f->raw.midr,
        .sve_lengths = sve_common_lengths(f->raw.sve_lengths, other->sve_lengths),
    };
    uint32_t errata = f->errata | errata_of(other);
    bool differ = f->differ || memcmp(f->raw.r, other->r, sizeof(other->r)) != 0;
    for (unsigned i = 0; i < ID_REG_COUNT; i++) {
        merged.r[i] = merge_register(&f->raw, other, i);
    }
    merged.ctr = merge_ctr(f->raw.ctr, other->ctr);
    features_from(f, &merged);
    f->errata = errata;
    f->differ = differ;
}

static bool hidden(const struct id_policy *policy, enum field_kind kind)
{
    return (kind == PAUTH && policy->hide_pauth) || (kind == SVE && policy->hide_sve) ||
           (kind == PMU && policy->hide_pmu) || (kind == GIC && policy->hide_gic);
}

static uint64_t guest_field(const struct features *f, const struct id_field *g)
{
    int value = g->kind == SIGNED ? field_signed(&f->raw, g->index, g->shift)
                : g->kind == PMU  ? pmu_version(&f->raw, g->index, g->shift)
                                  : field(&f->raw, g->index, g->shift);
    return (uint64_t)((unsigned)MIN(value, (int)g->max) & 0xf) << g->shift;
}

uint64_t features_guest_id(const struct features *f, const struct id_policy *policy, unsigned index)
{
    if (index < AARCH32_END && !f->aarch32_el0) {
        return 0;
    }
    if (guest_whole & BIT(index)) {
        return f->raw.r[index];
    }
    uint64_t value = 0;
    for (size_t i = 0; i < ARRAY_SIZE(guest_fields); i++) {
        const struct id_field *g = &guest_fields[i];
        if (g->index == index && !hidden(policy, g->kind)) {
            value |= guest_field(f, g);
        }
    }
    return value;
}

// What a guest at EL1 cannot use, or what it may take for granted: levels above its own and their
// controls, AArch32 at EL1, GICv4, RAS and limited-ordering regions of which there are none, the
// OS double lock (switched for such a guest), what stage 2 is made of.
static const struct {
    uint8_t index, shift;
} meaningless[] = {
    {PFR0, 4},   {PFR0, 8},   {PFR0, 12},  {PFR0, 24},  {PFR0, 28},  {PFR0, 36},  {PFR1, 12},
    {DFR0, 36},  {MMFR0, 12}, {MMFR0, 32}, {MMFR0, 36}, {MMFR0, 40}, {MMFR0, 44}, {MMFR0, 56},
    {MMFR0, 60}, {MMFR1, 4},  {MMFR1, 8},  {MMFR1, 16}, {MMFR1, 28}, {MMFR1, 32}, {MMFR1, 40},
    {MMFR2, 12}, {MMFR2, 24}, {MMFR2, 40}, {MMFR2, 56},
};

// GICv3's registers are taken for granted but where the machine has a GICv2.
static bool is_meaningless(unsigned index, unsigned shift, const struct id_policy *policy)
{
    if (index == PFR0 && shift == 24 && policy->hide_gic) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(meaningless); i++) {
        if (meaningless[i].index == index && meaningless[i].shift == shift) {
            return true;
        }
    }
    return false;
}

bool features_betrayed(const struct features *f, const struct id_policy *policy, unsigned *index,
                       unsigned *shift)
{
    for (*index = AARCH32_END; *index < ID_REG_COUNT; (*index)++) {
        uint64_t differ = f->raw.r[*index] ^ features_guest_id(f, policy, *index);
        for (*shift = 0; *shift < 64; *shift += 4) {
            if (bits_get(differ, *shift + 3, *shift) != 0 &&
                !is_meaningless(*index, *shift, policy)) {
                return true;
            }
        }
    }
    return false;
}
