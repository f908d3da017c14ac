// SPDX-License-Identifier: Apache-2.0
// Which CPU has which erratum, and what it needs against Spectre.
#include "arch/cpu.h"
#include "cpu/errata.h"
#include "cpu/features.h"
#include "cpu/spectre.h"
#include "cpu_models.h"
#include "lib/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT     BIT(ERRATUM_SPECULATIVE_AT)
#define TLBI   BIT(ERRATUM_REPEAT_TLBI)
#define FETCH  BIT(ERRATUM_STALE_FETCH)
#define STAGE2 BIT(ERRATUM_STAGE2_FIRST)

static void by_model_and_revision(void **state)
{
    static const struct {
        uint32_t midr, ctr;
        uint64_t errata;
    } cases[] = {
        {0x410fd034, 0, 0},              // Cortex-A53 r0p4
        {0x411fd070, 0, AT | STAGE2},    // Cortex-A57 r1p0
        {0x411fd072, 0, AT | STAGE2},    // r1p2
        {0x411fd073, 0, AT},             // r1p3
        {0x410fd083, 0, AT},             // Cortex-A72 r0p3
        {0x411fd080, 0, AT},             // r1p0
        {0x412fd050, 0, AT | TLBI},      // Cortex-A55 r2p0
        {0x412fd051, 0, TLBI},           // r2p1
        {0x412fd0b0, 0, AT | TLBI},      // Cortex-A76 r2p0
        {0x413fd0b0, 0, TLBI},           // r3p0
        {0x413fd0b1, 0, 0},              // r3p1
        {0x414fd0b1, 0, 0},              // r4p1
        {0x414fd0c1, 0x8444c004, 0},     // Neoverse N1 r4p1
        {0x414fd0c1, 0xb444c004, FETCH}, // with DIC and IDC
        {0x414fd0c1, 0xa444c004, 0},     // with DIC alone
        {0x411fd461, 0, TLBI},           // Cortex-A510 r1p1
        {0x411fd462, 0, 0},              // r1p2
        {0x51dfd84e, 0, 0},              // a part of no row
        {0x51df805e, 0, AT},             // Kryo 4xx Silver
        {0x000f0510, 0, 0},              // QEMU's max
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct id_regs raw = {.midr = cases[i].midr, .ctr = cases[i].ctr};
        assert_int_equal(errata_of(&raw), cases[i].errata);
        for (unsigned e = 0; e < ERRATUM_COUNT; e++) {
            assert_int_equal(erratum_name(&raw, e) != NULL, (cases[i].errata & BIT(e)) != 0);
            assert_non_null(erratum_remedy(e));
        }
    }
}

static void of_any_cpu(void **state)
{
    struct features f;
    struct id_regs big = cpu_cortex_a72, little = cpu_cortex_a72;
    (void)state;
    big.midr = 0x411fd073;
    little.midr = 0x412fd051;
    features_from(&f, &big);
    assert_int_equal(f.errata, AT);
    features_merge(&f, &little);
    assert_int_equal(f.errata, AT | TLBI);
    little.midr = 0x410fd034;
    features_merge(&f, &little);
    assert_int_equal(f.errata, AT | TLBI);
}

static int32_t firmware_answers[3]; // PSCI_FEATURES, SMCCC_VERSION, SMCCC_ARCH_FEATURES
static uint64_t asked;              // of which function ARCH_FEATURES is, 0 if of none
static unsigned enabled;            // calls to prevent Spectre-v4

struct smc_result smc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    (void)a2;
    (void)a3;
    switch (function) {
    case 0x8400000a:
        assert_int_equal(a1, 0x80000000);
        return (struct smc_result){{(uint32_t)firmware_answers[0]}};
    case 0x80000000:
        return (struct smc_result){{(uint32_t)firmware_answers[1]}};
    default:
        if (function == 0x80007fff) {
            assert_int_equal(a1, 1);
            enabled++;
            return (struct smc_result){{0}};
        }
        assert_int_equal(function, 0x80000001);
        asked = a1;
        return (struct smc_result){{(uint32_t)firmware_answers[2]}};
    }
}

static struct bhb bhb(const struct id_regs *model, uint32_t midr)
{
    struct id_regs raw = *model;
    raw.midr = midr;
    return bhb_of(&raw);
}

static void branch_history(void **state)
{
    static const struct {
        const struct id_regs *raw;
        uint32_t midr;
        enum bhb_way way;
        unsigned loops;
    } cases[] = {
        {&cpu_cortex_a57, 0x411fd070, BHB_LOOP, 8},
        {&cpu_cortex_a72, 0x410fd083, BHB_LOOP, 8},
        {&cpu_cortex_a76, 0x414fd0b1, BHB_LOOP, 24},
        {&cpu_neoverse_n1, 0x414fd0c1, BHB_LOOP, 24},
        {&cpu_neoverse_v1, 0x411fd402, BHB_LOOP, 32},
        {&cpu_cortex_a72, 0x410fd034, BHB_UNNEEDED, 0},
        {&cpu_cortex_a72, 0x410fd092, BHB_FIRMWARE, 0}, // Cortex-A73
        {&cpu_cortex_a72, 0x410f9990, BHB_FIRMWARE, 0}, // unknown
        {&cpu_max, 0x000f0510, BHB_UNNEEDED, 0},        // CSV2_3
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bhb got = bhb(cases[i].raw, cases[i].midr);
        assert_int_equal(got.way, cases[i].way);
        assert_int_equal(got.loops, cases[i].loops);
    }
}

// The ID registers outrank the model.
static void branch_history_by_id_register(void **state)
{
    struct id_regs raw = cpu_neoverse_v1;
    (void)state;
    raw.midr = 0x411fd402;
    raw.r[ID_INDEX(6, 2)] |= BIT(28);
    assert_int_equal(bhb_of(&raw).way, BHB_CLEAR);
    raw.r[ID_INDEX(7, 1)] |= BIT(60);
    assert_int_equal(bhb_of(&raw).way, BHB_UNNEEDED);
}

static void firmware_is_asked(void **state)
{
    struct id_regs a73 = {.midr = 0x410fd092};
    static const struct {
        int32_t answers[3];
        enum bhb_way way;
    } cases[] = {
        {{0, 0x10002, 0}, BHB_FIRMWARE}, {{0, 0x10002, 1}, BHB_UNNEEDED},
        {{0, 0x10002, -1}, BHB_OFF},     {{0, 0x10000, 0}, BHB_OFF},
        {{-1, 0x10002, 0}, BHB_OFF},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        memcpy(firmware_answers, cases[i].answers, sizeof(firmware_answers));
        asked = 0;
        assert_int_equal(bhb_choose(&a73).way, cases[i].way);
        assert_true(asked == 0 || asked == SMCCC_ARCH_WORKAROUND_3);
    }
}

static void check_spectre(struct spectre got, uint8_t v2, uint8_t v4, uint8_t bhb_state)
{
    assert_int_equal(got.v2, v2);
    assert_int_equal(got.v4, v4);
    assert_int_equal(got.bhb, bhb_state);
}

static void firmware_says(int32_t version, int32_t of_workarounds)
{
    firmware_answers[0] = 0;
    firmware_answers[1] = version;
    firmware_answers[2] = of_workarounds;
    asked = 0;
    enabled = 0;
}

static void spectre_by_firmware(void **state)
{
    struct id_regs a72 = cpu_cortex_a72;
    (void)state;
    a72.midr = 0x410fd083;
    firmware_says(0x10001, 0);
    check_spectre(spectre_choose(&a72), SPECTRE_FIRMWARE, SPECTRE_FIRMWARE, SPECTRE_FIRMWARE);
    assert_int_equal(enabled, 1);
    firmware_says(0x10001, 1);
    check_spectre(spectre_choose(&a72), SPECTRE_SAFE, SPECTRE_SAFE, SPECTRE_SAFE);
    firmware_says(0x10001, -2);
    check_spectre(spectre_choose(&a72), SPECTRE_OPEN, SPECTRE_SAFE, SPECTRE_OPEN);
    firmware_says(0x10001, -1);
    check_spectre(spectre_choose(&a72), SPECTRE_OPEN, SPECTRE_OPEN, SPECTRE_OPEN);
    firmware_says(0x10000, 0);
    check_spectre(spectre_choose(&a72), SPECTRE_OPEN, SPECTRE_OPEN, SPECTRE_OPEN);
    assert_int_equal(asked, 0);
    assert_int_equal(enabled, 0);
}

// Neither of these is asked about.
static void spectre_by_cpu(void **state)
{
    struct id_regs a53 = cpu_cortex_a72, max = cpu_max, csv2 = cpu_cortex_a72;
    (void)state;
    a53.midr = 0x410fd034;
    firmware_says(0x10001, 0);
    check_spectre(spectre_choose(&a53), SPECTRE_SAFE, SPECTRE_SAFE, SPECTRE_SAFE);
    check_spectre(spectre_choose(&max), SPECTRE_SAFE, SPECTRE_SAFE, SPECTRE_SAFE);
    assert_int_equal(asked, 0);
    csv2.midr = 0x410fd083;
    csv2.r[ID_INDEX(4, 0)] |= BIT(56);
    check_spectre(spectre_choose(&csv2), SPECTRE_SAFE, SPECTRE_FIRMWARE, SPECTRE_FIRMWARE);
    csv2.r[ID_INDEX(4, 1)] |= BIT(4); // SSBS
    check_spectre(spectre_choose(&csv2), SPECTRE_SAFE, SPECTRE_SAFE, SPECTRE_FIRMWARE);
    assert_int_equal(enabled, 1);
}

static void spectre_of_all_cpus(void **state)
{
    static const struct spectre cpus[] = {
        {SPECTRE_SAFE, SPECTRE_FIRMWARE, SPECTRE_SAFE},
        {SPECTRE_FIRMWARE, SPECTRE_SAFE, SPECTRE_SAFE},
        {SPECTRE_SAFE, SPECTRE_OPEN, SPECTRE_FIRMWARE},
        {SPECTRE_OPEN, SPECTRE_FIRMWARE, SPECTRE_SAFE},
    };
    (void)state;
    spectre_heed(&cpus[0]);
    check_spectre(spectre, SPECTRE_SAFE, SPECTRE_FIRMWARE, SPECTRE_SAFE);
    spectre_heed(&cpus[1]);
    check_spectre(spectre, SPECTRE_FIRMWARE, SPECTRE_FIRMWARE, SPECTRE_SAFE);
    spectre_heed(&cpus[2]);
    check_spectre(spectre, SPECTRE_FIRMWARE, SPECTRE_OPEN, SPECTRE_FIRMWARE);
    spectre_heed(&cpus[3]);
    check_spectre(spectre, SPECTRE_OPEN, SPECTRE_OPEN, SPECTRE_FIRMWARE);
}

static uint32_t exit_call(uint8_t v2)
{
    return spectre_exit_call(&(struct spectre){v2, SPECTRE_FIRMWARE, SPECTRE_FIRMWARE});
}

static void exits_of_affected_cpus(void **state)
{
    (void)state;
    assert_int_equal(exit_call(SPECTRE_SAFE), 0);
    assert_int_equal(exit_call(SPECTRE_FIRMWARE), SMCCC_ARCH_WORKAROUND_1);
    assert_int_equal(exit_call(SPECTRE_OPEN), 0);
}

static void turned_off_by_the_operator(void **state)
{
    struct id_regs a72 = cpu_cortex_a72, a53 = cpu_cortex_a72;
    (void)state;
    a72.midr = 0x410fd083;
    a53.midr = 0x410fd034;
    assert_int_equal(bhb_choose(&a72).way, BHB_LOOP);
    bhb_turn_off();
    assert_int_equal(bhb_choose(&a72).way, BHB_OFF);
    assert_int_equal(bhb_choose(&a72).loops, 0);
    assert_int_equal(bhb_choose(&a53).way, BHB_UNNEEDED);
    assert_int_equal(exit_call(SPECTRE_FIRMWARE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_model_and_revision),
        cmocka_unit_test(of_any_cpu),
        cmocka_unit_test(branch_history),
        cmocka_unit_test(branch_history_by_id_register),
        cmocka_unit_test(firmware_is_asked),
        cmocka_unit_test(spectre_by_firmware),
        cmocka_unit_test(spectre_by_cpu),
        cmocka_unit_test(spectre_of_all_cpus),
        cmocka_unit_test(exits_of_affected_cpus),
        cmocka_unit_test(turned_off_by_the_operator), // for good
    };
    return cmocka_run_group_tests_name("errata", tests, NULL, NULL);
}
