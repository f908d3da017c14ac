// SPDX-License-Identifier: Apache-2.0
#include "lib/gic.h"

#include "lib/cpu.h"
#include "lib/timer.h"

#define WAKER_SLEEP    (1u << 1)
#define WAKER_CHILDREN (1u << 2)

static void wait_rwp(void)
{
    wait_for(!(mmio_read32(machine.gicd + GICD_CTLR) & GICD_CTLR_RWP), 100000);
}

void gic_init(void)
{
    uint64_t rd = gicr_base(cpu_index());

    mmio_write32(machine.gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1);
    wait_rwp();
    mmio_write32(rd + GICR_WAKER, mmio_read32(rd + GICR_WAKER) & ~WAKER_SLEEP);
    wait_for(!(mmio_read32(rd + GICR_WAKER) & WAKER_CHILDREN), 100000);
    write_sysreg(icc_sre_el1, read_sysreg(icc_sre_el1) | 1);
    write_sysreg(icc_pmr_el1, 0xff);
    write_sysreg(icc_bpr1_el1, 0);
    write_sysreg(icc_ctlr_el1, 0);
    write_sysreg(icc_igrpen1_el1, 1);
}

uint64_t gic_word(unsigned intid, unsigned bank, unsigned per_word)
{
    uint64_t base = intid < 32 ? gicr_base(cpu_index()) + GICR_SGI : machine.gicd;

    return base + bank + (intid / per_word) * 4ul;
}

void gic_bit_write(unsigned intid, unsigned bank)
{
    mmio_write32(gic_word(intid, bank, 32), 1u << (intid % 32));
    wait_rwp();
}

bool gic_bit_read(unsigned intid, unsigned bank)
{
    return mmio_read32(gic_word(intid, bank, 32)) >> (intid % 32) & 1;
}

void gic_set_priority(unsigned intid, uint8_t priority)
{
    mmio_write8(gic_word(intid, GICD_IPRIORITYR, 4) + intid % 4, priority);
}

void gic_set_edge(unsigned intid, bool edge)
{
    uint64_t reg = gic_word(intid, GICD_ICFGR, 16);
    uint32_t bit = 2u << (intid % 16 * 2);
    uint32_t value = mmio_read32(reg);

    mmio_write32(reg, edge ? value | bit : value & ~bit);
}

void gic_set_group1(unsigned intid, bool group1)
{
    uint64_t reg = gic_word(intid, GICD_IGROUPR, 32);
    uint32_t bit = 1u << (intid % 32);
    uint32_t value = mmio_read32(reg);

    mmio_write32(reg, group1 ? value | bit : value & ~bit);
}

void gic_route(unsigned intid, uint64_t mpidr)
{
    mmio_write64(machine.gicd + GICD_IROUTER + intid * 8ul, mpidr);
}

void gic_setup(unsigned intid)
{
    gic_teardown(intid);
    gic_set_group1(intid, true);
    gic_set_priority(intid, GIC_PRIO);
    if (intid >= 32) {
        gic_route(intid, cpu_mpidr(cpu_index()));
    }
    gic_bit_write(intid, GICD_ISENABLER);
}

void gic_teardown(unsigned intid)
{
    gic_bit_write(intid, GICD_ICENABLER);
    gic_bit_write(intid, GICD_ICACTIVER);
    gic_bit_write(intid, GICD_ICPENDR);
}

void gic_send_sgi(unsigned sgi, uint16_t targets)
{
    dsb();
    write_sysreg(icc_sgi1r_el1, (uint64_t)sgi << 24 | targets);
}

unsigned gic_poll(void)
{
    unsigned intid = GIC_SPURIOUS;

    wait_for((intid = gic_ack()) != GIC_SPURIOUS, 200000);
    return intid;
}

bool gic_irq_signalled(void)
{
    return wait_for(read_sysreg(isr_el1) & 0x80, 1000);
}
