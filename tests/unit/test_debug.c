// SPDX-License-Identifier: Apache-2.0
// A guest's debug registers: what it reads back, and what of them the machine gets.
#include "arch/sysreg.h"
#include "cpu/features.h"
#include "fake_debug.h"
#include "trap/io.h"
#include "trap/sysreg_iss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io_calls.h"

#define MDSCR      KEY(2, 0, 0, 2, 2)
#define BVR(n)     KEY(2, 0, 0, n, 4)
#define BCR(n)     KEY(2, 0, 0, n, 5)
#define WVR(n)     KEY(2, 0, 0, n, 6)
#define WCR(n)     KEY(2, 0, 0, n, 7)
#define OSLAR      KEY(2, 0, 1, 0, 4)
#define OSLSR      KEY(2, 0, 1, 1, 4)
#define CLAIMSET   KEY(2, 0, 7, 8, 6)
#define CLAIMCLR   KEY(2, 0, 7, 9, 6)
#define MDCCSR_EL0 KEY(2, 3, 0, 1, 0)
#define TRCSTATR   KEY(2, 1, 0, 3, 0)
#define VBAR       UINT64_C(0xffff800010010800)

static struct vm vm;
static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = calloc(1, sizeof(*v));
    v->vm = &vm;
    vm.tools = NULL;
    calls = 0;
    features.breakpoints = 6;
    features.watchpoints = 4;
    fake_sysregs = (struct fake_sysregs){.vbar_el1 = VBAR};
    memset(fake_points, 0, sizeof(fake_points));
    fake_point_writes = 0;
    v->regs.pstate = PSR_EL1H;
    debug_reset(v);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(v);
    return 0;
}

static void write(uint32_t key, uint64_t value)
{
    v->regs.x[3] = value;
    assert_int_equal(debug_register(v, key | 3 << 5), TRAP_EMULATED);
}

static uint64_t read(uint32_t key)
{
    v->regs.x[4] = ~UINT64_C(0);
    assert_int_equal(debug_register(v, key | 4 << 5 | ISS_READ), TRAP_EMULATED);
    return v->regs.x[4];
}

static void assert_undefined(uint32_t iss)
{
    uint64_t before = v->count.n[CNT_INJECT_UNDEF];
    v->regs.pstate = PSR_EL1H;
    assert_int_equal(debug_register(v, iss), TRAP_FAULT);
    assert_int_equal(v->count.n[CNT_INJECT_UNDEF], before + 1);
}

static void what_was_written_reads_back(void **state)
{
    (void)state;
    write(MDSCR, ~UINT64_C(0));
    write(BVR(5), UINT64_C(0xffff800008001234));
    write(BCR(5), ~UINT64_C(0));
    write(WVR(3), UINT64_C(0xffff80000800123f));
    write(WCR(3), ~UINT64_C(0));
    assert_int_equal(read(BVR(5)), UINT64_C(0xffff800008001234));
    assert_int_equal(read(BCR(5)), 0xffe1e7);
    assert_int_equal(read(WVR(3)), UINT64_C(0xffff80000800123c));
    assert_int_equal(read(WCR(3)), 0x1f1fffff);
    assert_int_equal(read(BVR(0)), 0);
}

static void a_reset_cpu_is_locked(void **state)
{
    (void)state;
    assert_int_equal(read(OSLSR), 0xa);
    assert_int_equal(read(MDSCR), 0);
    write(OSLAR, 0);
    assert_int_equal(read(OSLSR), 0x8);
    write(OSLAR, 1);
    assert_int_equal(read(OSLSR), 0xa);
}

static void external_debuggers_bits_are_the_locks(void **state)
{
    (void)state;
    write(OSLAR, 1);
    write(MDSCR, ~UINT64_C(0));
    assert_int_equal(read(MDSCR) & BIT(14), BIT(14));
    write(OSLAR, 0);
    write(MDSCR, MDSCR_KDE);
    assert_int_equal(read(MDSCR) & BIT(14), BIT(14)); // read-only while unlocked
    assert_int_equal(read(MDSCR) & MDSCR_MDE, 0);
}

static void machine_gets_only_what_fires(void **state)
{
    (void)state;
    write(MDSCR, ~UINT64_C(0));
    assert_int_equal(fake_sysregs.mdscr_el1, 0); // locked
    write(OSLAR, 0);
    assert_int_equal(fake_sysregs.mdscr_el1, MDSCR_SS | MDSCR_KDE | MDSCR_MDE);
    write(OSLAR, 1);
    assert_int_equal(fake_sysregs.mdscr_el1, 0);
}

static void points_reach_the_machine_with_mde(void **state)
{
    (void)state;
    write(OSLAR, 0);
    write(BVR(1), 0x1000);
    write(BCR(1), 0x1e5);
    assert_int_equal(fake_point_writes, 0);
    write(MDSCR, MDSCR_MDE);
    assert_int_equal(fake_point_writes, 2 * (6 + 4));
    assert_int_equal(fake_points[DEBUG_BVR][1], 0x1000);
    assert_int_equal(fake_points[DEBUG_BCR][1], 0x1e5);
    write(WCR(2), 0x1f);
    assert_int_equal(fake_points[DEBUG_WCR][2], 0x1f);
    write(MDSCR, 0);
    write(WCR(2), 0);
    assert_int_equal(fake_points[DEBUG_WCR][2], 0x1f); // and cannot fire
}

static void a_switch_loads_what_is_in_use(void **state)
{
    (void)state;
    fake_sysregs.mdscr_el1 = MDSCR_MDE; // another's
    debug_load(v);
    assert_int_equal(fake_sysregs.mdscr_el1, 0);
    assert_int_equal(fake_point_writes, 0);
    write(OSLAR, 0);
    write(MDSCR, MDSCR_MDE | MDSCR_TDCC);
    write(BVR(0), 0x2000);
    memset(fake_points, 0xff, sizeof(fake_points));
    debug_load(v);
    assert_int_equal(fake_sysregs.mdscr_el1, MDSCR_MDE);
    assert_int_equal(fake_points[DEBUG_BVR][0], 0x2000);
    assert_int_equal(fake_points[DEBUG_BCR][5], 0);
    assert_int_equal(fake_points[DEBUG_WCR][3], 0);
    assert_int_equal(fake_points[DEBUG_BCR][6], ~UINT64_C(0)); // this CPU has no more
}

static void absent_ones_are_undefined(void **state)
{
    (void)state;
    assert_undefined(BVR(6) | ISS_READ);
    assert_undefined(BCR(15));
    assert_undefined(WVR(4) | ISS_READ);
    assert_undefined(OSLAR | ISS_READ);
    assert_undefined(OSLSR);
    assert_undefined(MDCCSR_EL0);
    assert_undefined(TRCSTATR | ISS_READ);
    assert_int_equal(fake_point_writes, 0);
}

static void claim_tags(void **state)
{
    (void)state;
    write(CLAIMSET, 0x1f0f);
    assert_int_equal(read(CLAIMSET), 0xff);
    assert_int_equal(read(CLAIMCLR), 0x0f);
    write(CLAIMCLR, 0x05);
    assert_int_equal(read(CLAIMCLR), 0x0a);
}

static void tdcc_sends_el0_to_el1(void **state)
{
    (void)state;
    write(MDSCR, MDSCR_TDCC);
    assert_int_equal(read(MDSCR), MDSCR_TDCC);
    assert_int_equal(read(MDCCSR_EL0), 0); // EL1 itself
    v->regs.pstate = PSR_EL0T;
    v->regs.pc = 0x5000;
    assert_int_equal(debug_register(v, MDCCSR_EL0 | 31 << 5 | ISS_READ), TRAP_FAULT);
    assert_int_equal(fake_sysregs.esr_el1, 0x6220c3e3);
    assert_int_equal(fake_sysregs.elr_el1, 0x5000);
    assert_int_equal(v->regs.pc, VBAR + 0x400);
    write(MDSCR, 0);
    v->regs.pstate = PSR_EL0T;
    assert_int_equal(read(MDCCSR_EL0), 0);
}

// BRK #0x86 comes to EL2 where the manifest lets it; all others are EL1's own.
static void breaks_call(void **state)
{
    (void)state;
    uint64_t brk = ((uint64_t)EC_BRK64 << 26) | ESR_IL;
    assert_int_equal(trap_debug(v, brk | IO_MAGIC), TRAP_FAULT);
    vm.tools = (struct tools *)&vm;
    assert_int_equal(calls, 0);
    assert_int_equal(trap_debug(v, brk | IO_MAGIC), TRAP_EMULATED);
    assert_int_equal(calls, 1);
    v->regs.pc = 0x5000;
    v->regs.pstate = PSR_EL0T;
    assert_int_equal(trap_debug(v, brk | 0x186), TRAP_FAULT);
    assert_int_equal(fake_sysregs.esr_el1, brk | 0x186);
    assert_int_equal(fake_sysregs.elr_el1, 0x5000);
    assert_int_equal(v->regs.pc, VBAR + 0x400);
    assert_int_equal(calls, 1);
}

// BRKs come to EL2 only while no other debug exception could.
static void breaks_come_while_nothing_else_does(void **state)
{
    (void)state;
    v->brk_calls = true;
    debug_reset(v);
    assert_int_equal(v->mdcr, MDCR_TDE); // loaded at the next switch
    write(OSLAR, 0);
    write(MDSCR, MDSCR_KDE);
    assert_int_equal(v->mdcr, MDCR_TDE);
    write(MDSCR, MDSCR_SS);
    assert_int_equal(v->mdcr, 0);
    assert_int_equal(fake_sysregs.mdcr_el2, 0);
    write(OSLAR, 1); // which disables the step
    assert_int_equal(fake_sysregs.mdcr_el2, MDCR_TDE);
    write(OSLAR, 0);
    write(MDSCR, MDSCR_MDE);
    assert_int_equal(fake_sysregs.mdcr_el2, 0);
    write(MDSCR, 0);
    assert_int_equal(fake_sysregs.mdcr_el2, MDCR_TDE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_written_reads_back),
        T(a_reset_cpu_is_locked),
        T(external_debuggers_bits_are_the_locks),
        T(machine_gets_only_what_fires),
        T(points_reach_the_machine_with_mde),
        T(a_switch_loads_what_is_in_use),
        T(absent_ones_are_undefined),
        T(claim_tags),
        T(tdcc_sends_el0_to_el1),
        T(breaks_call),
        T(breaks_come_while_nothing_else_does),
    };
    return cmocka_run_group_tests_name("debug", tests, NULL, NULL);
}
