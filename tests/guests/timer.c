// SPDX-License-Identifier: Apache-2.0
// The virtual and the physical generic timer of a VM (Arm ARM, D12).
#include "lib/timer.h"

#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"

/* The same tests serve both timers. */
struct timer {
    unsigned ppi;
    uint64_t (*count)(void);
    uint64_t (*ctl)(void);
    void (*set_ctl)(uint64_t);
    uint64_t (*cval)(void);
    void (*set_cval)(uint64_t);
    uint64_t (*tval)(void);
    void (*set_tval)(uint64_t);
};

#define DEFINE_TIMER(kind, counter, irq)           \
    static uint64_t kind##_count(void)             \
    {                                              \
        isb();                                     \
        return read_sysreg(counter);               \
    }                                              \
    static uint64_t kind##_ctl(void)               \
    {                                              \
        return read_sysreg(cnt##kind##_ctl_el0);   \
    }                                              \
    static void kind##_set_ctl(uint64_t value)     \
    {                                              \
        write_sysreg(cnt##kind##_ctl_el0, value);  \
    }                                              \
    static uint64_t kind##_cval(void)              \
    {                                              \
        return read_sysreg(cnt##kind##_cval_el0);  \
    }                                              \
    static void kind##_set_cval(uint64_t value)    \
    {                                              \
        write_sysreg(cnt##kind##_cval_el0, value); \
    }                                              \
    static uint64_t kind##_tval(void)              \
    {                                              \
        return read_sysreg(cnt##kind##_tval_el0);  \
    }                                              \
    static void kind##_set_tval(uint64_t value)    \
    {                                              \
        write_sysreg(cnt##kind##_tval_el0, value); \
    }                                              \
    static const struct timer kind##_timer = {     \
        .ppi = irq,                                \
        .count = kind##_count,                     \
        .ctl = kind##_ctl,                         \
        .set_ctl = kind##_set_ctl,                 \
        .cval = kind##_cval,                       \
        .set_cval = kind##_set_cval,               \
        .tval = kind##_tval,                       \
        .set_tval = kind##_set_tval,               \
    }

DEFINE_TIMER(v, cntvct_el0, TIMER_VIRT_PPI);
DEFINE_TIMER(p, cntpct_el0, TIMER_PHYS_PPI);

#define TEST_BOTH(name)                              \
    static void check_##name(const struct timer *t); \
    TEST(virtual_##name)                             \
    {                                                \
        check_##name(&v_timer);                      \
    }                                                \
    TEST(physical_##name)                            \
    {                                                \
        check_##name(&p_timer);                      \
    }                                                \
    static void check_##name(const struct timer *t)

TEST(setup)
{
    mmu_on();
    gic_init();
    EXPECT(read_sysreg(cntfrq_el0) >= 1000000);
}

TEST_BOTH(counter_is_monotonic)
{
    uint64_t last = t->count();

    for (unsigned i = 0; i < 10000; i++) {
        uint64_t now = t->count();

        EXPECT(now >= last);
        last = now;
    }
    EXPECT(wait_for(t->count() > last, 100000));
}

TEST(counters_keep_their_distance)
{
    uint64_t first = p_timer.count() - v_timer.count();

    delay_us(20000);
    EXPECT(p_timer.count() - v_timer.count() - first + timer_us(10000) < timer_us(20000));
}

TEST_BOTH(control_bits)
{
    t->set_ctl(0);
    EXPECT_EQ(t->ctl() & 3, 0);
    t->set_cval(~0ul);
    t->set_ctl(TIMER_ENABLE | TIMER_IMASK);
    EXPECT_EQ(t->ctl(), TIMER_ENABLE | TIMER_IMASK);
    t->set_cval(0);
    EXPECT(wait_for(t->ctl() == (TIMER_ENABLE | TIMER_IMASK | TIMER_ISTATUS), 100000));
    t->set_cval(~0ul);
    EXPECT(wait_for(t->ctl() == (TIMER_ENABLE | TIMER_IMASK), 100000));
    t->set_ctl(0);
}

TEST_BOTH(value_and_comparator_agree)
{
    uint64_t before, after, cval;

    t->set_ctl(0);
    before = t->count();
    t->set_tval(1000000);
    cval = t->cval();
    after = t->count();
    EXPECT(cval >= before + 1000000 && cval <= after + 1000000);
    t->set_cval(t->count() + 5000000);
    EXPECT((int32_t)t->tval() <= 5000000 && (int32_t)t->tval() > 0);
    t->set_tval((uint64_t)-1000000); /* signed: in the past */
    EXPECT(t->cval() < t->count());
    t->set_cval(0x123456789abcdef);
    EXPECT_EQ(t->cval(), 0x123456789abcdef);
}

TEST_BOTH(fires_not_before_its_time)
{
    uint64_t due;
    unsigned early;

    gic_setup(t->ppi);
    due = t->count() + timer_us(5000);
    t->set_cval(due);
    t->set_ctl(TIMER_ENABLE);
    early = gic_ack(); /* unless this CPU was away for that long */
    EXPECT_EQ(early == GIC_SPURIOUS ? gic_poll() : early, t->ppi);
    EXPECT(t->count() >= due);
    EXPECT(t->ctl() & TIMER_ISTATUS);
    t->set_ctl(0);
    gic_eoi(t->ppi);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(t->ppi);
}

/* The timer is a level: still due after EOI, it fires again; moved on, it does not. */
TEST_BOTH(level)
{
    gic_setup(t->ppi);
    t->set_cval(0);
    t->set_ctl(TIMER_ENABLE);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(gic_poll(), t->ppi);
        gic_eoi(t->ppi);
    }
    EXPECT_EQ(gic_poll(), t->ppi);
    t->set_cval(~0ul);
    gic_eoi(t->ppi);
    delay_us(2000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    t->set_ctl(0);
    gic_teardown(t->ppi);
}

TEST_BOTH(masked_stays_quiet)
{
    gic_setup(t->ppi);
    t->set_cval(0);
    t->set_ctl(TIMER_ENABLE | TIMER_IMASK);
    delay_us(2000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    t->set_ctl(TIMER_ENABLE);
    EXPECT_EQ(gic_poll(), t->ppi);
    t->set_ctl(TIMER_ENABLE | TIMER_IMASK);
    gic_eoi(t->ppi);
    delay_us(2000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    t->set_ctl(0);
    gic_teardown(t->ppi);
}

/* Taken back before it was acknowledged, with interrupts masked all the time. */
TEST_BOTH(withdrawn)
{
    gic_setup(t->ppi);
    t->set_cval(0);
    t->set_ctl(TIMER_ENABLE);
    EXPECT(wait_for(gic_irq_signalled(), 5000000));
    EXPECT(gic_bit_read(t->ppi, GICD_ISPENDR));
    t->set_ctl(0);
    delay_us(2000);
    /* In a VM the timer's registers do not trap: that it is withdrawn is seen when somebody looks.
     */
    EXPECT(!gic_bit_read(t->ppi, GICD_ISPENDR));
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(t->ppi);
}

/* Pending while the interrupt is disabled at the GIC; seen once enabled. */
TEST_BOTH(disabled_at_the_gic)
{
    gic_setup(t->ppi);
    gic_bit_write(t->ppi, GICD_ICENABLER);
    t->set_cval(0);
    t->set_ctl(TIMER_ENABLE);
    delay_us(2000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    EXPECT(gic_bit_read(t->ppi, GICD_ISPENDR));
    gic_bit_write(t->ppi, GICD_ISENABLER);
    EXPECT_EQ(gic_poll(), t->ppi);
    t->set_ctl(0);
    gic_eoi(t->ppi);
    gic_teardown(t->ppi);
}

static const struct timer *ticking;
static volatile unsigned ticks[CPU_MAX];
static volatile unsigned strays;
static uint64_t period;

static void tick(void)
{
    unsigned intid = gic_ack();

    if (intid == ticking->ppi) {
        ticks[cpu_index()] = ticks[cpu_index()] + 1;
        ticking->set_cval(ticking->cval() + period);
        gic_eoi(intid);
    } else if (intid != GIC_SPURIOUS) {
        strays = strays + 1;
        gic_eoi(intid);
    }
}

static void tick_100(uint64_t unused)
{
    unsigned self = cpu_index();

    (void)unused;
    gic_init();
    ticks[self] = 0;
    exc_set_irq(tick);
    gic_setup(ticking->ppi);
    ticking->set_cval(ticking->count() + period);
    ticking->set_ctl(TIMER_ENABLE);
    irq_enable();
    wait_for(ticks[self] >= 100, 5000000);
    irq_disable();
    ticking->set_ctl(0);
    exc_set_irq(NULL);
    gic_teardown(ticking->ppi);
}

TEST_BOTH(hundred_ticks)
{
    uint64_t start = t->count();

    ticking = t;
    strays = 0;
    period = timer_us(1000);
    tick_100(0);
    EXPECT(ticks[0] >= 100);
    EXPECT(t->count() - start >= 100 * period);
    EXPECT_EQ(strays, 0);
}

TEST_BOTH(ticks_on_every_cpu)
{
    unsigned cpus = cpu_count();

    SKIP_UNLESS(cpus >= 2, "one CPU");
    ticking = t;
    period = timer_us(1000);
    for (unsigned i = 1; i < cpus; i++) {
        EXPECT_EQ(cpu_start(i, tick_100, 0), PSCI_SUCCESS);
    }
    tick_100(0);
    for (unsigned i = 1; i < cpus; i++) {
        EXPECT(cpu_join(i));
    }
    for (unsigned i = 0; i < cpus; i++) {
        EXPECT(ticks[i] >= 100);
    }
}

TEST(both_at_once)
{
    unsigned seen = 0;

    gic_setup(TIMER_VIRT_PPI);
    gic_setup(TIMER_PHYS_PPI);
    v_timer.set_cval(v_timer.count() + timer_us(2000));
    p_timer.set_cval(p_timer.count() + timer_us(3000));
    v_timer.set_ctl(TIMER_ENABLE);
    p_timer.set_ctl(TIMER_ENABLE);
    for (unsigned i = 0; i < 2; i++) {
        unsigned intid = gic_poll();

        EXPECT(intid == TIMER_VIRT_PPI || intid == TIMER_PHYS_PPI);
        seen |= intid == TIMER_VIRT_PPI ? 1 : 2;
        (intid == TIMER_VIRT_PPI ? v_timer : p_timer).set_ctl(0);
        gic_eoi(intid);
    }
    EXPECT_EQ(seen, 3);
    gic_teardown(TIMER_VIRT_PPI);
    gic_teardown(TIMER_PHYS_PPI);
}

static volatile uint64_t handoff[2];

static void read_counter(uint64_t unused)
{
    (void)unused;
    handoff[1] = timer_now();
}

TEST(counter_is_the_same_on_every_cpu)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    for (unsigned i = 0; i < 5; i++) {
        handoff[0] = timer_now();
        EXPECT_EQ(cpu_start(1, read_counter, 0), PSCI_SUCCESS);
        EXPECT(cpu_join(1));
        EXPECT(handoff[1] >= handoff[0]);
        EXPECT(timer_now() >= handoff[1]);
    }
}

static void el0_read_virtual(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("mrs x1, cntvct_el0" ::: "x1");
}

static void el0_write_timer(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("msr cntv_ctl_el0, xzr");
}

TEST(el0_access_is_the_kernels_choice)
{
    struct exc_info info;

    write_sysreg(cntkctl_el1, 2); /* EL0VCTEN alone */
    EXPECT(!el0_exception(&info, el0_read_virtual, 0));
    EXPECT(el0_exception(&info, el0_write_timer, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_SYSREG);
    write_sysreg(cntkctl_el1, 0);
    EXPECT(el0_exception(&info, el0_read_virtual, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_SYSREG);
    write_sysreg(cntkctl_el1, 1 << 8); /* EL0VTEN */
    EXPECT(!el0_exception(&info, el0_write_timer, 0));
    write_sysreg(cntkctl_el1, 0);
}
