// SPDX-License-Identifier: Apache-2.0
#include "cpu/errata.h"

#include "cpu/features.h"
#include "lib/bits.h"

#include <stdbool.h>
#include <stddef.h>

// Implementer and part number, as they stand in MIDR_EL1.
#define MODEL(implementer, part) ((uint32_t)(implementer) << 24 | (uint32_t)(part) << 4)
#define MODEL_MASK               MODEL(0xff, 0xfff)
#define ARM(part)                MODEL(0x41, part)
#define CORTEX_A35               ARM(0xd04)
#define CORTEX_A53               ARM(0xd03)
#define CORTEX_A55               ARM(0xd05)
#define CORTEX_A57               ARM(0xd07)
#define CORTEX_A72               ARM(0xd08)
#define CORTEX_A76               ARM(0xd0b)
#define CORTEX_A76AE             ARM(0xd0e)
#define CORTEX_A77               ARM(0xd0d)
#define CORTEX_A78               ARM(0xd41)
#define CORTEX_A78AE             ARM(0xd42)
#define CORTEX_A78C              ARM(0xd4b)
#define CORTEX_A510              ARM(0xd46)
#define CORTEX_A520              ARM(0xd80)
#define CORTEX_A710              ARM(0xd47)
#define CORTEX_A715              ARM(0xd4d)
#define CORTEX_A720              ARM(0xd81)
#define CORTEX_X1                ARM(0xd44)
#define CORTEX_X1C               ARM(0xd4c)
#define CORTEX_X2                ARM(0xd48)
#define CORTEX_X3                ARM(0xd4e)
#define NEOVERSE_N1              ARM(0xd0c)
#define NEOVERSE_N2              ARM(0xd49)
#define NEOVERSE_V1              ARM(0xd40)
#define NEOVERSE_V2              ARM(0xd4f)
#define AMPERE_1                 MODEL(0xc0, 0xac3)
#define FALKOR_V1                MODEL(0x51, 0x800)
#define KRYO_4XX_GOLD            MODEL(0x51, 0x804)
#define KRYO_4XX_SILVER          MODEL(0x51, 0x805)

#define CTR_IDC BIT(28)
#define CTR_DIC BIT(29)

// rVpP as variant and revision of MIDR_EL1.
#define REVISION(v, p) ((v) << 4 | (p))
#define ANY            REVISION(0, 0), REVISION(0xf, 0xf)

static const struct row {
    uint32_t model;
    uint8_t first, last; // REVISION, both included
    uint8_t erratum;
    const char *name;
} rows[] = {
    {CORTEX_A57, ANY, ERRATUM_SPECULATIVE_AT, "Cortex-A57 1319537"},
    {CORTEX_A72, ANY, ERRATUM_SPECULATIVE_AT, "Cortex-A72 1319367"},
    {CORTEX_A76, REVISION(0, 0), REVISION(2, 0), ERRATUM_SPECULATIVE_AT, "Cortex-A76 1165522"},
    {CORTEX_A55, REVISION(0, 0), REVISION(2, 0), ERRATUM_SPECULATIVE_AT, "Cortex-A55 1530923"},
    {KRYO_4XX_SILVER, REVISION(0xd, 0xe), REVISION(0xd, 0xe), ERRATUM_SPECULATIVE_AT,
     "Kryo 4xx Silver 1530923"},
    {CORTEX_A76, REVISION(0, 0), REVISION(3, 0), ERRATUM_REPEAT_TLBI, "Cortex-A76 1286807"},
    {KRYO_4XX_GOLD, REVISION(0xc, 0xe), REVISION(0xf, 0xe), ERRATUM_REPEAT_TLBI,
     "Kryo 4xx Gold 1286807"},
    {CORTEX_A55, ANY, ERRATUM_REPEAT_TLBI, "Cortex-A55 2441007"},
    {CORTEX_A510, REVISION(0, 0), REVISION(1, 1), ERRATUM_REPEAT_TLBI, "Cortex-A510 2441009"},
    {FALKOR_V1, REVISION(0, 0), REVISION(0, 0), ERRATUM_REPEAT_TLBI, "Falkor 1009"},
    {NEOVERSE_N1, ANY, ERRATUM_STALE_FETCH, "Neoverse N1 1542419"},
    {CORTEX_A57, REVISION(0, 0), REVISION(1, 2), ERRATUM_STAGE2_FIRST, "Cortex-A57 834220"},
};

static bool row_applies(const struct row *row, const struct id_regs *raw)
{
    uint32_t revision = (uint32_t)(bits_get(raw->midr, 23, 20) << 4 | bits_get(raw->midr, 3, 0));
    if ((raw->midr & MODEL_MASK) != row->model || revision < row->first || revision > row->last) {
        return false;
    }
    // Where the guest has to maintain the instruction cache anyway, it does.
    bool coherent = (raw->ctr & (CTR_DIC | CTR_IDC)) == (CTR_DIC | CTR_IDC);
    return row->erratum != ERRATUM_STALE_FETCH || coherent;
}

uint32_t errata_of(const struct id_regs *raw)
{
    uint32_t errata = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (row_applies(&rows[i], raw)) {
            errata |= (uint32_t)BIT(rows[i].erratum);
        }
    }
    return errata;
}

const char *erratum_name(const struct id_regs *raw, enum erratum erratum)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].erratum == erratum && row_applies(&rows[i], raw)) {
            return rows[i].name;
        }
    }
    return NULL;
}

const char *erratum_remedy(enum erratum erratum)
{
    static const char *const remedies[ERRATUM_COUNT] = {
        [ERRATUM_SPECULATIVE_AT] = "stage 2 is empty while a vCPU is switched",
        [ERRATUM_REPEAT_TLBI] = "broadcast TLB invalidation is done twice",
        [ERRATUM_STALE_FETCH] = "guests' instruction-cache maintenance traps",
        [ERRATUM_STAGE2_FIRST] = "stage-2 data aborts are checked against stage 1",
    };
    return remedies[erratum];
}

static const struct {
    uint32_t model;
    uint8_t loops; // 0: of an in-order CPU, which does not speculate by branch history
} bhb_models[] = {
    {CORTEX_A35, 0},   {CORTEX_A53, 0},      {CORTEX_A55, 0},    {CORTEX_A510, 0},
    {CORTEX_A520, 0},  {KRYO_4XX_SILVER, 0}, {CORTEX_A57, 8},    {CORTEX_A72, 8},
    {AMPERE_1, 11},    {CORTEX_A76, 24},     {CORTEX_A76AE, 24}, {CORTEX_A77, 24},
    {NEOVERSE_N1, 24}, {KRYO_4XX_GOLD, 24},  {CORTEX_A78, 32},   {CORTEX_A78AE, 32},
    {CORTEX_A78C, 32}, {CORTEX_X1, 32},      {CORTEX_X1C, 32},   {CORTEX_A710, 32},
    {CORTEX_X2, 32},   {NEOVERSE_N2, 32},    {NEOVERSE_V1, 32},  {CORTEX_A715, 38},
    {CORTEX_A720, 38}, {CORTEX_X3, 132},     {NEOVERSE_V2, 132},
};

unsigned id_field(const struct id_regs *raw, unsigned crm, unsigned op2, unsigned shift)
{
    return (unsigned)bits_get(raw->r[ID_INDEX(crm, op2)], shift + 3, shift);
}

bool cpu_in_order(const struct id_regs *raw)
{
    for (size_t i = 0; i < ARRAY_SIZE(bhb_models); i++) {
        if ((raw->midr & MODEL_MASK) == bhb_models[i].model) {
            return bhb_models[i].loops == 0;
        }
    }
    return false;
}

struct bhb bhb_of(const struct id_regs *raw)
{
    bool csv2_3 = id_field(raw, 4, 0, 56) >= 3;
    bool ecbhb = id_field(raw, 7, 1, 60) >= 1;
    if (csv2_3 || ecbhb) {
        return (struct bhb){BHB_UNNEEDED, 0};
    }
    if (id_field(raw, 6, 2, 28) >= 1) { // ID_AA64ISAR2_EL1.CLRBHB
        return (struct bhb){BHB_CLEAR, 0};
    }
    for (size_t i = 0; i < ARRAY_SIZE(bhb_models); i++) {
        if ((raw->midr & MODEL_MASK) == bhb_models[i].model) {
            unsigned loops = bhb_models[i].loops;
            return (struct bhb){loops != 0 ? BHB_LOOP : BHB_UNNEEDED, loops};
        }
    }
    return (struct bhb){BHB_FIRMWARE, 0}; // Cortex-A73 and A75, and what is not known here
}
