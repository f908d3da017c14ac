// SPDX-License-Identifier: Apache-2.0
// Traps of system registers: which of them a guest has, and what it reads and does there.
#include "arch/sysreg.h"
#include "fake_pmu.h"
#include "trap/sysreg.h"
#include "trap_vm.h"

static void id_registers(void **state)
{
    (void)state;
    for (unsigned crm = 1; crm < 8; crm++) {
        for (unsigned op2 = 0; op2 < 8; op2++) {
            assert_int_equal(trap_sysreg(v, iss(3, 0, 0, crm, op2, op2 + 3, true)), TRAP_EMULATED);
            assert_int_equal(v->regs.x[op2 + 3], 0xabc0000 + crm * 8 + op2);
        }
    }
    assert_int_equal(v->count.n[CNT_SYSREG_ID], 56);
    v->regs.pc = 0x1234;
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 4, 0, 31, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.pc, 0x1234);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 4, 0, 0, false)), TRAP_FAULT);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 8, 0, 0, true)), TRAP_FAULT);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 15, 7, 0, true)), TRAP_FAULT);
}

static void policy_is_worked_out(void **state)
{
    (void)state;
    features.raw.r[ID_INDEX(4, 0)] = 0x11; // AArch64 at EL0 and EL1
    sysreg_init_vm(&vm);
    assert_int_equal(vm.id[4 * 8], 0x11);
    assert_int_equal(vm.id[8], 0);
    assert_true(vm.id_policy.hide_sve && vm.id_policy.hide_pmu);
}

static void performance_monitors(void **state)
{
    (void)state;
    features.raw.r[ID_INDEX(5, 0)] = 0x800;
    config.pmu = true;
    sysreg_init_vm(&vm);
    assert_int_equal(bits_get(vm.id[5 * 8], 11, 8), 0);
    assert_int_equal(trap_sysreg(v, iss(3, 3, 9, 12, 0, 0, true)), TRAP_FAULT);
    has_pmu = true;
    sysreg_init_vm(&vm);
    assert_int_equal(bits_get(vm.id[5 * 8], 11, 8), 6); // FEAT_PMUv3p5 at most
    v->mdcr = MDCR_TDA | MDCR_TPM | MDCR_TPMCR;
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 12, 0, 0, true)), TRAP_RETRY); // PMEVTYPER0_EL0
    assert_int_equal(v->mdcr, MDCR_TDA);
    assert_int_equal(fake_sysregs.mdcr_el2, MDCR_TDA);
    // What traps with the traps off is no register of the PMU's.
    assert_int_equal(trap_sysreg(v, iss(3, 0, 9, 14, 4, 0, true)), TRAP_FAULT);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 9, 9, 0, 0, true)), TRAP_FAULT); // PMSCR_EL1
    // Counting, it is switched; at rest it traps again.
    fake_pmu.pmcr = PMCR_E;
    fake_pmu.cntenset = 1;
    fake_pmu.evcntr[0] = 42;
    pmu_save(v);
    assert_int_equal(fake_pmu.pmcr, 0);
    assert_true(v->pmu_used);
    pmu_load(v);
    assert_int_equal(fake_pmu.pmcr, PMCR_E);
    fake_pmu.cntenset = 0;
    pmu_save(v);
    assert_false(v->pmu_used);
    assert_int_equal(fake_sysregs.mdcr_el2, MDCR_TDA | MDCR_TPM | MDCR_TPMCR);
    assert_true(pmu_enable(v));
    assert_int_equal(fake_pmu.evcntr[0], 42);
    config.pmu = has_pmu = false;
    sysreg_init_vm(&vm);
    assert_int_equal(bits_get(vm.id[5 * 8], 11, 8), 0);
}

static void software_interrupts(void **state)
{
    (void)state;
    v->regs.x[9] = 0x1122334455;
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 5, 9, false)), TRAP_EMULATED);
    assert_int_equal(sgi_value, 0x1122334455);
    assert_int_equal(sgis1, 1);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 6, 31, false)), TRAP_EMULATED);
    assert_int_equal(sgi_value, 0);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 7, 9, false)), TRAP_EMULATED);
    assert_int_equal(sgis0, 2);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 5, 9, true)), TRAP_FAULT);
}

static void timers_debug_and_the_rest(void **state)
{
    (void)state;
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 2, 1, 4, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[4], 0x701);
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 2, 2, 4, false)), TRAP_EMULATED);
    assert_int_equal(device_value, 0x701);
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 2, 5, 4, true)), TRAP_FAULT);
    v->regs.x[1] = 0x8001;
    assert_int_equal(trap_sysreg(v, iss(2, 0, 0, 2, 2, 1, false)), TRAP_EMULATED);
    assert_int_equal(fake_sysregs.mdscr_el1, 0x8001); // tests/unit/test_debug.c has the rest
    assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 14, 2, 1, false)), TRAP_EMULATED); // DC CISW
}

static void absent_features_are_undefined(void **state)
{
    static const uint8_t absent[][5] = {
        {3, 3, 9, 12, 0}, {3, 3, 9, 13, 0}, {3, 0, 9, 14, 1}, {3, 3, 14, 15, 7}, {3, 3, 14, 8, 0},
        {3, 0, 9, 9, 0},  {3, 3, 13, 2, 0}, {3, 0, 5, 3, 0},  {3, 0, 5, 4, 0},   {3, 0, 10, 4, 3},
        {3, 0, 10, 5, 1}, {3, 0, 15, 2, 0}, {3, 1, 15, 2, 1}, {3, 7, 11, 0, 0},  {1, 3, 11, 0, 0},
        {1, 0, 15, 0, 0}, {2, 1, 0, 0, 0},  {2, 1, 8, 0, 0},  {3, 0, 1, 0, 6},   {3, 0, 13, 0, 7},
        {3, 3, 13, 0, 7}, {3, 0, 2, 1, 0},  {3, 0, 2, 3, 1},  {3, 0, 12, 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        const uint8_t *a = absent[i];
        v->regs.pstate = PSR_EL0T;
        assert_int_equal(trap_sysreg(v, iss(a[0], a[1], a[2], a[3], a[4], 0, true)), TRAP_FAULT);
        assert_int_equal(ESR_EC(fake_sysregs.esr_el1), EC_UNKNOWN);
    }
    assert_int_equal(v->count.n[CNT_INJECT_UNDEF], ARRAY_SIZE(absent));
    assert_int_equal(trap_sysreg(v, iss(3, 0, 4, 0, 0, 0, true)), TRAP_UNHANDLED);
}

static void pointer_authentication_comes_at_its_first_use(void **state)
{
    (void)state;
    features.pauth = true;
    fake_sysregs.hcr_el2 = HCR_VM;
    assert_int_equal(trap_sysreg(v, iss(3, 0, 2, 1, 0, 0, false)), TRAP_RETRY);
    assert_int_equal(fake_sysregs.hcr_el2, HCR_VM | HCR_API | HCR_APK);
    assert_true(v->pauth_used);
    vm.id_policy.hide_pauth = true;
    assert_int_equal(trap_pauth(v, 0), TRAP_FAULT);
    vm.id_policy.hide_pauth = false;
}

// Neoverse N1 1542419: what HCR_EL2.TID2 and TPU trap.
static void caches_that_are_not_coherent(void **state)
{
    (void)state;
    features.raw.ctr = 0xb444c004;
    fake_sysregs.ccsidr_el1 = 0x701fe00a;
    fake_sysregs.clidr_el1 = 0xa200023;
    assert_int_equal(trap_sysreg(v, iss(3, 3, 0, 0, 1, 5, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], 0x9444c00a); // no DIC, lines of 4 KiB
    assert_int_equal(trap_sysreg(v, iss(3, 1, 0, 0, 0, 5, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], 0x701fe00a);
    assert_int_equal(trap_sysreg(v, iss(3, 1, 0, 0, 1, 5, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], 0xa200023);
    v->regs.x[6] = 0xffffff2;
    assert_int_equal(trap_sysreg(v, iss(3, 2, 0, 0, 0, 6, false)), TRAP_EMULATED);
    assert_int_equal(fake_sysregs.csselr_el1, 2);
    assert_int_equal(trap_sysreg(v, iss(3, 2, 0, 0, 0, 7, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[7], 2);
    assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 1, 0, 31, false)), TRAP_EMULATED); // IC IALLUIS
    assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 5, 0, 31, false)), TRAP_EMULATED); // IC IALLU
    assert_int_equal(trap_sysreg(v, iss(1, 3, 7, 5, 1, 6, false)), TRAP_EMULATED);  // IC IVAU
    assert_int_equal(trap_sysreg(v, iss(1, 3, 7, 11, 1, 6, false)), TRAP_EMULATED); // DC CVAU
    assert_int_equal(trap_sysreg(v, iss(3, 1, 0, 0, 2, 5, true)), TRAP_FAULT);      // CCSIDR2_EL1
}

#define MDCCSR(rt) iss(2, 3, 0, 1, 0, rt, true)

// A VM with tools calls by reading MDCCSR_EL0 into nothing; all else is a read of the register.
static void reads_of_the_channels_status_call(void **state)
{
    (void)state;
    calls = 0;
    v->regs.x[7] = UINT64_C(0x860000000e);
    vm.tools = NULL;
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    assert_int_equal(calls, 0);
    vm.tools = (struct tools *)&vm;
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    assert_int_equal(calls, 1);
    v->regs.pstate = PSR_EL0T;
    v->debug.mdscr = MDSCR_TDCC; // which would send the access to EL1
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    assert_int_equal(calls, 2);
    v->regs.x[7] = UINT64_C(0x18600000000e);
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_FAULT);
    v->debug.mdscr = 0;
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    v->regs.x[7] = UINT64_C(0x860000000e);
    v->regs.x[3] = 1;
    assert_int_equal(trap_sysreg(v, MDCCSR(3)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], 0);
    assert_int_equal(trap_sysreg(v, iss(2, 3, 0, 5, 0, 31, false)), TRAP_EMULATED);
    assert_int_equal(calls, 2);
    vm.tools = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(id_registers),
        VM_TEST(policy_is_worked_out),
        VM_TEST(performance_monitors),
        VM_TEST(software_interrupts),
        VM_TEST(timers_debug_and_the_rest),
        VM_TEST(absent_features_are_undefined),
        VM_TEST(pointer_authentication_comes_at_its_first_use),
        VM_TEST(caches_that_are_not_coherent),
        VM_TEST(reads_of_the_channels_status_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
