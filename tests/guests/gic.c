// SPDX-License-Identifier: Apache-2.0
// What GICv3 and GICv2 of a VM have in common, against Arm IHI 0069 and 0048: what QEMU's `virt`
// gives, with two security states off. What one of them has alone is in gic/.
#include "lib/gic.h"

#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define SPI       70 /* no device of the machine uses it */
#define UART_SPI  33
#define UART_IMSC 0x38
#define UART_RIS  0x3c
#define UART_ICR  0x44
#define UART_TXI  (1u << 5)

static uint32_t dist(uint64_t offset)
{
    return mmio_read32(machine.gicd + offset);
}

TEST(setup)
{
    mmu_on();
    gic_init();
    EXPECT(dist(GICD_CTLR) & (machine.gicc ? GICD_CTLR_GRP0 : GICD_CTLR_GRP1));
}

static void check_bank(unsigned intid, unsigned set, unsigned clear)
{
    gic_bit_write(intid, clear);
    EXPECT(!gic_bit_read(intid, set));
    gic_bit_write(intid, set);
    EXPECT(gic_bit_read(intid, set));
    EXPECT(gic_bit_read(intid, clear));
    mmio_write32(gic_word(intid, set, 32), 0); /* writing zeroes changes nothing */
    mmio_write32(gic_word(intid, clear, 32), 0);
    EXPECT(gic_bit_read(intid, set));
    gic_bit_write(intid, clear);
    EXPECT(!gic_bit_read(intid, set));
    EXPECT(!gic_bit_read(intid, clear));
}

TEST(set_and_clear_registers)
{
    static const uint8_t intids[] = {3, 20, SPI, 95};

    for (unsigned i = 0; i < sizeof(intids); i++) {
        gic_teardown(intids[i]);
        if (intids[i] >= 32) {
            gic_route(intids[i], cpu_mpidr(0)); /* QEMU's GICv2 has nothing pending for nobody */
        }
        if (!machine.gicc || intids[i] >= 16 ||
            strict()) { /* bare QEMU's SGIs of GICv2 are always enabled */
            check_bank(intids[i], GICD_ISENABLER, GICD_ICENABLER);
        }
        check_bank(intids[i], GICD_ISPENDR, GICD_ICPENDR);
        check_bank(intids[i], GICD_ISACTIVER, GICD_ICACTIVER);
    }
}

TEST(priority_bytes_and_words)
{
    uint64_t word = machine.gicd + GICD_IPRIORITYR + (SPI & ~3u);

    mmio_write32(word, 0x80604020);
    EXPECT_EQ(mmio_read8(word), 0x20);
    EXPECT_EQ(mmio_read8(word + 1), 0x40);
    EXPECT_EQ(mmio_read8(word + 3), 0x80);
    mmio_write8(word + 2, 0xf8);
    EXPECT_EQ(mmio_read32(word), 0x80f84020);
    mmio_write32(word, 0xa0a0a0a0);
    mmio_write8(gic_word(27, GICD_IPRIORITYR, 4) + 3, 0x50);
    EXPECT_EQ(mmio_read32(gic_word(27, GICD_IPRIORITYR, 4)) >> 24, 0x50);
}

TEST(trigger_configuration)
{
    gic_set_edge(SPI, true);
    EXPECT_EQ(mmio_read32(gic_word(SPI, GICD_ICFGR, 16)) >> (SPI % 16 * 2) & 2, 2);
    gic_set_edge(SPI, false);
    EXPECT_EQ(mmio_read32(gic_word(SPI, GICD_ICFGR, 16)) >> (SPI % 16 * 2) & 2, 0);
    EXPECT_EQ(mmio_read32(gic_word(0, GICD_ICFGR, 16)) & 0xaaaaaaaa, 0xaaaaaaaa);
    mmio_write32(gic_word(0, GICD_ICFGR, 16), 0); /* SGIs are edge, write ignored */
    EXPECT_EQ(mmio_read32(gic_word(0, GICD_ICFGR, 16)) & 0xaaaaaaaa, 0xaaaaaaaa);
}

TEST(group_register)
{
    gic_set_group1(SPI, true);
    EXPECT(gic_bit_read(SPI, GICD_IGROUPR));
    gic_set_group1(SPI, false);
    EXPECT(!gic_bit_read(SPI, GICD_IGROUPR));
    gic_set_group1(5, true);
    EXPECT(gic_bit_read(5, GICD_IGROUPR));
}

TEST(spurious_when_nothing_is_pending)
{
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    EXPECT_EQ(gic_highest(), GIC_SPURIOUS);
    gic_eoi(GIC_SPURIOUS);
    EXPECT_EQ(gic_running(), 0xff);
}

/* One interrupt's whole life, made pending by software: pending, active, inactive. */
static void check_life(unsigned intid)
{
    EXPECT(!gic_irq_signalled());
    gic_bit_write(intid, GICD_ISPENDR);
    EXPECT(gic_irq_signalled());
    EXPECT(gic_bit_read(intid, GICD_ISPENDR));
    EXPECT_EQ(gic_highest(), intid);
    EXPECT_EQ(gic_ack(), intid);
    EXPECT(!gic_bit_read(intid, GICD_ISPENDR));
    EXPECT(gic_bit_read(intid, GICD_ISACTIVER));
    EXPECT_EQ(gic_running(), GIC_PRIO);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_eoi(intid);
    EXPECT(!gic_bit_read(intid, GICD_ISACTIVER));
    EXPECT_EQ(gic_running(), 0xff);
}

TEST(spi_life)
{
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    check_life(SPI);
    gic_teardown(SPI);
}

TEST(spi_life_of_a_level_interrupt)
{
    gic_setup(SPI);
    gic_set_edge(SPI, false);
    check_life(SPI);
    gic_teardown(SPI);
}

TEST(ppi_life)
{
    gic_setup(20);
    check_life(20);
    gic_teardown(20);
}

TEST(sgi_life_by_register)
{
    gic_setup(3);
    check_life(3);
    gic_teardown(3);
}

TEST(sgi_to_self)
{
    for (unsigned sgi = 0; sgi < 16; sgi++) {
        gic_setup(sgi);
        gic_send_sgi(sgi, 1);
        EXPECT_EQ(gic_poll(), sgi);
        gic_eoi(sgi);
        gic_teardown(sgi);
    }
}

TEST(disabled_interrupt_stays_pending)
{
    SKIP_UNLESS(!machine.gicc || strict(), "bare QEMU's SGIs of GICv2 are always enabled");
    gic_setup(4);
    gic_bit_write(4, GICD_ICENABLER);
    gic_send_sgi(4, 1);
    delay_us(1000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    EXPECT(gic_bit_read(4, GICD_ISPENDR));
    gic_bit_write(4, GICD_ISENABLER);
    EXPECT_EQ(gic_poll(), 4);
    gic_eoi(4);
    gic_teardown(4);
}

TEST(pending_taken_back)
{
    gic_setup(SPI);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(gic_irq_signalled());
    gic_bit_write(SPI, GICD_ICPENDR);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(gic_irq_signalled());
    gic_bit_write(SPI, GICD_ICENABLER);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(SPI);
}

TEST(distributor_off_holds_all)
{
    gic_setup(SPI);
    mmio_write32(machine.gicd + GICD_CTLR, 0);
    gic_bit_write(SPI, GICD_ISPENDR);
    delay_us(1000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_init();
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    gic_teardown(SPI);
}

TEST(interface_group_enable)
{
    gic_setup(SPI);
    gic_open(false);
    EXPECT(!gic_is_open());
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(!gic_irq_signalled());
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_open(true);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    gic_teardown(SPI);
}

TEST(priority_mask)
{
    gic_setup(SPI);
    gic_set_mask(GIC_PRIO);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(!gic_irq_signalled());
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_set_mask(GIC_PRIO + 8);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    gic_set_mask(0xff);
    gic_teardown(SPI);
}

TEST(preemption_by_priority)
{
    gic_setup(SPI);
    gic_setup(SPI + 1);
    gic_setup(2);
    gic_set_priority(SPI + 1, 0x40);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(gic_poll(), SPI);
    gic_send_sgi(2, 1); /* same priority: waits */
    EXPECT(!gic_irq_signalled());
    gic_bit_write(SPI + 1, GICD_ISPENDR);
    EXPECT(gic_irq_signalled());
    EXPECT_EQ(gic_poll(), SPI + 1);
    EXPECT_EQ(gic_running(), 0x40);
    gic_eoi(SPI + 1);
    EXPECT_EQ(gic_running(), GIC_PRIO);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_eoi(SPI);
    EXPECT_EQ(gic_poll(), 2);
    gic_eoi(2);
    EXPECT_EQ(gic_running(), 0xff);
    gic_teardown(SPI);
    gic_teardown(SPI + 1);
    gic_teardown(2);
}

/* A binary point that leaves no group bits to 0xa0 against 0xb8 and 0x40 against 0xa0. */
TEST(binary_point_limits_preemption)
{
    gic_setup(SPI);
    gic_setup(SPI + 1);
    gic_set_priority(SPI, 0xb8);
    gic_set_binary_point(5);
    EXPECT_EQ(gic_binary_point(), 5);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(gic_poll(), SPI);
    gic_bit_write(SPI + 1, GICD_ISPENDR); /* 0xa0: the same group of 64 */
    EXPECT(!gic_irq_signalled());
    gic_set_priority(SPI + 1, 0x40);
    EXPECT(gic_irq_signalled());
    EXPECT_EQ(gic_poll(), SPI + 1);
    gic_eoi(SPI + 1);
    gic_eoi(SPI);
    gic_set_binary_point(0);
    gic_teardown(SPI);
    gic_teardown(SPI + 1);
}

TEST(eoimode_one_splits_drop_and_deactivate)
{
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_split_eoi(true);
    EXPECT(gic_splits_eoi());
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    EXPECT_EQ(gic_running(), 0xff);
    EXPECT(gic_bit_read(SPI, GICD_ISACTIVER));
    gic_bit_write(SPI, GICD_ISPENDR); /* active and pending: not signalled again */
    EXPECT(!gic_irq_signalled());
    gic_dir(SPI);
    EXPECT(!gic_bit_read(SPI, GICD_ISACTIVER));
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    gic_dir(SPI);
    EXPECT(!gic_bit_read(SPI, GICD_ISACTIVER));
    gic_split_eoi(false);
    gic_teardown(SPI);
}

TEST(active_set_by_register)
{
    gic_setup(SPI);
    gic_bit_write(SPI, GICD_ISACTIVER);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(!gic_irq_signalled());
    gic_bit_write(SPI, GICD_ICACTIVER);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    gic_teardown(SPI);
}

TEST(pending_again_while_active)
{
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(gic_poll(), SPI);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(gic_bit_read(SPI, GICD_ISPENDR));
    EXPECT(gic_bit_read(SPI, GICD_ISACTIVER));
    gic_eoi(SPI);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(SPI);
}

/* The UART's transmit interrupt is a level the payload can raise and drop. */
TEST(level_follows_its_line)
{
    gic_setup(UART_SPI);
    gic_set_edge(UART_SPI, false);
    print("(level)\n");
    EXPECT(mmio_read32(machine.uart + UART_RIS) & UART_TXI);
    EXPECT(!gic_bit_read(UART_SPI, GICD_ISPENDR));
    mmio_write32(machine.uart + UART_IMSC, UART_TXI);
    EXPECT(gic_irq_signalled());
    EXPECT(gic_bit_read(UART_SPI, GICD_ISPENDR));
    mmio_write32(machine.uart + UART_IMSC, 0); /* dropped before it was taken */
    EXPECT(!gic_bit_read(UART_SPI, GICD_ISPENDR));
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(UART_SPI);
}

TEST(level_still_high_fires_again)
{
    gic_setup(UART_SPI);
    gic_set_edge(UART_SPI, false);
    mmio_write32(machine.uart + UART_IMSC, UART_TXI);
    EXPECT_EQ(gic_poll(), UART_SPI);
    gic_eoi(UART_SPI);
    EXPECT_EQ(gic_poll(), UART_SPI);
    mmio_write32(machine.uart + UART_IMSC, 0);
    gic_eoi(UART_SPI);
    delay_us(1000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(UART_SPI);
}

/* Software's pending latch holds a level interrupt pending after its line has dropped. */
TEST(level_latched_by_software)
{
    gic_setup(UART_SPI);
    gic_set_edge(UART_SPI, false);
    gic_bit_write(UART_SPI, GICD_ISPENDR);
    mmio_write32(machine.uart + UART_IMSC, UART_TXI);
    mmio_write32(machine.uart + UART_IMSC, 0);
    EXPECT_EQ(gic_poll(), UART_SPI);
    gic_eoi(UART_SPI);
    delay_us(1000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(UART_SPI);
}

/* More than any GIC has list registers, in order of priority. */
TEST(many_pending_in_priority_order)
{
    for (unsigned i = 0; i < 20; i++) {
        gic_setup(SPI + i);
        gic_set_edge(SPI + i, true);
        gic_set_priority(SPI + i, (uint8_t)(0xb0 - i * 8));
        gic_bit_write(SPI + i, GICD_ISPENDR);
    }
    for (unsigned i = 20; i-- > 0;) {
        EXPECT_EQ(gic_poll(), SPI + i);
        gic_eoi(SPI + i);
    }
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    for (unsigned i = 0; i < 20; i++) {
        gic_teardown(SPI + i);
    }
}

/* The same with every interrupt active at once: EOImode 1, then deactivated in another order. */
TEST(many_active_deactivated_out_of_order)
{
    gic_split_eoi(true);
    for (unsigned i = 0; i < 12; i++) {
        gic_setup(SPI + i);
        gic_set_edge(SPI + i, true);
        gic_bit_write(SPI + i, GICD_ISPENDR);
        EXPECT_EQ(gic_poll(), SPI + i);
        gic_eoi(SPI + i);
    }
    for (unsigned i = 0; i < 12; i++) {
        EXPECT(gic_bit_read(SPI + i, GICD_ISACTIVER));
    }
    for (unsigned i = 0; i < 12; i++) {
        unsigned intid = SPI + i * 5 % 12;

        gic_dir(intid);
        EXPECT(!gic_bit_read(intid, GICD_ISACTIVER));
    }
    gic_split_eoi(false);
    for (unsigned i = 0; i < 12; i++) {
        gic_teardown(SPI + i);
    }
}

static volatile unsigned taken;
static volatile unsigned taken_count;

static void count_irq(void)
{
    unsigned intid = gic_ack();

    taken = intid;
    if (intid != GIC_SPURIOUS) {
        taken_count = taken_count + 1;
        gic_eoi(intid);
    }
}

TEST(taken_as_exception)
{
    taken_count = 0;
    exc_set_irq(count_irq);
    gic_setup(6);
    irq_enable();
    for (unsigned i = 1; i <= 100; i++) {
        gic_send_sgi(6, 1);
        EXPECT(wait_for(taken_count == i, 200000));
        EXPECT_EQ(taken, 6);
    }
    irq_disable();
    gic_teardown(6);
    exc_set_irq(NULL);
}

/* Two CPUs. The second counts what it takes until told to stop. */

static volatile bool other_ready, other_stop;
static volatile unsigned other_count, other_last;

static void other_irq(void)
{
    unsigned intid = gic_ack();

    if (intid != GIC_SPURIOUS) {
        other_last = intid;
        other_count = other_count + 1;
        gic_eoi(intid);
    }
}

static void other_main(uint64_t sgi)
{
    gic_init();
    exc_set_irq(other_irq);
    gic_setup((unsigned)sgi);
    other_ready = true;
    irq_enable();
    while (!other_stop) {
        wfi();
    }
    irq_disable();
}

static bool other_start(unsigned sgi)
{
    other_ready = other_stop = false;
    other_count = other_last = 0;
    return cpu_start(1, other_main, sgi) == 0 && wait_for(other_ready, 2000000);
}

static bool other_finish(unsigned sgi)
{
    other_stop = true;
    gic_send_sgi(sgi, 2);
    return cpu_join(1);
}

TEST(sgi_to_another_cpu)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(other_start(7));
    for (unsigned i = 1; i <= 100; i++) {
        gic_send_sgi(7, 2);
        EXPECT(wait_for(other_count == i, 1000000));
    }
    EXPECT_EQ(other_last, 7);
    EXPECT(other_finish(7));
}

TEST(sgi_to_all_but_self)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    gic_setup(7);
    EXPECT(other_start(7));
    gic_send_sgi_others(7);
    EXPECT(wait_for(other_count == 1, 1000000));
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    EXPECT(other_finish(7));
    gic_teardown(7);
}

TEST(sgi_to_several)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    gic_setup(7);
    EXPECT(other_start(7));
    gic_send_sgi(7, 3);
    EXPECT_EQ(gic_poll(), 7);
    gic_eoi(7);
    EXPECT(wait_for(other_count == 1, 1000000));
    EXPECT(other_finish(7));
    gic_teardown(7);
}

TEST(spi_routed_to_another_cpu)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(other_start(7));
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_route(SPI, cpu_mpidr(1));
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(wait_for(other_count == 1, 1000000));
    EXPECT_EQ(other_last, SPI);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    EXPECT(wait_for(!gic_bit_read(SPI, GICD_ISACTIVER), 1000000));
    gic_route(SPI, cpu_mpidr(0));
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    EXPECT_EQ(other_count, 1);
    EXPECT(other_finish(7));
    gic_teardown(SPI);
}

TEST(pending_spi_follows_its_route)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(other_start(7));
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_bit_write(SPI, GICD_ISPENDR); /* pending here, interrupts masked */
    EXPECT(gic_irq_signalled());
    gic_route(SPI, cpu_mpidr(1));
    EXPECT(wait_for(other_count == 1, 1000000));
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    EXPECT(other_finish(7));
    gic_teardown(SPI);
}

/* One CPU may change another's private interrupts through its redistributor. */
TEST(other_redistributor)
{
    uint64_t frame = gicr_base(1) + GICR_SGI;

    SKIP_UNLESS(!machine.gicc, "GICv2");
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(other_start(7));
    EXPECT(mmio_read32(frame + GICD_ISENABLER) & 1u << 7);
    mmio_write32(frame + GICD_ISPENDR, 1u << 7);
    EXPECT(wait_for(other_count == 1, 1000000));
    mmio_write32(frame + GICD_ICENABLER, 1u << 7);
    gic_send_sgi(7, 2);
    delay_us(2000);
    EXPECT_EQ(other_count, 1);
    mmio_write32(frame + GICD_ISENABLER, 1u << 7);
    EXPECT(wait_for(other_count == 2, 1000000));
    EXPECT(other_finish(7));
}

TEST(interrupts_beyond_the_last_are_ignored)
{
    unsigned lines = ((dist(GICD_TYPER) & 0x1f) + 1) * 32;

    SKIP_UNLESS(lines < 1020, "every INTID is there");
    mmio_write32(machine.gicd + GICD_ISENABLER + lines / 8, ~0u);
    EXPECT_EQ(dist(GICD_ISENABLER + lines / 8), 0);
    mmio_write32(machine.gicd + GICD_IPRIORITYR + lines, ~0u);
    EXPECT_EQ(dist(GICD_IPRIORITYR + lines), 0);
}
