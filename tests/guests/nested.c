// SPDX-License-Identifier: Apache-2.0
// A system that uses the GIC as a real-time kernel does and Linux does not: handlers that are
// interrupted by more urgent ones, the priority mask as a lock, EOI mode 1 with threads that
// deactivate later and elsewhere, SPIs handed round all CPUs.
#include "lib/gic.h"

#include "lib/mmu.h"
#include "lib/test.h"
#include "lib/timer.h"

#define SPI     70
#define LEVELS  12 /* more than QEMU's list registers, each active at once */
#define ROUNDS  40
#define STOPPER 1 /* the SGI that ends the other CPUs */

static volatile unsigned depth, deepest;
static volatile unsigned begun[LEVELS], ended[LEVELS], order[LEVELS], finished;
static volatile bool wrong;

static uint8_t priority_of(unsigned level)
{
    return (uint8_t)(0xd0 - level * 0x10);
}

static void settle(void)
{
    dsb();
    isb();
    delay_us(200);
}

/* Each raises the next more urgent one, which interrupts it, and a less urgent one, which waits. */
static void nesting_irq(void)
{
    unsigned intid = gic_ack();
    unsigned level = intid - SPI;

    if (intid == GIC_SPURIOUS) {
        return;
    }
    gic_eoi(intid); /* EOI mode 1: but for the running priority it stays active */
    write_sysreg(icc_pmr_el1, priority_of(level));
    begun[level] = begun[level] + 1;
    depth = depth + 1;
    deepest = depth > deepest ? depth : deepest;
    irq_enable();
    if (level + 1 < LEVELS) {
        unsigned before = begun[level + 1];
        gic_bit_write(intid + 1, GICD_ISPENDR);
        wrong |= !wait_for(begun[level + 1] == before + 1, 200000);
    }
    irq_disable();
    order[finished] = level;
    finished = finished + 1;
    ended[level] = ended[level] + 1;
    depth = depth - 1;
    gic_dir(intid);
    write_sysreg(icc_pmr_el1, level == 0 ? 0xff : priority_of(level - 1));
}

static void set_up_levels(void)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        gic_setup(SPI + i);
        gic_set_edge(SPI + i, true);
        gic_set_priority(SPI + i, priority_of(i));
        begun[i] = ended[i] = 0;
    }
    depth = deepest = finished = 0;
    wrong = false;
}

static void tear_down_levels(void)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        gic_teardown(SPI + i);
    }
    exc_set_irq(NULL);
    gic_init();
}

TEST(setup)
{
    mmu_on();
    gic_init();
}

/* The mask keeps order where the running priority has been dropped. */
TEST(handlers_nest_by_mask)
{
    set_up_levels();
    write_sysreg(icc_ctlr_el1, 2);
    exc_set_irq(nesting_irq);
    irq_enable();
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(wait_for(ended[0] == 1, 2000000));
    irq_disable();
    EXPECT(!wrong);
    EXPECT_EQ(deepest, LEVELS);
    for (unsigned i = 0; i < LEVELS; i++) {
        EXPECT_EQ(order[i], LEVELS - 1 - i);
        EXPECT_EQ(ended[i], 1);
        EXPECT(!gic_bit_read(SPI + i, GICD_ISACTIVER));
    }
    tear_down_levels();
}

/* EOI mode 0: the running priority alone keeps order, and priorities are given back in reverse. */
static void preempting_irq(void)
{
    unsigned intid = gic_ack();
    unsigned level = intid - SPI;

    if (intid == GIC_SPURIOUS) {
        return;
    }
    depth = depth + 1;
    deepest = depth > deepest ? depth : deepest;
    begun[level] = begun[level] + 1;
    wrong |= read_sysreg(icc_rpr_el1) != priority_of(level);
    if (level + 1 < LEVELS) {
        unsigned before = begun[level + 1];
        irq_enable();
        gic_bit_write(intid + 1, GICD_ISPENDR);
        wrong |= !wait_for(begun[level + 1] == before + 1, 200000);
        irq_disable();
    }
    wrong |= read_sysreg(icc_rpr_el1) != priority_of(level);
    order[finished] = level;
    finished = finished + 1;
    depth = depth - 1;
    gic_eoi(intid);
}

TEST(handlers_nest_by_running_priority)
{
    set_up_levels();
    exc_set_irq(preempting_irq);
    irq_enable();
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(wait_for(finished == LEVELS, 2000000));
    irq_disable();
    EXPECT(!wrong);
    EXPECT_EQ(deepest, LEVELS);
    EXPECT_EQ(read_sysreg(icc_rpr_el1), 0xff);
    tear_down_levels();
}

/* A critical section by the mask: what is below waits, what is above comes. */
TEST(mask_as_a_lock)
{
    set_up_levels();
    exc_set_irq(preempting_irq);
    irq_enable();
    write_sysreg(icc_pmr_el1, priority_of(LEVELS - 2));
    gic_bit_write(SPI + LEVELS - 2, GICD_ISPENDR);
    settle();
    EXPECT_EQ(finished, 0);
    gic_bit_write(SPI + LEVELS - 1, GICD_ISPENDR);
    EXPECT(wait_for(begun[LEVELS - 1] == 1, 200000));
    EXPECT_EQ(begun[LEVELS - 2], 0);
    write_sysreg(icc_pmr_el1, 0xff);
    EXPECT(wait_for(begun[LEVELS - 2] == 1, 200000));
    EXPECT(wait_for(depth == 0, 200000));
    irq_disable();
    EXPECT(!wrong);
    tear_down_levels();
}

/* ---- all CPUs ---- */

static volatile unsigned taken_by[CPU_MAX], last_by[CPU_MAX];
static volatile bool ready[CPU_MAX], stop, deactivates;

static void sharing_irq(void)
{
    unsigned intid = gic_ack();
    unsigned cpu = cpu_index();

    if (intid == GIC_SPURIOUS) {
        return;
    }
    gic_eoi(intid);
    if (intid == STOPPER || deactivates) {
        gic_dir(intid);
    }
    if (intid != STOPPER) {
        last_by[cpu] = intid;
        taken_by[cpu] = taken_by[cpu] + 1;
    }
}

static void sharer(uint64_t unused)
{
    (void)unused;
    gic_init();
    write_sysreg(icc_ctlr_el1, 2);
    exc_set_irq(sharing_irq);
    gic_setup(STOPPER);
    ready[cpu_index()] = true;
    irq_enable();
    while (!stop) {
        wfi();
    }
    irq_disable();
}

static void start_sharers(bool deactivate)
{
    stop = false;
    deactivates = deactivate;
    write_sysreg(icc_ctlr_el1, 2);
    exc_set_irq(sharing_irq);
    for (unsigned i = 0; i < cpu_count(); i++) {
        taken_by[i] = last_by[i] = 0;
        ready[i] = false;
        if (i != 0) {
            EXPECT_EQ(cpu_start(i, sharer, 0), 0);
            EXPECT(wait_for(ready[i], 2000000));
        }
    }
    irq_enable();
}

static void stop_sharers(void)
{
    stop = true;
    for (unsigned i = 1; i < cpu_count(); i++) {
        gic_send_sgi(STOPPER, (uint16_t)(1u << i));
        EXPECT(cpu_join(i));
    }
    irq_disable();
    exc_set_irq(NULL);
    gic_teardown(SPI);
    gic_init();
}

/* Round and round: the CPU that it is routed to takes it, and no other. */
TEST(spi_to_every_cpu_in_turn)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    start_sharers(true);
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned to = i % cpu_count();
        unsigned before = taken_by[to];
        gic_route(SPI, cpu_mpidr(to));
        gic_bit_write(SPI, GICD_ISPENDR);
        EXPECT(wait_for(taken_by[to] == before + 1, 1000000));
        EXPECT_EQ(last_by[to], SPI);
    }
    for (unsigned i = 0, sum = 0; i < cpu_count(); i++) {
        sum += taken_by[i];
        EXPECT(i + 1 < cpu_count() || sum == ROUNDS);
    }
    stop_sharers();
}

/* Taken on one CPU, raised again and routed to the next: not signalled there until somebody
 * deactivates it, who is never the one that took it. */
TEST(active_state_goes_round)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    start_sharers(false);
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_route(SPI, cpu_mpidr(1));
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(wait_for(taken_by[1] == 1, 1000000));
    for (unsigned i = 1; i < ROUNDS; i++) {
        unsigned to = 1 + i % (cpu_count() - 1);
        unsigned before = taken_by[to];
        gic_route(SPI, cpu_mpidr(to));
        gic_bit_write(SPI, GICD_ISPENDR);
        settle();
        EXPECT_EQ(taken_by[to], before);
        EXPECT(gic_bit_read(SPI, GICD_ISACTIVER));
        EXPECT(gic_bit_read(SPI, GICD_ISPENDR));
        gic_dir(SPI); /* this CPU's, for what another one has active */
        EXPECT(wait_for(taken_by[to] == before + 1, 1000000));
    }
    gic_dir(SPI);
    EXPECT(!gic_bit_read(SPI, GICD_ISACTIVER));
    stop_sharers();
}

/* The same ended by a write to the distributor, and made active by one. */
TEST(active_state_by_register)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    start_sharers(true);
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_route(SPI, cpu_mpidr(1));
    gic_bit_write(SPI, GICD_ISACTIVER);
    gic_bit_write(SPI, GICD_ISPENDR);
    settle();
    EXPECT_EQ(taken_by[1], 0);
    gic_bit_write(SPI, GICD_ICACTIVER);
    EXPECT(wait_for(taken_by[1] == 1, 1000000));
    stop_sharers();
}
