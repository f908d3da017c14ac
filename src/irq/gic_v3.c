// SPDX-License-Identifier: Apache-2.0
// GICv3 (IHI 0069): affinity routing, redistributors, the CPU interface by system registers.
#include "irq/gic_driver.h"

#include "arch/gic.h"
#include "arch/sysreg_bits.h"
#include "cpu/percpu.h"
#include "irq/gic_rdist.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/log.h"

enum {
    GICD_IROUTER = 0x6000,
    GIC_PIDR2 = 0xffe8,
    GICR_CTLR = 0x0000,
    GICR_WAKER = 0x0014,
    GICR_SGI = 0x10000,
};

#define CTLR_RWP     BIT(31) // GICD
#define RCTLR_RWP    BIT(3)
#define CTLR_ARE_NS  BIT(4)
#define CTLR_ENABLE1 (BIT(0) | BIT(1)) // one of them is non-secure group 1, whichever view EL2 has
#define WAKER_SLEEP  BIT(1)
#define WAKER_ASLEEP BIT(2)

static bool is_gicv3(uint64_t base)
{
    uint32_t revision = mmio_read32(base + GIC_PIDR2) >> 4 & 0xf;
    return revision == 3 || revision == 4;
}

static void route_spi(uint32_t intid, unsigned cpu)
{
    mmio_write64(gic_dist(GICD_IROUTER + 8 * intid), percpus[cpu].mpidr & MPIDR_AFFINITY);
}

static int check(const struct gic_config *c)
{
    if (c->dist_size < 0x10000 || c->rdist_count == 0 || c->rdist_count > GIC_MAX_RDIST) {
        log_warn("GIC: no distributor or redistributor frame of the right size");
        return ERR_INVALID;
    }
    if (!is_gicv3(c->dist.v)) {
        log_warn("GIC: the distributor at 0x%lx is no GICv3", (unsigned long)c->dist.v);
        return ERR_UNSUPPORTED;
    }
    if (!icc_present()) {
        log_warn("GIC: the CPU has no system register interface to it");
        return ERR_UNSUPPORTED;
    }
    return 0;
}

static int init(void)
{
    int err = check(gic_config());
    if (err) {
        return err;
    }
    mmio_write32(gic_dist(GICD_CTLR), 0);
    if (!gic_wait_clear(gic_dist(GICD_CTLR), CTLR_RWP)) {
        log_warn("GIC: the distributor does not answer");
        return ERR_TIMEOUT;
    }
    mmio_write32(gic_dist(GICD_CTLR),
                 CTLR_ARE_NS); // before anything that depends on affinity routing
    (void)gic_wait_clear(gic_dist(GICD_CTLR), CTLR_RWP);
    gic_reset_spis(GIC_GROUP1);
    mmio_write32(gic_dist(GICD_CTLR), CTLR_ARE_NS | CTLR_ENABLE1);
    (void)gic_wait_clear(gic_dist(GICD_CTLR), CTLR_RWP);
    return 0;
}

// ---- a CPU's redistributor ----

static bool wake_redistributor(uint64_t gicr)
{
    mmio_write32(gicr + GICR_WAKER, mmio_read32(gicr + GICR_WAKER) & ~(uint32_t)WAKER_SLEEP);
    return gic_wait_clear(gicr + GICR_WAKER, WAKER_ASLEEP);
}

static void reset_private(uint64_t gicr)
{
    mmio_write32(gicr + GICR_SGI + GICD_ICENABLER, ~0u);
    (void)gic_wait_clear(gicr + GICR_CTLR, RCTLR_RWP);
    gic_reset_private(gicr + GICR_SGI, GIC_GROUP1);
}

static int init_cpu(void)
{
    struct percpu *cpu = this_cpu();
    cpu->gicr = gic_find_rdist(gic_config(), cpu->mpidr);
    if (cpu->gicr == 0 || !is_gicv3(cpu->gicr)) {
        log_warn("GIC: CPU %u has no redistributor", cpu->id);
        return ERR_NOENT;
    }
    if (!wake_redistributor(cpu->gicr)) {
        log_warn("GIC: CPU %u's redistributor does not wake", cpu->id);
        return ERR_TIMEOUT;
    }
    reset_private(cpu->gicr);
    if (!icc_enable_el2()) {
        log_warn("GIC: firmware keeps the CPU interface of CPU %u from EL2", cpu->id);
        return ERR_UNSUPPORTED;
    }
    gic_sgi_targets[cpu->id] = gic_sgi_to(cpu->mpidr);
    return 0;
}

static void send_sgi_others(uint32_t sgi)
{
    icc_write_sgi1r(BIT(40) | (uint64_t)sgi << 24);
}

static void set_ppi_active(uint32_t intid, bool active)
{
    uint64_t offset = GICR_SGI + (active ? GICD_ISACTIVER : GICD_ICACTIVER);
    mmio_write32(this_cpu()->gicr + offset, UINT32_C(1) << intid);
}

const struct gic_driver gic_v3 = {
    .init = init,
    .init_cpu = init_cpu,
    .route_spi = route_spi,
    .send_sgi_others = send_sgi_others,
    .set_ppi_active = set_ppi_active,
};
