// SPDX-License-Identifier: Apache-2.0
// Waiting: WFI ends at an interrupt, masked or not, and never later; WFE and YIELD come back by
// themselves.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define SCTLR_NTWI (1ul << 16)

TEST(setup)
{
    mmu_on();
    gic_init();
}

static void arm_timer(uint64_t us)
{
    gic_setup(TIMER_VIRT_PPI);
    write_sysreg(cntv_cval_el0, timer_now() + timer_us(us));
    write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
}

static void take_timer(void)
{
    EXPECT_EQ(gic_poll(), TIMER_VIRT_PPI);
    write_sysreg(cntv_ctl_el0, 0);
    gic_eoi(TIMER_VIRT_PPI);
    gic_teardown(TIMER_VIRT_PPI);
}

/* Masked: the CPU goes on behind the WFI with the interrupt still pending. */
TEST(masked_interrupt_wakes)
{
    uint64_t start = timer_now();

    arm_timer(20000);
    while (timer_now() - start < timer_us(20000)) {
        wfi();
    }
    take_timer();
    EXPECT(timer_now() - start < timer_us(2000000));
}

TEST(physical_timer_wakes)
{
    uint64_t due = read_sysreg(cntpct_el0) + timer_us(20000);

    gic_setup(TIMER_PHYS_PPI);
    write_sysreg(cntp_cval_el0, due);
    write_sysreg(cntp_ctl_el0, TIMER_ENABLE);
    while (read_sysreg(cntpct_el0) < due) {
        wfi();
    }
    EXPECT_EQ(gic_poll(), TIMER_PHYS_PPI);
    write_sysreg(cntp_ctl_el0, 0);
    gic_eoi(TIMER_PHYS_PPI);
    gic_teardown(TIMER_PHYS_PPI);
}

TEST(pending_interrupt_does_not_wait)
{
    uint64_t start;

    gic_setup(1);
    gic_send_sgi(1, 1);
    EXPECT(gic_irq_signalled());
    start = timer_now();
    for (unsigned i = 0; i < 100; i++) {
        wfi();
    }
    EXPECT(timer_now() - start < timer_us(500000));
    EXPECT_EQ(gic_poll(), 1);
    gic_eoi(1);
    gic_teardown(1);
}

static volatile unsigned woken;

static void on_irq(void)
{
    unsigned intid = gic_ack();

    if (intid == TIMER_VIRT_PPI) {
        write_sysreg(cntv_ctl_el0, 0);
    }
    if (intid != GIC_SPURIOUS) {
        woken = woken + 1;
        gic_eoi(intid);
    }
}

TEST(taken_interrupt_wakes)
{
    exc_set_irq(on_irq);
    for (unsigned i = 0; i < 20; i++) {
        woken = 0;
        arm_timer(2000);
        irq_enable();
        while (!woken) {
            wfi();
        }
        irq_disable();
        EXPECT_EQ(woken, 1);
    }
    gic_teardown(TIMER_VIRT_PPI);
    exc_set_irq(NULL);
}

/* Two CPUs wake each other in turn: a lost wake-up would hang here. */
#define ROUNDS 500
static volatile unsigned ping, pong;

static void ponger(uint64_t unused)
{
    (void)unused;
    gic_init();
    gic_setup(2);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        while (ping != i) {
            unsigned intid;

            wfi();
            intid = gic_ack();
            if (intid != GIC_SPURIOUS) {
                gic_eoi(intid);
            }
        }
        pong = i;
        gic_send_sgi(2, 1);
    }
    gic_teardown(2);
}

TEST(two_cpus_wake_each_other)
{
    uint64_t limit = timer_now() + timer_us(20000000);

    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    ping = pong = 0;
    gic_setup(2);
    EXPECT_EQ(cpu_start(1, ponger, 0), PSCI_SUCCESS);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        ping = i;
        gic_send_sgi(2, 2);
        while (pong != i) {
            unsigned intid;

            EXPECT(timer_now() < limit);
            wfi();
            intid = gic_ack();
            if (intid != GIC_SPURIOUS) {
                gic_eoi(intid);
            }
        }
    }
    EXPECT(cpu_join(1));
    gic_teardown(2);
}

TEST(wfe_and_yield_come_back)
{
    uint64_t start = timer_now();

    __asm__ volatile("sev" ::: "memory");
    for (unsigned i = 0; i < 100; i++) {
        __asm__ volatile("sev\n\twfe\n\tyield" ::: "memory");
    }
    EXPECT(timer_now() - start < timer_us(1000000));
}

static void el0_wfi(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("wfi");
}

/* EL1's own trap of EL0's WFI comes before any hypervisor's. */
TEST(wfi_at_el0)
{
    struct exc_info info;
    uint64_t sctlr = read_sysreg(sctlr_el1);

    write_sysreg(sctlr_el1, sctlr & ~SCTLR_NTWI);
    EXPECT(el0_exception(&info, el0_wfi, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_WFX);
    write_sysreg(sctlr_el1, sctlr | SCTLR_NTWI);
    gic_setup(1);
    gic_send_sgi(1, 1);
    EXPECT(gic_irq_signalled());
    EXPECT(!el0_exception(&info, el0_wfi, 0));
    EXPECT_EQ(gic_poll(), 1);
    gic_eoi(1);
    gic_teardown(1);
    write_sysreg(sctlr_el1, sctlr);
}
