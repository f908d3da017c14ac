// SPDX-License-Identifier: Apache-2.0
// GICv2 alone (Arm IHI 0048): banked words, targets a byte an interrupt, SGIs with their sender,
// the CPU interface in memory.
#include "lib/gic.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define SPI 80
#define SGI 9
#define PPI 20

#define SGIR_LIST   (0u << 24)
#define SGIR_OTHERS (1u << 24)
#define SGIR_SELF   (2u << 24)
#define SGIR_NONE   (3u << 24) /* reserved */

static uint32_t dist(uint64_t offset)
{
    return mmio_read32(machine.gicd + offset);
}

static uint32_t gicc(uint64_t offset)
{
    return mmio_read32(machine.gicc + offset);
}

static void set_gicc(uint64_t offset, uint32_t value)
{
    mmio_write32(machine.gicc + offset, value);
    dsb();
}

static void send(uint32_t sgir)
{
    dsb();
    mmio_write32(machine.gicd + GICD_SGIR, sgir);
}

TEST(v2_identification)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    EXPECT_EQ(dist(GIC_V2_PIDR2) >> 4 & 0xf, 2);
    EXPECT_EQ(gicc(GICC_IIDR) >> 16 & 0xf, 2);
    EXPECT_EQ(gicc(GICC_IIDR) & 0xfff, 0x43b); /* Arm's */
    EXPECT_EQ((dist(GICD_TYPER) >> 5 & 7) + 1, machine.cpus);
    EXPECT_EQ(dist(GICD_TYPER) >> 10 & 1, 0); /* SecurityExtn */
}

TEST(v2_distributor_control)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    for (uint32_t enables = 0; enables < 4; enables++) {
        mmio_write32(machine.gicd + GICD_CTLR, ~3u | enables);
        EXPECT_EQ(dist(GICD_CTLR), enables);
    }
    gic_init();
}

TEST(v2_reserved_space_reads_as_zero)
{
    static const uint16_t offsets[] = {0x00c, 0x020, 0xe00, 0xf04, 0xf30};

    SKIP_UNLESS(machine.gicc, "GICv3");
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        mmio_write32(machine.gicd + offsets[i], ~0u);
        EXPECT_EQ(dist(offsets[i]), 0);
    }
}

TEST(v2_targets)
{
    uint32_t all = (1u << machine.cpus) - 1;

    SKIP_UNLESS(machine.gicc, "GICv3");
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    mmio_write32(machine.gicd + GICD_ITARGETSR + SPI, strict() ? ~0u : all * 0x01010101u);
    EXPECT_EQ(dist(GICD_ITARGETSR + SPI), all * 0x01010101u); /* CPUs that are there */
    mmio_write8(machine.gicd + GICD_ITARGETSR + SPI + 2, 2);
    EXPECT_EQ(mmio_read8(machine.gicd + GICD_ITARGETSR + SPI + 2), 2);
    EXPECT_EQ(dist(GICD_ITARGETSR + SPI), (all * 0x01010101u & 0xff00ffff) | 0x20000);
    mmio_write32(machine.gicd + GICD_ITARGETSR + SPI, 0);
    EXPECT_EQ(dist(GICD_ITARGETSR + SPI), 0);
    mmio_write32(machine.gicd + GICD_ITARGETSR, 0x02020202); /* SGIs': read-only */
    EXPECT_EQ(dist(GICD_ITARGETSR), 0x01010101);
    EXPECT_EQ(dist(GICD_ITARGETSR + 28), 0x01010101);
}

TEST(v2_target_nobody)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    SKIP_UNLESS(cpu_count() >= 2, "one CPU: it is always the target");
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    mmio_write8(machine.gicd + GICD_ITARGETSR + SPI, 0);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(!gic_irq_signalled());
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_route(SPI, cpu_mpidr(0));
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    gic_teardown(SPI);
}

TEST(v2_sgi_filters)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    gic_setup(SGI);
    send(SGIR_SELF | 0xff << 16 | SGI); /* the list does not count */
    EXPECT_EQ(gic_poll(), SGI);
    gic_eoi(SGI);
    send(SGIR_LIST | SGI);
    send(SGIR_LIST | 2 << 16 | SGI);
    send(SGIR_OTHERS | 1 << 16 | SGI);
    if (strict()) { /* bare QEMU takes it for a list */
        send(SGIR_NONE | 1 << 16 | SGI);
    }
    delay_us(1000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    send(SGIR_LIST | 1 << 16 | SGI);
    EXPECT_EQ(gic_poll(), SGI);
    gic_eoi(SGI);
    gic_teardown(SGI);
}

TEST(v2_sgi_pending_registers)
{
    uint64_t set = machine.gicd + GICD_SPENDSGIR + SGI;
    uint64_t clear = machine.gicd + GICD_CPENDSGIR + SGI;

    SKIP_UNLESS(machine.gicc, "GICv3");
    gic_setup(SGI);
    mmio_write8(set, 1);
    EXPECT_EQ(mmio_read8(set), 1);
    EXPECT_EQ(mmio_read8(clear), 1);
    EXPECT_EQ(mmio_read32(set & ~3ul), 1u << SGI % 4 * 8);
    EXPECT(gic_bit_read(SGI, GICD_ISPENDR));
    mmio_write32(machine.gicd + GICD_ICPENDR, 1u << SGI); /* read-only for SGIs */
    EXPECT(gic_bit_read(SGI, GICD_ISPENDR));
    mmio_write8(clear, 1);
    EXPECT_EQ(mmio_read8(set), 0);
    EXPECT(!gic_bit_read(SGI, GICD_ISPENDR));
    mmio_write32(machine.gicd + GICD_ISPENDR, 1u << SGI);
    EXPECT(!gic_bit_read(SGI, GICD_ISPENDR));
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(SGI);
}

/* The same SGI from each CPU: pending once a sender, and IAR says whose. */
TEST(v2_sgi_of_several_senders)
{
    uint32_t seen = 0;

    SKIP_UNLESS(machine.gicc, "GICv3");
    SKIP_UNLESS(cpu_count() >= 3, "less than three CPUs");
    gic_setup(SGI);
    mmio_write8(machine.gicd + GICD_SPENDSGIR + SGI, 7);
    EXPECT_EQ(mmio_read8(machine.gicd + GICD_SPENDSGIR + SGI), 7);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t iar;

        EXPECT(gic_irq_signalled());
        iar = gicc(GICC_IAR);
        EXPECT_EQ(iar & 0x3ff, SGI);
        EXPECT_EQ(mmio_read8(machine.gicd + GICD_SPENDSGIR + SGI) >> (iar >> 10) & 1, 0);
        seen |= 1u << (iar >> 10);
        set_gicc(GICC_EOIR, iar);
    }
    EXPECT_EQ(seen, 7);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    gic_teardown(SGI);
}

static void send_to_first(uint64_t unused)
{
    (void)unused;
    send(SGIR_LIST | 1 << 16 | SGI);
}

TEST(v2_sgi_from_another_cpu)
{
    uint32_t iar;

    SKIP_UNLESS(machine.gicc, "GICv3");
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    gic_setup(SGI);
    EXPECT_EQ(cpu_start(1, send_to_first, 0), PSCI_SUCCESS);
    EXPECT(cpu_join(1));
    EXPECT_EQ(mmio_read8(machine.gicd + GICD_SPENDSGIR + SGI), 2);
    EXPECT_EQ(gicc(GICC_HPPIR) & 0x3ff, SGI); /* QEMU leaves the sender out */
    iar = gicc(GICC_IAR);
    EXPECT_EQ(iar, 1u << 10 | SGI);
    set_gicc(GICC_EOIR, iar);
    EXPECT(!gic_bit_read(SGI, GICD_ISACTIVER));
    gic_teardown(SGI);
}

/* ---- banked: what another CPU sees at the same addresses ---- */

static volatile uint32_t other_targets, other_enabled, other_pending, other_priority;

static void read_banks(uint64_t unused)
{
    (void)unused;
    other_targets = dist(GICD_ITARGETSR);
    other_enabled = dist(GICD_ISENABLER) >> PPI & 1;
    other_pending = dist(GICD_ISPENDR) >> PPI & 1;
    other_priority = mmio_read8(machine.gicd + GICD_IPRIORITYR + PPI);
    mmio_write8(machine.gicd + GICD_IPRIORITYR + PPI, 0x30);
    gic_bit_write(PPI + 1, GICD_ISENABLER);
}

TEST(v2_private_words_are_banked)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    gic_teardown(PPI + 1);
    gic_setup(PPI);
    gic_set_priority(PPI, 0x50);
    gic_bit_write(PPI, GICD_ISPENDR);
    EXPECT_EQ(cpu_start(1, read_banks, 0), PSCI_SUCCESS);
    EXPECT(cpu_join(1));
    EXPECT_EQ(other_targets, 0x02020202);
    EXPECT_EQ(other_enabled, 0);
    EXPECT_EQ(other_pending, 0);
    EXPECT(other_priority != 0x50);
    EXPECT_EQ(mmio_read8(machine.gicd + GICD_IPRIORITYR + PPI), 0x50);
    EXPECT(!gic_bit_read(PPI + 1, GICD_ISENABLER));
    EXPECT_EQ(gic_poll(), PPI);
    gic_eoi(PPI);
    gic_teardown(PPI);
}

/* ---- the CPU interface ---- */

/* A bit a preemption level: up to 128 of them in four registers. */
static uint32_t any_active_priority(void)
{
    return gicc(GICC_APR) | gicc(GICC_APR + 4) | gicc(GICC_APR + 8) | gicc(GICC_APR + 12);
}

TEST(v2_spurious)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    EXPECT_EQ(gicc(GICC_IAR), GIC_SPURIOUS);
    EXPECT_EQ(gicc(GICC_HPPIR), GIC_SPURIOUS);
    set_gicc(GICC_EOIR, GIC_SPURIOUS);
    EXPECT_EQ(gicc(GICC_RPR), 0xff);
    EXPECT_EQ(any_active_priority(), 0);
}

TEST(v2_priority_mask_register)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    set_gicc(GICC_PMR, 0x58);
    EXPECT_EQ(gicc(GICC_PMR), 0x58); /* 32 priorities at least */
    gic_setup(SPI);
    gic_set_priority(SPI, 0x58);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(gicc(GICC_IAR), GIC_SPURIOUS);
    set_gicc(GICC_PMR, 0x60);
    EXPECT_EQ(gic_poll(), SPI);
    gic_eoi(SPI);
    set_gicc(GICC_PMR, 0xff);
    gic_teardown(SPI);
}

TEST(v2_active_priorities)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT_EQ(any_active_priority(), 0);
    EXPECT_EQ(gic_poll(), SPI);
    EXPECT(any_active_priority() != 0);
    gic_eoi(SPI);
    EXPECT_EQ(any_active_priority(), 0);
    gic_teardown(SPI);
}

/* EOImode: dropped by EOIR, and active until DIR, with the sender of an SGI in both. */
TEST(v2_deactivation_of_an_sgi)
{
    uint32_t iar;

    SKIP_UNLESS(machine.gicc, "GICv3");
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    gic_setup(SGI);
    gic_split_eoi(true);
    mmio_write8(machine.gicd + GICD_SPENDSGIR + SGI, 2);
    EXPECT(gic_irq_signalled());
    iar = gicc(GICC_IAR);
    EXPECT_EQ(iar, 1u << 10 | SGI);
    set_gicc(GICC_EOIR, iar);
    EXPECT_EQ(gicc(GICC_RPR), 0xff);
    EXPECT(gic_bit_read(SGI, GICD_ISACTIVER));
    set_gicc(GICC_DIR, iar);
    EXPECT(!gic_bit_read(SGI, GICD_ISACTIVER));
    gic_split_eoi(false);
    gic_teardown(SGI);
}

/* With AckCtl 0 IAR says no more of group 1 than 1022. */
TEST(v2_group_one)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    mmio_write32(machine.gicd + GICD_CTLR, GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    set_gicc(GICC_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_GRP1);
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_set_group1(SPI, true);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(gic_irq_signalled());
    EXPECT_EQ(gicc(GICC_IAR), GIC_SPURIOUS - 1);
    EXPECT_EQ(gicc(GICC_HPPIR), GIC_SPURIOUS - 1);
    set_gicc(GICC_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_GRP1 | GICC_CTLR_ACKCTL);
    EXPECT_EQ(gicc(GICC_IAR), SPI);
    set_gicc(GICC_EOIR, SPI);
    EXPECT(!gic_bit_read(SPI, GICD_ISACTIVER));
    EXPECT_EQ(gicc(GICC_IAR), GIC_SPURIOUS);
    gic_set_group1(SPI, false);
    gic_teardown(SPI);
    gic_init();
}

static volatile unsigned taken;

static void take_fiq(void)
{
    taken = gic_ack();
    gic_eoi(taken);
}

TEST(v2_group_zero_is_fiq)
{
    SKIP_UNLESS(machine.gicc, "GICv3");
    taken = 0;
    exc_set_fiq(take_fiq);
    set_gicc(GICC_CTLR, GICC_CTLR_GRP0 | GICC_CTLR_FIQEN);
    gic_setup(SPI);
    gic_set_edge(SPI, true);
    gic_bit_write(SPI, GICD_ISPENDR);
    EXPECT(wait_for(read_sysreg(isr_el1) & 0x40, 200000));
    EXPECT(!gic_irq_signalled());
    __asm__ volatile("msr daifclr, #1" ::: "memory");
    EXPECT(wait_for(taken == SPI, 200000));
    __asm__ volatile("msr daifset, #1" ::: "memory");
    gic_teardown(SPI);
    gic_init();
    exc_set_fiq(NULL);
}
