// SPDX-License-Identifier: Apache-2.0
#include "lib/gic.h"

#include "lib/cpu.h"
#include "lib/timer.h"

uint64_t gic_word(unsigned intid, unsigned bank, unsigned per_word)
{
    bool redistributor = !machine.gicc && intid < 32;
    uint64_t base = redistributor ? gicr_base(cpu_index()) + GICR_SGI : machine.gicd;

    return base + bank + (intid / per_word) * 4ul;
}

void gic_bit_write(unsigned intid, unsigned bank)
{
    bool sgi = machine.gicc && intid < 16;

    if (sgi && bank == GICD_ISPENDR) {
        mmio_write8(machine.gicd + GICD_SPENDSGIR + intid, (uint8_t)(1u << cpu_index()));
    } else if (sgi && bank == GICD_ICPENDR) {
        mmio_write8(machine.gicd + GICD_CPENDSGIR + intid, 0xff);
    } else {
        mmio_write32(gic_word(intid, bank, 32), 1u << (intid % 32));
    }
    gic_face()->sync();
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

void gic_setup(unsigned intid)
{
    gic_teardown(intid);
    gic_set_group1(intid, !machine.gicc);
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

unsigned gic_poll(void)
{
    unsigned intid = GIC_SPURIOUS;

    wait_for((intid = gic_ack()) != GIC_SPURIOUS, 2000000);
    return intid;
}

bool gic_irq_signalled(void)
{
    return wait_for(read_sysreg(isr_el1) & 0x80, 1000);
}
