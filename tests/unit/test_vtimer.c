// SPDX-License-Identifier: Apache-2.0
// A vCPU's timers: the virtual one across switches and sleep, the physical one as its registers
// say.
#include "arch/sysreg_bits.h"
#include "arch/vtimer.h"
#include "cpu/timer.h"
#include "cpu/vcpu.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "irq/vtimer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENABLE  CNT_CTL_ENABLE
#define IMASK   CNT_CTL_IMASK
#define ISTATUS CNT_CTL_ISTATUS

static struct vcpu vcpu;
static struct timer *armed[2];
static bool line[32], in_flight;
static unsigned forwarded;
static bool held; // the machine's physical timer PPI is active

// ---- what the timers call ----

void vgic_set_ppi(struct vgic_cpu *c, uint32_t intid, bool level)
{
    assert_ptr_equal(c, vcpu.vgic);
    line[intid] = level;
}

bool vgic_ppi_in_flight(struct vgic_cpu *c, uint32_t intid)
{
    assert_ptr_equal(c, vcpu.vgic);
    return in_flight || line[intid];
}

void vgic_forward_vtimer(struct vgic_cpu *c)
{
    assert_ptr_equal(c, vcpu.vgic);
    forwarded++;
}

const struct gic_config *gic_config(void)
{
    static const struct gic_config config = {.ppi.physical_timer = 30};
    return &config;
}

void gic_set_ppi_active(uint32_t intid, bool active)
{
    assert_int_equal(intid, 30);
    held = active;
}

uint64_t timer_now(void)
{
    return fake_timer.now;
}

static void forget(struct timer *t)
{
    for (unsigned i = 0; i < 2; i++) {
        armed[i] = armed[i] == t ? NULL : armed[i];
    }
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    forget(t);
    t->deadline = deadline;
    armed[armed[0] != NULL] = t;
}

void timer_cancel(struct timer *t)
{
    forget(t);
}

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

static void pass_until(uint64_t then)
{
    fake_timer.now = then;
    for (unsigned i = 0; i < 2; i++) {
        struct timer *t = armed[i];
        if (t != NULL && t->deadline <= then) {
            armed[i] = NULL;
            t->expired(t);
        }
    }
}

static uint64_t read_reg(enum vtimer_reg reg)
{
    uint64_t value;
    assert_true(vtimer_sysreg_read(&vcpu, reg, &value));
    return value;
}

static void write_reg(enum vtimer_reg reg, uint64_t value)
{
    assert_true(vtimer_sysreg_write(&vcpu, reg, value));
}

static int setup(void **state)
{
    (void)state;
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&fake_vtimer, 0, sizeof(fake_vtimer));
    memset(line, 0, sizeof(line));
    armed[0] = armed[1] = NULL;
    in_flight = false;
    forwarded = 0;
    fake_timer.now = 1000;
    vcpu.vtimer = calloc(1, vtimer_size());
    vtimer_init(&vcpu);
    vcpu.vgic = (struct vgic_cpu *)&vcpu;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(vcpu.vtimer);
    return 0;
}

// ---- virtual ----

static void test_switch_keeps_the_timer(void **state)
{
    (void)state;
    vtimer_set_offset(&vcpu, 300);
    vtimer_load(&vcpu);
    assert_int_equal(fake_vtimer.offset, 300);
    cntv_write_cval(5000);
    cntv_write_ctl(ENABLE);
    vtimer_save(&vcpu);
    assert_int_equal(fake_vtimer.ctl, 0); // whoever is next hears nothing of it
    fake_vtimer.cval = 7;
    fake_vtimer.offset = 9;
    vtimer_load(&vcpu);
    assert_int_equal(fake_vtimer.ctl, ENABLE);
    assert_int_equal(fake_vtimer.cval, 5000);
    assert_int_equal(fake_vtimer.offset, 300);
}

static void test_virtual_counter_stands_still(void **state)
{
    (void)state;
    vtimer_set_offset(&vcpu, 300);
    vtimer_load(&vcpu);
    cntv_write_cval(1000);
    cntv_write_ctl(ENABLE);
    vtimer_save(&vcpu);
    fake_timer.now = 1299;
    assert_false(vtimer_line(&vcpu));
    fake_timer.now += 5000;
    vtimer_stood_still(&vcpu, 5000);
    assert_false(vtimer_line(&vcpu));
    fake_timer.now++;
    assert_true(vtimer_line(&vcpu));
    vtimer_load(&vcpu);
    assert_int_equal(fake_vtimer.offset, 5300);
    assert_int_equal(fake_vtimer.cval, 1000);
}

static void test_line(void **state)
{
    (void)state;
    vtimer_set_offset(&vcpu, 300);
    for (unsigned loaded = 0; loaded < 2; loaded++) {
        for (unsigned ctl = 0; ctl < 4; ctl++) {
            vtimer_load(&vcpu);
            cntv_write_cval(5000);
            cntv_write_ctl(ctl);
            if (!loaded) {
                vtimer_save(&vcpu);
            }
            fake_timer.now = 5299;
            assert_false(vtimer_line(&vcpu));
            fake_timer.now = 5300;
            assert_int_equal(vtimer_line(&vcpu), ctl == ENABLE);
        }
    }
}

static void sleep_with(uint64_t cval, uint64_t ctl)
{
    vtimer_load(&vcpu);
    cntv_write_cval(cval);
    cntv_write_ctl(ctl);
    vtimer_save(&vcpu);
    vtimer_block(&vcpu);
}

static void test_asleep_it_wakes(void **state)
{
    (void)state;
    vtimer_set_offset(&vcpu, 300);
    sleep_with(5000, ENABLE);
    assert_non_null(armed[0]);
    assert_int_equal(armed[0]->deadline, 5300);
    pass_until(5299);
    assert_false(line[VGIC_PPI_VTIMER]);
    pass_until(5300);
    assert_true(line[VGIC_PPI_VTIMER]);
}

static void test_back_in_time_nothing_is_watched(void **state)
{
    (void)state;
    sleep_with(5000, ENABLE);
    vtimer_load(&vcpu);
    assert_null(armed[0]);
    assert_int_equal(fake_vtimer.ctl, ENABLE);
    vtimer_save(&vcpu);
    vtimer_block(&vcpu);
    vtimer_unblock(&vcpu);
    vtimer_unblock(&vcpu);
    assert_null(armed[0]);
}

static void test_nothing_to_watch(void **state)
{
    (void)state;
    sleep_with(5000, 0);
    assert_null(armed[0]);
    sleep_with(5000, ENABLE | IMASK);
    assert_null(armed[0]);
    in_flight = true; // a rise would signal nothing
    sleep_with(5000, ENABLE);
    assert_null(armed[0]);
}

static void test_far_deadlines_do_not_wrap(void **state)
{
    (void)state;
    vtimer_set_offset(&vcpu, 300);
    sleep_with(UINT64_MAX - 10, ENABLE);
    assert_int_equal(armed[0]->deadline, UINT64_MAX);
    fake_timer.now = 5300;
    assert_false(vtimer_line(&vcpu));
}

static void test_interrupt_is_handed_on(void **state)
{
    (void)state;
    vtimer_load(&vcpu);
    vtimer_interrupt(&vcpu);
    assert_int_equal(forwarded, 1);
}

// ---- physical ----

static void test_physical_fires(void **state)
{
    (void)state;
    write_reg(VTIMER_CNTP_CVAL, 4000);
    assert_null(armed[0]);
    write_reg(VTIMER_CNTP_CTL, ENABLE);
    assert_int_equal(armed[0]->deadline, 4000);
    assert_int_equal(read_reg(VTIMER_CNTP_CTL), ENABLE);
    pass_until(4000);
    assert_true(line[VGIC_PPI_PTIMER]);
    assert_int_equal(read_reg(VTIMER_CNTP_CTL), ENABLE | ISTATUS);
    write_reg(VTIMER_CNTP_CTL, ENABLE | IMASK);
    assert_false(line[VGIC_PPI_PTIMER]);
    assert_int_equal(read_reg(VTIMER_CNTP_CTL), ENABLE | IMASK | ISTATUS);
    write_reg(VTIMER_CNTP_CTL, ENABLE);
    assert_true(line[VGIC_PPI_PTIMER]);
    write_reg(VTIMER_CNTP_CVAL, 9000);
    assert_false(line[VGIC_PPI_PTIMER]);
    assert_int_equal(armed[0]->deadline, 9000);
    write_reg(VTIMER_CNTP_CTL, 0);
    assert_null(armed[0]);
    assert_int_equal(read_reg(VTIMER_CNTP_CTL), 0);
}

static void test_physical_value(void **state)
{
    (void)state;
    write_reg(VTIMER_CNTP_TVAL, 500);
    assert_int_equal(read_reg(VTIMER_CNTP_CVAL), 1500);
    fake_timer.now = 1600;
    assert_int_equal(read_reg(VTIMER_CNTP_TVAL), 0xffffff9c); // 32 bits, negative
    write_reg(VTIMER_CNTP_TVAL, 0xfffffffful);
    assert_int_equal(read_reg(VTIMER_CNTP_CVAL), 1599);
    write_reg(VTIMER_CNTP_CTL, 0xfffffffffffffffful);
    assert_int_equal(read_reg(VTIMER_CNTP_CTL), ENABLE | IMASK | ISTATUS);
}

static void test_physical_runs_while_the_vcpu_sleeps(void **state)
{
    (void)state;
    write_reg(VTIMER_CNTP_CVAL, 4000);
    write_reg(VTIMER_CNTP_CTL, ENABLE);
    sleep_with(3000, ENABLE);
    pass_until(3000);
    assert_true(line[VGIC_PPI_VTIMER]);
    assert_false(line[VGIC_PPI_PTIMER]);
    pass_until(4000);
    assert_true(line[VGIC_PPI_PTIMER]);
}

static void test_no_such_register(void **state)
{
    uint64_t value;
    (void)state;
    assert_false(vtimer_sysreg_read(&vcpu, 3, &value));
    assert_false(vtimer_sysreg_write(&vcpu, 7, 0));
}

static void test_reset_turns_all_off(void **state)
{
    (void)state;
    write_reg(VTIMER_CNTP_CVAL, 4000);
    write_reg(VTIMER_CNTP_CTL, ENABLE);
    sleep_with(3000, ENABLE);
    pass_until(3500);
    vtimer_reset(&vcpu);
    assert_null(armed[0]);
    assert_null(armed[1]);
    assert_false(line[VGIC_PPI_VTIMER]);
    assert_int_equal(read_reg(VTIMER_CNTP_CTL), 0);
    vtimer_load(&vcpu);
    assert_int_equal(fake_vtimer.ctl, 0);
}

// ---- the machine's own, of a hardened vCPU ----

static void own_the_timer(void)
{
    vcpu.hardened = true;
    vtimer_init(&vcpu);
    vtimer_load(&vcpu);
    assert_true(fake_vtimer.direct);
}

// As the GIC has it: the PPI comes in, and is active from then on.
static void fire(void)
{
    held = true;
    assert_true(vtimer_physical_interrupt(&vcpu));
}

static void test_own_timer_is_switched(void **state)
{
    (void)state;
    own_the_timer();
    cntp_write_cval(5000);
    cntp_write_ctl(ENABLE);
    vtimer_save(&vcpu);
    assert_false(fake_vtimer.direct);
    assert_int_equal(fake_vtimer.phys_ctl, 0);
    assert_false(line[VGIC_PPI_PTIMER]);
    fake_vtimer.phys_cval = 7;
    vtimer_load(&vcpu);
    assert_int_equal(fake_vtimer.phys_ctl, ENABLE);
    assert_int_equal(fake_vtimer.phys_cval, 5000);
    assert_null(armed[0]);
    assert_null(armed[1]);
}

static void test_own_timer_expires_meanwhile(void **state)
{
    (void)state;
    own_the_timer();
    cntp_write_cval(5000);
    cntp_write_ctl(ENABLE);
    vtimer_save(&vcpu);
    pass_until(4999);
    assert_false(line[VGIC_PPI_PTIMER]);
    pass_until(5000);
    assert_true(line[VGIC_PPI_PTIMER]);
    assert_true(vtimer_physical_still_high(&vcpu));
}

static void test_own_timer_is_held_while_high(void **state)
{
    (void)state;
    own_the_timer();
    cntp_write_cval(500);
    cntp_write_ctl(ENABLE);
    fire();
    assert_true(line[VGIC_PPI_PTIMER]);
    assert_true(vtimer_physical_still_high(&vcpu));
    assert_true(held);
    cntp_write_ctl(ENABLE | IMASK);
    assert_false(vtimer_physical_still_high(&vcpu));
    assert_false(held);
    cntp_write_ctl(ENABLE);
    fire();
    vtimer_save(&vcpu); // the machine's is let go, the line stays
    assert_false(held);
    assert_true(line[VGIC_PPI_PTIMER]);
}

static void test_not_its_timer(void **state)
{
    (void)state;
    vtimer_load(&vcpu);
    assert_false(fake_vtimer.direct);
    assert_false(vtimer_physical_interrupt(&vcpu));
    assert_true(vtimer_physical_still_high(&vcpu));
    vtimer_save(&vcpu);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_own_timer_is_switched),
        TEST(test_own_timer_expires_meanwhile),
        TEST(test_own_timer_is_held_while_high),
        TEST(test_not_its_timer),
        TEST(test_switch_keeps_the_timer),
        TEST(test_virtual_counter_stands_still),
        TEST(test_switch_keeps_the_timer),
        TEST(test_line),
        TEST(test_asleep_it_wakes),
        TEST(test_back_in_time_nothing_is_watched),
        TEST(test_nothing_to_watch),
        TEST(test_far_deadlines_do_not_wrap),
        TEST(test_interrupt_is_handed_on),
        TEST(test_physical_fires),
        TEST(test_physical_value),
        TEST(test_physical_runs_while_the_vcpu_sleeps),
        TEST(test_no_such_register),
        TEST(test_reset_turns_all_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
