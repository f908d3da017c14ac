// SPDX-License-Identifier: Apache-2.0
// GICv3 alone (Arm IHI 0069): redistributors, affinity routing, groups by system registers.
#include "lib/gic.h"
#include "lib/test.h"
#include "lib/timer.h"

#define SPI 70

static uint32_t dist(uint64_t offset)
{
    return mmio_read32(machine.gicd + offset);
}

static volatile unsigned taken, taken_count;

TEST(identification)
{
    uint32_t typer = dist(GICD_TYPER);
    unsigned lines = ((typer & 0x1f) + 1) * 32;

    SKIP_UNLESS(!machine.gicc, "GICv2");
    EXPECT_EQ(dist(GIC_PIDR2) >> 4 & 0xf, 3);
    EXPECT_EQ(mmio_read32(gicr_base(0) + GIC_PIDR2) >> 4 & 0xf, 3);
    EXPECT(lines >= 96 && lines <= 1024);
    EXPECT((typer >> 19 & 0x1f) + 1 >= 10); /* IDbits hold every SPI */
    EXPECT_EQ(typer >> 10 & 1, 0);          /* SecurityExtn: one security state */
}

TEST(identification_of_redistributors)
{
    unsigned cpus = cpu_count();

    SKIP_UNLESS(!machine.gicc, "GICv2");
    for (unsigned i = 0; i < cpus; i++) {
        uint64_t typer = mmio_read64(gicr_base(i) + GICR_TYPER);

        EXPECT_EQ(typer >> 32, cpu_mpidr(i));
        EXPECT_EQ(typer >> 8 & 0xffff, i);
        EXPECT_EQ(typer >> 4 & 1, machine.cpus == i + 1);
        EXPECT_EQ(mmio_read32(gicr_base(i) + GICR_TYPER), typer & 0xffffffff);
        EXPECT_EQ(mmio_read32(gicr_base(i) + GICR_TYPER + 4), typer >> 32);
    }
}

TEST(distributor_control)
{
    uint32_t ctlr = dist(GICD_CTLR);

    SKIP_UNLESS(!machine.gicc, "GICv2");
    EXPECT(ctlr & GICD_CTLR_ARE);
    EXPECT(ctlr & GICD_CTLR_DS);
    EXPECT(!(ctlr & GICD_CTLR_RWP));
    mmio_write32(machine.gicd + GICD_CTLR, 0);
    EXPECT_EQ(dist(GICD_CTLR) & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1), 0);
    EXPECT(dist(GICD_CTLR) & GICD_CTLR_ARE); /* affinity routing is read as one, write ignored */
    mmio_write32(machine.gicd + GICD_CTLR, ctlr);
    EXPECT_EQ(dist(GICD_CTLR), ctlr);
}

TEST(redistributor_sleep)
{
    uint64_t waker = gicr_base(0) + GICR_WAKER;

    SKIP_UNLESS(!machine.gicc, "GICv2");
    mmio_write32(waker, 2);
    EXPECT(wait_for((mmio_read32(waker) & 6) == 6, 100000));
    mmio_write32(waker, 0);
    EXPECT(wait_for((mmio_read32(waker) & 6) == 0, 100000));
}

TEST(reserved_space_reads_as_zero)
{
    SKIP_UNLESS(!machine.gicc, "GICv2");
    EXPECT_EQ(dist(0x000c), 0);
    mmio_write32(machine.gicd + 0x000c, ~0u);
    EXPECT_EQ(dist(0x000c), 0);
    EXPECT_EQ(mmio_read32(gicr_base(0) + GICR_SGI + 0xe00), 0);
}

/* With affinity routing the distributor's own words for SGIs and PPIs are RES0. */
TEST(private_words_of_the_distributor)
{
    static const uint16_t banks[] = {GICD_IGROUPR, GICD_ISENABLER, GICD_ICENABLER, GICD_ISPENDR,
                                     GICD_ICPENDR, GICD_ISACTIVER, GICD_ICACTIVER};

    SKIP_UNLESS(!machine.gicc, "GICv2");
    for (unsigned i = 0; i < sizeof(banks) / sizeof(banks[0]); i++) {
        mmio_write32(machine.gicd + banks[i], ~0u);
        EXPECT_EQ(dist(banks[i]), 0);
    }
    mmio_write32(machine.gicd + GICD_IPRIORITYR, 0xa0a0a0a0);
    EXPECT_EQ(dist(GICD_IPRIORITYR), 0);
}

TEST(routing_register)
{
    uint64_t reg = machine.gicd + GICD_IROUTER + SPI * 8;

    SKIP_UNLESS(!machine.gicc, "GICv2");
    mmio_write64(reg, 1);
    EXPECT_EQ(mmio_read64(reg), 1);
    EXPECT_EQ(mmio_read32(reg), 1);
    mmio_write32(reg, 0);
    EXPECT_EQ(mmio_read64(reg), 0);
    mmio_write64(reg, 1ul << 31); /* any participating CPU */
    EXPECT_EQ(mmio_read64(reg), 1ul << 31);
    EXPECT_EQ(mmio_read32(reg + 4), 0);
    mmio_write64(reg, 0);
}

TEST(sgi_to_nobody)
{
    SKIP_UNLESS(!machine.gicc, "GICv2");
    gic_setup(1);
    write_sysreg(icc_sgi1r_el1, 1ul << 24 | 1ul << 16 | 1); /* Aff1 = 1 */
    write_sysreg(icc_sgi1r_el1, 1ul << 24);                 /* an empty list */
    write_sysreg(icc_sgi1r_el1, 1ul << 24 | 1ul << 40);     /* all but self, when alone */
    delay_us(1000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(1);
}

static void take_fiq(void)
{
    taken = (unsigned)read_sysreg(icc_iar0_el1);
    write_sysreg(icc_eoir0_el1, taken);
    taken_count = taken_count + 1;
}

TEST(group_zero_is_fiq)
{
    SKIP_UNLESS(!machine.gicc, "GICv2");
    taken_count = 0;
    exc_set_fiq(take_fiq);
    mmio_write32(machine.gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    write_sysreg(icc_igrpen0_el1, 1);
    gic_setup(SPI);
    gic_set_group1(SPI, false);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(wait_for(read_sysreg(isr_el1) & 0x40, 200000));
    EXPECT(gic_ack() >= 1020); /* not for group 1's register */
    __asm__ volatile("msr daifclr, #1" ::: "memory");
    EXPECT(wait_for(taken_count == 1, 200000));
    __asm__ volatile("msr daifset, #1" ::: "memory");
    EXPECT_EQ(taken, SPI);
    write_sysreg(icc_igrpen0_el1, 0);
    gic_teardown(SPI);
    gic_init();
    exc_set_fiq(NULL);
}

/* More pending than list registers of a group that is off, and of the one that is on. */
TEST(group_zero_alone)
{
    SKIP_UNLESS(!machine.gicc, "GICv2");
    mmio_write32(machine.gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    write_sysreg(icc_igrpen1_el1, 0);
    write_sysreg(icc_igrpen0_el1, 1);
    for (unsigned i = 0; i < 24; i++) {
        gic_setup(SPI + i);
        gic_set_group1(SPI + i, i % 2);
        gic_bit_write(SPI + i, GICD_ISPENDR);
    }
    for (unsigned i = 0; i < 24; i += 2) {
        EXPECT(wait_for(read_sysreg(isr_el1) & 0x40, 200000));
        EXPECT_EQ(read_sysreg(icc_iar0_el1), SPI + i);
        write_sysreg(icc_eoir0_el1, SPI + i);
    }
    EXPECT(read_sysreg(icc_iar0_el1) >= GIC_SPURIOUS - 3);
    for (unsigned i = 0; i < 24; i++) {
        gic_teardown(SPI + i);
    }
    gic_init();
}
