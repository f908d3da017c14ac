// SPDX-License-Identifier: Apache-2.0
// detect-hardening: where it is refused, and what is left of a vCPU's traps.
#include "arch/sysreg_bits.h"
#include "cpu/errata.h"
#include "cpu/hardening.h"
#include "cpu_models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct id_policy policy;
static const struct direct_facts nothing;
static char why[160];

static bool possible(const struct id_regs *raw, const struct id_policy *hide)
{
    struct features f;
    memset(&f, 0, sizeof(f));
    features_from(&f, raw);
    why[0] = '\0';
    return hardening_possible(&f, hide, &nothing, why, sizeof(why));
}

static void test_models(void **state)
{
    static const struct id_regs *const models[] = {
        &cpu_cortex_a57, &cpu_cortex_a72, &cpu_cortex_a76, &cpu_neoverse_n1, &cpu_neoverse_v1};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        assert_true(possible(models[i], &policy));
        assert_string_equal(why, "");
    }
    assert_false(possible(&cpu_max, &policy));
}

// What a CPU has and a guest may not.
static void test_hidden_features(void **state)
{
    static const struct {
        unsigned index, shift;
        const char *says;
    } cases[] = {
        {ID_INDEX(4, 1), 8, "this CPU has MTE, which Newel would have to hide by a trap"},
        {ID_INDEX(4, 1), 24, "this CPU has SME, which Newel would have to hide by a trap"},
        {ID_INDEX(4, 0), 44, "this CPU has AMU, which Newel would have to hide by a trap"},
        {ID_INDEX(5, 0), 32, "this CPU has SPE, which Newel would have to hide by a trap"},
        {ID_INDEX(7, 3), 8,
         "this CPU shows a feature by S3_0_C0_C7_3[11:8] that Newel would have to hide by a trap"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct id_regs raw = cpu_neoverse_n1;
        raw.r[cases[i].index] |= UINT64_C(1) << cases[i].shift;
        assert_false(possible(&raw, &policy));
        assert_string_equal(why, cases[i].says);
    }
}

static void test_hidden_by_the_manifest(void **state)
{
    static const struct id_policy no_sve = {.hide_sve = true}, no_pmu = {.hide_pmu = true};
    (void)state;
    assert_false(possible(&cpu_neoverse_v1, &no_sve));
    assert_string_equal(why, "this CPU has SVE, which Newel would have to hide by a trap");
    assert_true(possible(&cpu_neoverse_n1, &no_sve));
    assert_false(possible(&cpu_neoverse_n1, &no_pmu));
    assert_string_equal(why, "this CPU has a PMU, which Newel would have to hide by a trap");
}

static void refuse(const struct features *f, const struct direct_facts *facts, const char *says)
{
    assert_false(hardening_possible(f, &policy, facts, why, sizeof(why)));
    assert_string_equal(why, says);
}

static void test_within_reach(void **state)
{
    struct features f, other;
    (void)state;
    memset(&f, 0, sizeof(f));
    features_from(&f, &cpu_neoverse_n1);
    refuse(&f, &(struct direct_facts){.error_records = 2},
           "this CPU's 2 RAS error records are the whole machine's");
    refuse(&f, &(struct direct_facts){.regions = 0x40004},
           "this CPU's limited-ordering regions are not switched");
    refuse(&f, &(struct direct_facts){.halting = true},
           "external debug is enabled (DBGAUTHSTATUS_EL1): a guest could halt CPUs");
    other = f;
    other.errata |= BIT(ERRATUM_STALE_FETCH);
    refuse(&other, &nothing, "this CPU's erratum 1542419 needs traps");
    features_merge(&f, &cpu_neoverse_n1);
    assert_true(hardening_possible(&f, &policy, &nothing, why, sizeof(why)));
    features_merge(&f, &cpu_cortex_a76);
    refuse(&f, &nothing, "this machine's CPUs have different features");
    features_merge(&f, &cpu_neoverse_n1);
    assert_true(f.differ);
}

static void test_traps(void **state)
{
    struct vcpu v = {.hcr = ~UINT64_C(0), .mdcr = ~UINT64_C(0)};
    (void)state;
    memset(&features, 0, sizeof(features));
    features_from(&features, &cpu_neoverse_n1);
    hardening_init_vcpu(&v, false);
    assert_int_equal(v.hcr & (HCR_TID3 | HCR_TACR | HCR_TWI | HCR_TERR | HCR_TLOR), 0);
    assert_int_equal(v.hcr & (HCR_TSW | HCR_TSC | HCR_TIDCP), HCR_TSW | HCR_TSC | HCR_TIDCP);
    assert_int_equal(v.mdcr & (MDCR_TDA | MDCR_TDOSA | MDCR_TDRA), 0);
    hardening_init_vcpu(&v, true);
    assert_int_equal(v.hcr & HCR_TSW, 0);
    vcpu_reset(&v, gpa(0), 0);
    assert_int_equal(v.mdcr & (MDCR_TPM | MDCR_TPMCR), 0);
    assert_true(v.pmu_used);
    assert_true(v.direct.os_lock);
    features.fwb = true;
    v.hcr |= HCR_TSW;
    hardening_init_vcpu(&v, false);
    assert_int_equal(v.hcr & HCR_TSW, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_hidden_features),
        cmocka_unit_test(test_hidden_by_the_manifest),
        cmocka_unit_test(test_within_reach),
        cmocka_unit_test(test_traps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
