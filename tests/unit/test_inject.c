// SPDX-License-Identifier: Apache-2.0
// Exceptions given to a guest, against what the pseudocode AArch64.TakeException says.
#include "arch/sysreg.h"
#include "cpu/features.h"
#include "trap/inject.h"
#include "trap/io.h"
#include "trap/trap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum trap_result io_call(struct vcpu *which)
{
    (void)which;
    fail();
    return TRAP_EMULATED;
}

#define VBAR UINT64_C(0xffff800010010800)
#define PC   UINT64_C(0xffff800008001234)

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = calloc(1, sizeof(*v));
    memset(&features, 0, sizeof(features));
    features.pan = features.ssbs = true;
    fake_sysregs = (struct fake_sysregs){.vbar_el1 = VBAR, .sctlr_el1 = SCTLR_SPAN};
    v->regs.pc = PC;
    v->regs.pstate = PSR_EL1H;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(v);
    return 0;
}

static void undefined_tells_everything(void **state)
{
    (void)state;
    v->regs.pstate = PSR_EL1H | PSR_NZCV | PSR_I;
    inject_undef(v);
    assert_int_equal(fake_sysregs.elr_el1, PC);
    assert_int_equal(fake_sysregs.spsr_el1, PSR_EL1H | PSR_NZCV | PSR_I);
    assert_int_equal(fake_sysregs.esr_el1, ESR_IL);
    assert_int_equal(v->regs.pc, VBAR + 0x200);
    assert_int_equal(v->regs.pstate, PSR_EL1H | PSR_DAIF | PSR_NZCV);
    assert_int_equal(v->count.n[CNT_INJECT_UNDEF], 1);
}

static void vector_is_by_origin(void **state)
{
    static const struct {
        uint64_t pstate, offset;
    } cases[] = {
        {PSR_EL1T, 0x000},
        {PSR_EL1H, 0x200},
        {PSR_EL0T, 0x400},
        {PSR_AARCH32, 0x600},
        {PSR_AARCH32 | BIT(5) | PSR_EL0T, 0x600},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        v->regs.pstate = cases[i].pstate;
        inject_undef(v);
        assert_int_equal(v->regs.pc, VBAR + cases[i].offset);
        assert_int_equal(v->regs.pstate & PSR_M_MASK, PSR_EL1H);
    }
}

static void pstate_bits_that_do_not_survive(void **state)
{
    (void)state;
    v->regs.pstate =
        PSR_EL1H | PSR_BTYPE | PSR_SSBS | PSR_IL | PSR_SS | PSR_UAO | BIT(13) | PSR_TCO;
    inject_undef(v);
    assert_int_equal(v->regs.pstate, PSR_EL1H | PSR_DAIF);
    assert_int_equal(fake_sysregs.spsr_el1 & PSR_BTYPE, PSR_BTYPE);
}

static void pan_is_by_span(void **state)
{
    (void)state;
    inject_undef(v);
    assert_int_equal(v->regs.pstate & PSR_PAN, 0);
    v->regs.pstate = PSR_EL1H | PSR_PAN;
    inject_undef(v);
    assert_int_equal(v->regs.pstate & PSR_PAN, PSR_PAN);
    fake_sysregs.sctlr_el1 = 0;
    v->regs.pstate = PSR_EL0T;
    inject_undef(v);
    assert_int_equal(v->regs.pstate & PSR_PAN, PSR_PAN);
    features.pan = false;
    v->regs.pstate = PSR_EL0T;
    inject_undef(v);
    assert_int_equal(v->regs.pstate & PSR_PAN, 0);
}

static void ssbs_dit_and_tco(void **state)
{
    (void)state;
    fake_sysregs.sctlr_el1 |= SCTLR_DSSBS;
    v->regs.pstate = PSR_EL1H | PSR_DIT;
    inject_undef(v);
    assert_int_equal(v->regs.pstate & (PSR_SSBS | PSR_DIT), PSR_SSBS | PSR_DIT);
    features.ssbs = false;
    features.mte = true;
    v->regs.pstate = PSR_EL1H;
    inject_undef(v);
    assert_int_equal(v->regs.pstate & (PSR_SSBS | PSR_TCO), PSR_TCO);
}

static void data_aborts(void **state)
{
    static const struct {
        enum abort_kind kind;
        unsigned level;
        uint64_t fsc;
    } cases[] = {
        {ABORT_EXTERNAL, 0, 0x10},    {ABORT_EXTERNAL_WALK0, 2, 0x16},
        {ABORT_ALIGNMENT, 0, 0x21},   {ABORT_UNSUPPORTED_EXCLUSIVE, 0, 0x35},
        {ABORT_TRANSLATION, 3, 0x07}, {ABORT_PERMISSION, 1, 0x0d},
        {ABORT_ACCESS_FLAG, 2, 0x0a},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        v->regs.pstate = PSR_EL1H;
        inject_data_abort(v, gva(0x1234), cases[i].kind, cases[i].level, i & 1);
        assert_int_equal(fake_sysregs.esr_el1,
                         ((uint64_t)EC_DABT << 26) | ESR_IL | (i & 1 ? ISS_WNR : 0) | cases[i].fsc);
        assert_int_equal(fake_sysregs.far_el1, 0x1234);
    }
    v->regs.pstate = PSR_EL0T;
    inject_data_abort(v, gva(0), ABORT_EXTERNAL, 0, false);
    assert_int_equal(ESR_EC(fake_sysregs.esr_el1), EC_DABT_LOWER);
    assert_int_equal(fake_sysregs.far_el1, 0);
}

static void instruction_and_cache_aborts(void **state)
{
    (void)state;
    inject_instruction_abort(v, gva(PC), ABORT_EXTERNAL, 0);
    assert_int_equal(fake_sysregs.esr_el1, ((uint64_t)EC_IABT << 26) | ESR_IL | 0x10);
    v->regs.pstate = PSR_AARCH32;
    inject_instruction_abort(v, gva(PC), ABORT_TRANSLATION, 1);
    assert_int_equal(fake_sysregs.esr_el1, ((uint64_t)EC_IABT_LOWER << 26) | ESR_IL | 0x05);
    v->regs.pstate = PSR_EL1H;
    inject_cache_abort(v, gva(8), ABORT_EXTERNAL_WALK0, 1);
    assert_int_equal(fake_sysregs.esr_el1,
                     ((uint64_t)EC_DABT << 26) | ESR_IL | ISS_CM | ISS_WNR | 0x15);
}

static void debug_exceptions_change_class_by_origin(void **state)
{
    uint64_t esr = ((uint64_t)EC_WATCHPT_LOWER << 26) | ESR_IL | 0x22;
    (void)state;
    fake_sysregs.far_el2 = 0x4444;
    assert_int_equal(trap_debug(v, esr), TRAP_FAULT);
    assert_int_equal(ESR_EC(fake_sysregs.esr_el1), EC_WATCHPT_LOWER + 1);
    assert_int_equal(fake_sysregs.far_el1, 0x4444);
    v->regs.pstate = PSR_EL0T;
    trap_debug(v, ((uint64_t)EC_BRK64 << 26) | ESR_IL | 7);
    assert_int_equal(fake_sysregs.esr_el1, ((uint64_t)EC_BRK64 << 26) | ESR_IL | 7);
}

static void serror_is_virtual(void **state)
{
    (void)state;
    fake_sysregs.hcr_el2 = v->hcr = HCR_VM;
    inject_serror(v, ((uint64_t)EC_SERROR << 26) | ESR_IL | 0x11);
    assert_int_equal(fake_sysregs.hcr_el2, HCR_VM | HCR_VSE);
    assert_int_equal(v->hcr, HCR_VM | HCR_VSE);
    assert_int_equal(fake_sysregs.S3_4_C5_C2_3, 0);
    features.ras = true;
    inject_serror(v, ((uint64_t)EC_SERROR << 26) | ESR_IL | 0x11);
    assert_int_equal(fake_sysregs.S3_4_C5_C2_3, 0x11);
}

// ITSTATE by the architecture's own words: ITAdvance().
static uint64_t with_it(unsigned it)
{
    return ((uint64_t)(it >> 2) << 10) | ((uint64_t)(it & 3) << 25);
}

static void it_blocks_advance(void **state)
{
    const uint64_t rest = PSR_NZCV | PSR_AARCH32 | BIT(5) | BIT(9);
    (void)state;
    for (unsigned it = 0; it < 256; it++) {
        unsigned next = (it & 7) == 0 ? 0 : (it & 0xe0) | ((it << 1) & 0x1f);
        assert_int_equal(aarch32_advance_it(rest | with_it(it)), rest | with_it(next));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(undefined_tells_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(vector_is_by_origin, setup, teardown),
        cmocka_unit_test_setup_teardown(pstate_bits_that_do_not_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(pan_is_by_span, setup, teardown),
        cmocka_unit_test_setup_teardown(ssbs_dit_and_tco, setup, teardown),
        cmocka_unit_test_setup_teardown(data_aborts, setup, teardown),
        cmocka_unit_test_setup_teardown(instruction_and_cache_aborts, setup, teardown),
        cmocka_unit_test_setup_teardown(debug_exceptions_change_class_by_origin, setup, teardown),
        cmocka_unit_test_setup_teardown(serror_is_virtual, setup, teardown),
        cmocka_unit_test(it_blocks_advance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
