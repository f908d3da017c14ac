// SPDX-License-Identifier: Apache-2.0
// A vCPU whose caches are off, and maintenance by set and way.
#include "trap_vm.h"
#include "vm/caches.h"

#define ON (SCTLR_M | SCTLR_C | SCTLR_I)

static void write_register(unsigned crn, unsigned crm, unsigned op2, uint64_t value)
{
    v->regs.x[7] = value;
    assert_int_equal(trap_sysreg(v, iss(3, 0, crn, crm, op2, 7, false)), TRAP_EMULATED);
}

static bool registers_trap(void)
{
    assert_int_equal(v->hcr & HCR_TVM, fake_sysregs.hcr_el2 & HCR_TVM);
    return (v->hcr & HCR_TVM) != 0;
}

static void start_uncached(void)
{
    fake_sysregs.hcr_el2 = HCR_VM;
    v->index = 1;
    caches_start(v);
    fake_sysregs.hcr_el2 |= v->hcr;
}

static void registers_of_a_vcpu_without_caches(void **state)
{
    (void)state;
    start_uncached();
    assert_int_equal(uncached, 2);
    write_register(2, 0, 0, 0x40001000);
    write_register(2, 0, 1, 0x40002000);
    write_register(2, 0, 2, 0xb5193519);
    write_register(5, 1, 0, 1);
    write_register(5, 1, 1, 2);
    write_register(5, 2, 0, 3);
    write_register(6, 0, 0, ~UINT64_C(0));
    write_register(10, 2, 0, 0xff440c0400);
    write_register(10, 3, 0, 5);
    write_register(13, 0, 1, 6);
    assert_int_equal(fake_sysregs.ttbr0_el1, 0x40001000);
    assert_int_equal(fake_sysregs.ttbr1_el1, 0x40002000);
    assert_int_equal(fake_sysregs.tcr_el1, 0xb5193519);
    assert_int_equal(fake_sysregs.afsr0_el1, 1);
    assert_int_equal(fake_sysregs.afsr1_el1, 2);
    assert_int_equal(fake_sysregs.esr_el1, 3);
    assert_int_equal(fake_sysregs.far_el1, ~UINT64_C(0));
    assert_int_equal(fake_sysregs.mair_el1, 0xff440c0400);
    assert_int_equal(fake_sysregs.amair_el1, 5);
    assert_int_equal(fake_sysregs.contextidr_el1, 6);
    write_register(1, 0, 0, SCTLR_EL1_RES1 | SCTLR_I);
    write_register(1, 0, 0, SCTLR_EL1_RES1 | SCTLR_I | SCTLR_C);
    assert_true(registers_trap());
    assert_int_equal(uncached, 2);
    write_register(1, 0, 0, SCTLR_EL1_RES1 | ON);
    assert_int_equal(fake_sysregs.sctlr_el1, SCTLR_EL1_RES1 | ON);
    assert_false(registers_trap());
    assert_int_equal(uncached, 0);
    assert_int_equal(maintained, 0); // it maintained nothing by set and way
    assert_int_equal(v->count.n[CNT_SYSREG_TRANSLATION], 13);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 1, 0, 0, 7, true)), TRAP_UNHANDLED);
    // Turned off unseen, and found out.
    fake_sysregs.sctlr_el1 = SCTLR_EL1_RES1 | SCTLR_C;
    fault_at(0x1234, 0x09000000);
    trap_data_abort(v, dabt(2, 3, ISS_S1PTW) & ~ISS_ISV);
    assert_true(registers_trap());
    assert_int_equal(uncached, 2);
    caches_stop(v);
    assert_int_equal(uncached, 0);
}

static void set_way(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 6 + 4 * (i % 3), 2, 1, false)), TRAP_EMULATED);
    }
}

static void maintenance_by_set_and_way(void **state)
{
    (void)state;
    start_uncached();
    set_way(1000); // before they are on
    assert_int_equal(maintained, 1);
    write_register(2, 0, 0, 0x40001000);
    write_register(1, 0, 0, ON);
    assert_int_equal(maintained, 2);
    assert_false(registers_trap());
    set_way(1000); // while they are on
    assert_int_equal(maintained, 3);
    assert_true(registers_trap());
    assert_int_equal(uncached, 0);
    now += 19999; // a long loop
    set_way(1);
    assert_int_equal(maintained, 3);
    now++;
    set_way(1);
    assert_int_equal(maintained, 4);
    write_register(2, 0, 0, 0x40001000); // and done
    assert_int_equal(maintained, 5);
    assert_false(registers_trap());
    set_way(1000); // before they go off
    write_register(1, 0, 0, SCTLR_I);
    assert_int_equal(maintained, 7);
    assert_true(registers_trap());
    assert_int_equal(uncached, 2);
    set_way(1000); // after
    write_register(1, 0, 0, ON);
    assert_int_equal(maintained, 9);
    assert_false(registers_trap());
    assert_int_equal(v->count.n[CNT_SYSREG_SETWAY], 4002);
}

static void forced_cacheability_traps_nothing(void **state)
{
    (void)state;
    features.fwb = true;
    start_uncached();
    assert_false(registers_trap());
    set_way(10);
    caches_found_off(v);
    assert_false(registers_trap());
    assert_int_equal(maintained + uncached, 0);
}

// The state that a fault is served by.
static void faults_without_caches(void **state)
{
    static const uint64_t sctlr[] = {ON, SCTLR_M | SCTLR_C, SCTLR_C | SCTLR_I, SCTLR_M | SCTLR_I,
                                     0};
    static const bool data[] = {false, false, true, true, true};
    static const bool fetches[] = {false, true, true, false, true};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sctlr); i++) {
        fake_sysregs.sctlr_el1 = sctlr[i];
        fault_at(0x1000, VM_RAM_BASE + 0x5000);
        trap_data_abort(v, dabt(2, 3, 0));
        assert_int_equal(asked_uncached, data[i]);
        trap_instruction_abort(v, ((uint64_t)EC_IABT_LOWER << 26) | ESR_IL | FSC_TRANSLATION3);
        assert_int_equal(asked_uncached, fetches[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(registers_of_a_vcpu_without_caches),
        VM_TEST(maintenance_by_set_and_way),
        VM_TEST(forced_cacheability_traps_nothing),
        VM_TEST(faults_without_caches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
