// SPDX-License-Identifier: Apache-2.0
// GICv2 (IHI 0048): everything by memory, and eight CPUs at most. Interrupts stay in the group that
// they have at reset: it is what the Non-secure view calls group 1, or else group 0 by IRQ.
#include "arch/gic_bits.h"
#include "arch/gicv2.h"
#include "cpu/percpu.h"
#include "irq/gic_driver.h"
#include "lib/error.h"
#include "lib/log.h"

enum {
    GICD_ITARGETSR = 0x0800,
    GICD_CPENDSGIR = 0x0f10,
    GICC_IIDR = 0x00fc,
};

#define GICC_CTLR_ENABLE  BIT(0)
#define GICC_CTLR_BYPASS  MASK(8, 5) // who drives IRQ and FIQ when the interface is off: firmware's
#define GICC_CTLR_EOIMODE BIT(9)
#define SGIR_OTHERS       (UINT32_C(1) << 24)

// QEMU's (10.0, hw/intc/arm_gic.c), a GICv2 of Arm's without a product number: GICV_EOIR looks for
// what the virtual interface has to signal, and not for what the physical one has.
#define IIDR_QEMU 0x0002043bu

static uint64_t cpu_interface(uint32_t offset)
{
    return gic_config()->cpu_interface.v + offset;
}

static void route_spi(uint32_t intid, unsigned cpu)
{
    uint64_t reg = gic_dist(GICD_ITARGETSR + (intid & ~3u));
    uint32_t shift = intid % 4 * 8;
    uint32_t mask = (uint32_t)gic_sgi_targets[cpu] >> 16 & 0xff;
    mmio_write32(reg, (mmio_read32(reg) & ~(UINT32_C(0xff) << shift)) | mask << shift);
}

// The bit of this CPU's interface: what its own ITARGETSR say, but for an implementation of one
// CPU, where they read as zero.
static uint32_t own_mask(void)
{
    uint32_t mask = 0;
    for (unsigned n = 0; n < 32 && mask == 0; n += 4) {
        uint32_t word = mmio_read32(gic_dist(GICD_ITARGETSR + n));
        mask = (word | word >> 8 | word >> 16 | word >> 24) & 0xff;
    }
    return mask;
}

static int learn_target(void)
{
    uint32_t mask = own_mask();
    bool alone = (mmio_read32(gic_dist(GICD_TYPER)) >> 5 & 7) == 0;
    if (mask == 0 && !alone) {
        log_warn("GIC: CPU %u has no interface", this_cpu()->id);
        return ERR_NOENT;
    }
    gic_sgi_targets[this_cpu()->id] = SGI_BY_GICD | (alone ? 1u : mask) << 16;
    return 0;
}

static int init(void)
{
    int err = learn_target();
    if (err) {
        return err;
    }
    mmio_write32(gic_dist(GICD_CTLR), 0);
    gic_reset_spis(GIC_GROUP0);
    mmio_write32(gic_dist(GICD_CTLR), 1);
    return 0;
}

static void enable_interface(void)
{
    uint32_t bypass = mmio_read32(cpu_interface(GICC_CTLR)) & (uint32_t)GICC_CTLR_BYPASS;
    mmio_write32(gic_config()->hyp_interface.v + GICH_HCR, 0);
    mmio_write32(cpu_interface(GICC_PMR), 0xff);
    mmio_write32(cpu_interface(GICC_BPR), 0);
    mmio_write32(cpu_interface(GICC_CTLR),
                 bypass | (uint32_t)(GICC_CTLR_EOIMODE | GICC_CTLR_ENABLE));
}

static int init_cpu(void)
{
    int err = learn_target();
    if (err) {
        return err;
    }
    mmio_write32(gic_dist(GICD_ICENABLER), ~0u);
    for (unsigned n = 0; n < 16; n += 4) {
        mmio_write32(gic_dist(GICD_CPENDSGIR + n), ~0u);
    }
    gic_reset_private(gic_dist(0), GIC_GROUP0);
    enable_interface();
    if (!(mmio_read32(cpu_interface(GICC_CTLR)) & GICC_CTLR_EOIMODE)) {
        log_warn("GIC: the interface of CPU %u has no EOI mode 1", this_cpu()->id);
        return ERR_UNSUPPORTED;
    }
    return 0;
}

static void send_sgi_others(uint32_t sgi)
{
    gicd_write_sgir(gic_config()->dist.v, SGIR_OTHERS | sgi);
}

static void set_ppi_active(uint32_t intid, bool active)
{
    mmio_write32(gic_dist(active ? GICD_ISACTIVER : GICD_ICACTIVER), UINT32_C(1) << intid);
}

static bool forgets_level(void)
{
    bool qemus = mmio_read32(cpu_interface(GICC_IIDR)) == IIDR_QEMU;
    if (qemus) {
        log_info("GIC: QEMU's GICv2: the end of a guest's timer interrupt exits");
    }
    return qemus;
}

const struct gic_driver gic_v2 = {
    .init = init,
    .init_cpu = init_cpu,
    .route_spi = route_spi,
    .send_sgi_others = send_sgi_others,
    .set_ppi_active = set_ppi_active,
    .forgets_level = forgets_level,
};
