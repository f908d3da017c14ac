// SPDX-License-Identifier: Apache-2.0
// The feature table and what guests are shown, on the ID registers of real CPU models.
#include "cpu/features.h"
#include "cpu_models.h"
#include "lib/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    const struct id_regs *raw;
} models[] = {
    {"cortex-a57", &cpu_cortex_a57},   {"cortex-a72", &cpu_cortex_a72},
    {"cortex-a76", &cpu_cortex_a76},   {"neoverse-n1", &cpu_neoverse_n1},
    {"neoverse-v1", &cpu_neoverse_v1}, {"max", &cpu_max},
};

static const struct id_policy nothing_hidden;
static const struct id_policy all_hidden = {.hide_pauth = true, .hide_sve = true, .hide_pmu = true};

static unsigned field(uint64_t reg, unsigned shift)
{
    return (unsigned)bits_get(reg, shift + 3, shift);
}

static uint64_t shown(const struct id_regs *raw, const struct id_policy *policy, unsigned crm,
                      unsigned op2)
{
    struct features f;
    features_from(&f, raw);
    return features_guest_id(&f, policy, ID_INDEX(crm, op2));
}

// What the manuals of these models say.
static void known_models(void **state)
{
    static const struct {
        unsigned pa, vmid;
        bool vhe, hafdbs, xnx, fwb, ttl, evt, fgt, ecv, sve, pauth, aarch32;
    } facts[] = {
        {44, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},  {44, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
        {40, 16, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1}, {48, 16, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1},
        {48, 16, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1}, {48, 16, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        struct features f;
        memset(&f, 0, sizeof(f));
        features_from(&f, models[i].raw);
        assert_int_equal(f.pa_bits, facts[i].pa);
        assert_int_equal(f.vmid_bits, facts[i].vmid);
        assert_int_equal(f.vhe, facts[i].vhe);
        assert_int_equal(f.hafdbs, facts[i].hafdbs);
        assert_int_equal(f.xnx, facts[i].xnx);
        assert_int_equal(f.fwb, facts[i].fwb);
        assert_int_equal(f.ttl, facts[i].ttl);
        assert_int_equal(f.range_tlbi, facts[i].ttl);
        assert_int_equal(f.evt, facts[i].evt);
        assert_int_equal(f.fgt, facts[i].fgt);
        assert_int_equal(f.ecv, facts[i].ecv);
        assert_int_equal(f.sve, facts[i].sve);
        assert_int_equal(f.pauth, facts[i].pauth);
        assert_int_equal(f.aarch32_el0, facts[i].aarch32);
        assert_true(f.granule_4k);
        assert_false(f.e2h_res1);
        assert_int_equal(f.breakpoints, 6);
        assert_int_equal(f.watchpoints, 4);
    }
}

// Fields whose feature needs state or traps that Newel does not give: {CRm, op2, shift}.
static const uint8_t never_shown[][3] = {
    {4, 0, 8},  {4, 0, 12}, {4, 0, 28}, {4, 0, 36}, {4, 0, 40}, {4, 0, 44}, {4, 0, 52}, // PFR0
    {4, 1, 8},  {4, 1, 12}, {4, 1, 16}, {4, 1, 20}, {4, 1, 24}, {4, 1, 28}, {4, 1, 32}, // PFR1
    {4, 1, 36}, {4, 1, 40}, {4, 1, 44}, {4, 1, 48}, {4, 1, 52}, {4, 1, 56}, {4, 1, 60},
    {5, 0, 4},  {5, 0, 32}, {5, 0, 40}, {5, 0, 44}, {5, 0, 48}, {5, 0, 52}, // DFR0
    {6, 0, 24}, {6, 1, 60}, {6, 2, 0},  {6, 2, 16}, {6, 2, 32}, {6, 2, 36}, // TME, LS64, WFxT, MOPS
    {7, 0, 32}, {7, 0, 36}, {7, 0, 40}, {7, 0, 44}, {7, 0, 56}, {7, 0, 60}, // MMFR0
    {7, 1, 4},  {7, 1, 8},  {7, 1, 16}, {7, 1, 28}, {7, 1, 32}, {7, 1, 40}, {7, 1, 56}, // MMFR1
    {7, 2, 12}, {7, 2, 16}, {7, 2, 24}, {7, 2, 40}, {7, 2, 56},                         // MMFR2
};

static void absent_is_absent(void **state)
{
    struct id_regs ones = {.midr = 0};
    (void)state;
    for (unsigned i = 0; i < ID_REG_COUNT; i++) {
        ones.r[i] = UINT64_C(0x7777777777777777); // more than any CPU has, no sign anywhere
    }
    ones.r[ID_INDEX(4, 0)] = UINT64_C(0x7777777777777772);
    for (size_t i = 0; i < ARRAY_SIZE(never_shown); i++) {
        const uint8_t *n = never_shown[i];
        assert_int_equal(field(shown(&ones, &nothing_hidden, n[0], n[1]), n[2]), 0);
    }
    for (unsigned index = ID_INDEX(4, 0); index < ID_REG_COUNT; index++) {
        unsigned crm = index / 8 + 1;
        unsigned op2 = index % 8;
        bool known =
            (crm == 4 && (op2 < 2 || op2 == 4)) || (crm == 5 && op2 == 0) || (crm >= 6 && op2 < 3);
        if (!known) {
            assert_int_equal(shown(&ones, &nothing_hidden, crm, op2), 0);
        }
    }
}

static void every_model_is_consistent(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        uint64_t pfr0 = shown(models[i].raw, &all_hidden, 4, 0);
        uint64_t dfr0 = shown(models[i].raw, &all_hidden, 5, 0);
        uint64_t mmfr0 = shown(models[i].raw, &all_hidden, 7, 0);
        assert_int_equal(field(pfr0, 4), 1);
        assert_int_equal(field(pfr0, 24), 1);
        assert_int_equal(field(pfr0, 32), 0);
        assert_in_range(field(pfr0, 56), 0, 1);
        assert_in_range(field(dfr0, 0), 6, 9);
        assert_int_equal(field(dfr0, 8), 0);
        assert_int_equal(field(dfr0, 12), 5);
        assert_int_equal(field(dfr0, 36), 0xf);
        assert_in_range(field(mmfr0, 0), 2, 5);
        assert_int_equal(field(mmfr0, 28), 0);
        assert_in_range(field(mmfr0, 20), 0, 1);
    }
}

// No field says more than the CPU does.
static void guests_see_no_more_than_there_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        struct features f;
        features_from(&f, models[i].raw);
        for (unsigned index = 0; index < ID_REG_COUNT; index++) {
            uint64_t guest = features_guest_id(&f, &nothing_hidden, index);
            for (unsigned shift = 0; shift < 64; shift += 4) {
                bool double_lock = index == ID_INDEX(5, 0) && shift == 36;
                if (!double_lock) {
                    assert_in_range(field(guest, shift), 0, field(models[i].raw->r[index], shift));
                }
            }
        }
    }
}

static void policy_hides(void **state)
{
    const struct id_regs *raw = &cpu_max;
    const uint8_t pauth[][2] = {{1, 4}, {1, 8}, {1, 24}, {1, 28}, {2, 8}, {2, 12}, {2, 24}};
    (void)state;
    assert_int_equal(field(shown(raw, &nothing_hidden, 4, 0), 32), 1);
    assert_int_equal(field(shown(raw, &nothing_hidden, 5, 0), 8), 6); // FEAT_PMUv3p5
    assert_int_equal(field(shown(raw, &nothing_hidden, 6, 1), 8), 5);
    assert_int_not_equal(shown(raw, &nothing_hidden, 4, 4), 0);
    assert_int_equal(field(shown(raw, &all_hidden, 4, 0), 32), 0);
    assert_int_equal(field(shown(raw, &all_hidden, 5, 0), 8), 0);
    assert_int_equal(shown(raw, &all_hidden, 4, 4), 0);
    for (size_t i = 0; i < ARRAY_SIZE(pauth); i++) {
        assert_int_equal(field(shown(raw, &all_hidden, 6, pauth[i][0]), pauth[i][1]), 0);
    }
}

static void a_cpu_without_fp_has_none(void **state)
{
    struct id_regs raw = cpu_cortex_a72;
    (void)state;
    raw.r[ID_INDEX(4, 0)] |= UINT64_C(0xff0000);
    raw.r[ID_INDEX(5, 0)] |= UINT64_C(0xf00); // a PMU of the implementation's own
    assert_int_equal(field(shown(&raw, &nothing_hidden, 4, 0), 16), 0xf);
    assert_int_equal(field(shown(&raw, &nothing_hidden, 4, 0), 20), 0xf);
    assert_int_equal(field(shown(&raw, &nothing_hidden, 5, 0), 8), 0);
}

static void aarch32_registers_only_with_aarch32(void **state)
{
    struct id_regs raw = cpu_cortex_a72;
    (void)state;
    assert_int_equal(shown(&raw, &nothing_hidden, 2, 5), raw.r[ID_INDEX(2, 5)]);
    assert_int_equal(field(shown(&raw, &nothing_hidden, 1, 2), 24), 3);
    assert_int_equal(field(shown(&raw, &all_hidden, 1, 2), 24), 0);
    raw.r[ID_INDEX(4, 0)] = bits_set(raw.r[ID_INDEX(4, 0)], 3, 0, 1);
    for (unsigned i = 0; i < ID_INDEX(4, 0); i++) {
        assert_int_equal(shown(&raw, &nothing_hidden, i / 8 + 1, i % 8), 0);
    }
}

static void physical_addresses_of_52_bits_are_48(void **state)
{
    struct features f;
    (void)state;
    features_from(&f, &cpu_max);
    assert_int_equal(field(cpu_max.r[ID_INDEX(7, 0)], 0), 6);
    assert_int_equal(f.pa_bits, 48);
    assert_int_equal(field(features_guest_id(&f, &nothing_hidden, ID_INDEX(7, 0)), 0), 5);
    assert_int_equal(field(features_guest_id(&f, &nothing_hidden, ID_INDEX(7, 0)), 20), 1);
}

static void merging_takes_the_least(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        struct features same;
        features_from(&same, models[i].raw);
        features_merge(&same, models[i].raw);
        assert_memory_equal(&same.raw, models[i].raw, sizeof(same.raw));
        for (size_t j = 0; j < ARRAY_SIZE(models); j++) {
            struct features a, b;
            features_from(&a, models[i].raw);
            features_merge(&a, models[j].raw);
            features_from(&b, models[j].raw);
            features_merge(&b, models[i].raw);
            assert_memory_equal(&a.raw, &b.raw, sizeof(a.raw));
        }
    }
}

static void merging_knows_signs(void **state)
{
    struct features f;
    struct id_regs none = cpu_cortex_a72;
    (void)state;
    none.r[ID_INDEX(4, 0)] |= UINT64_C(0xff0000);   // no FP
    none.r[ID_INDEX(7, 0)] |= UINT64_C(0xf0000000); // no 4 KiB granule
    features_from(&f, &cpu_cortex_a72);
    features_merge(&f, &none);
    assert_int_equal(field(f.raw.r[ID_INDEX(4, 0)], 16), 0xf);
    assert_false(f.granule_4k);
}

static void e2h_that_cannot_be_cleared(void **state)
{
    struct features f;
    struct id_regs raw = cpu_max;
    (void)state;
    raw.r[ID_INDEX(7, 4)] = UINT64_C(0xe000000);
    features_from(&f, &raw);
    assert_true(f.e2h_res1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_models),
        cmocka_unit_test(absent_is_absent),
        cmocka_unit_test(every_model_is_consistent),
        cmocka_unit_test(guests_see_no_more_than_there_is),
        cmocka_unit_test(policy_hides),
        cmocka_unit_test(a_cpu_without_fp_has_none),
        cmocka_unit_test(aarch32_registers_only_with_aarch32),
        cmocka_unit_test(physical_addresses_of_52_bits_are_48),
        cmocka_unit_test(merging_takes_the_least),
        cmocka_unit_test(merging_knows_signs),
        cmocka_unit_test(e2h_that_cannot_be_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
