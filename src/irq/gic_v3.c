// SPDX-License-Identifier: Apache-2.0
// GICv3 (IHI 0069): affinity routing, redistributors, the CPU interface by system registers.
#include "irq/gic_driver.h"

#include "arch/gic.h"
#include "arch/sysreg_bits.h"
#include "cpu/percpu.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/log.h"

enum {
    GICD_IROUTER = 0x6000,
    GIC_PIDR2 = 0xffe8,
    GICR_CTLR = 0x0000,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI = 0x10000,
};

#define CTLR_RWP     BIT(31) // GICD
#define RCTLR_RWP    BIT(3)
#define CTLR_ARE_NS  BIT(4)
#define CTLR_ENABLE1 (BIT(0) | BIT(1)) // one of them is non-secure group 1, whichever view EL2 has
#define RTYPER_VLPIS BIT(1)
#define RTYPER_LAST  BIT(4)
#define WAKER_SLEEP  BIT(1)
#define WAKER_ASLEEP BIT(2)
#define FRAME_PAIR   0x20000u

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

static uint64_t frame_stride(uint64_t typer)
{
    if (gic_config()->rdist_stride != 0) {
        return gic_config()->rdist_stride;
    }
    return typer & RTYPER_VLPIS ? 2 * FRAME_PAIR : FRAME_PAIR;
}

static uint64_t find_in_region(uint64_t base, uint64_t size, uint32_t affinity)
{
    for (uint64_t at = 0; size >= FRAME_PAIR && at <= size - FRAME_PAIR;) {
        uint64_t typer = mmio_read64(base + at + GICR_TYPER);
        if (typer >> 32 == affinity) {
            return base + at;
        }
        if (typer & RTYPER_LAST) {
            break;
        }
        at += frame_stride(typer);
    }
    return 0;
}

static uint64_t find_redistributor(uint64_t mpidr)
{
    uint32_t affinity = (uint32_t)(bits_get(mpidr, 39, 32) << 24 | bits_get(mpidr, 23, 0));
    for (size_t i = 0; i < gic_config()->rdist_count; i++) {
        uint64_t found =
            find_in_region(gic_config()->rdist[i].base.v, gic_config()->rdist[i].size, affinity);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

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

static uint64_t sgi_target(uint64_t mpidr)
{
    return bits_get(mpidr, 39, 32) << 48 | bits_get(mpidr, 23, 16) << 32 |
           bits_get(mpidr, 15, 8) << 16 | bits_get(mpidr, 7, 4) << 44 | BIT(bits_get(mpidr, 3, 0));
}

static int init_cpu(void)
{
    struct percpu *cpu = this_cpu();
    cpu->gicr = find_redistributor(cpu->mpidr);
    if (cpu->gicr == 0 || !is_gicv3(cpu->gicr)) {
        log_warn("GIC: CPU %u has no redistributor", cpu->id);
        return ERR_NOENT;
    }
    if (!wake_redistributor(cpu->gicr)) {
        log_warn("GIC: CPU %u's redistributor does not wake", cpu->id);
        return ERR_TIMEOUT;
    }
    reset_private(cpu->gicr);
    gic_sgi_targets[cpu->id] = sgi_target(cpu->mpidr);
    if (!icc_enable_el2()) {
        log_warn("GIC: firmware keeps the CPU interface of CPU %u from EL2", cpu->id);
        return ERR_UNSUPPORTED;
    }
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

static unsigned list_registers(void)
{
    return ICH_VTR_LISTREGS(ich_read_vtr());
}

const struct gic_driver gic_v3 = {
    .init = init,
    .init_cpu = init_cpu,
    .route_spi = route_spi,
    .send_sgi_others = send_sgi_others,
    .set_ppi_active = set_ppi_active,
    .list_registers = list_registers,
};
