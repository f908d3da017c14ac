// SPDX-License-Identifier: Apache-2.0
// The machine's GICv3 as Newel uses it: its own SGIs and PPIs, a few SPIs, everything in non-secure
// group 1 at one priority, EOImode 1.
#include "irq/gic.h"

#include "arch/gic.h"
#include "arch/sysreg_bits.h"
#include "cpu/percpu.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/log.h"

enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IGROUPR = 0x0080,
    GICD_ISENABLER = 0x0100,
    GICD_ICENABLER = 0x0180,
    GICD_ICPENDR = 0x0280,
    GICD_ISACTIVER = 0x0300,
    GICD_ICACTIVER = 0x0380,
    GICD_IPRIORITYR = 0x0400,
    GICD_ICFGR = 0x0c00,
    GICD_IROUTER = 0x6000,
    GIC_PIDR2 = 0xffe8,
    GICR_CTLR = 0x0000,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI = 0x10000,
};

#define CTLR_RWP      BIT(31) // GICD
#define RCTLR_RWP     BIT(3)
#define CTLR_ARE_NS   BIT(4)
#define CTLR_ENABLE1  (BIT(0) | BIT(1)) // one of them is non-secure group 1, whichever view EL2 has
#define RTYPER_VLPIS  BIT(1)
#define RTYPER_LAST   BIT(4)
#define WAKER_SLEEP   BIT(1)
#define WAKER_ASLEEP  BIT(2)
#define FRAME_PAIR    0x20000u
#define PRIORITY_WORD 0xa0a0a0a0u
#define PATIENCE_US   1000000

static struct gic_config machine_gic;
static uint64_t sgi_targets[MAX_CPUS]; // ICC_SGI1R_EL1 that reaches a CPU, but for the INTID
static unsigned spi_limit;             // first INTID that is no SPI of the distributor's

const struct gic_config *gic_config(void)
{
    return &machine_gic;
}

static uint64_t dist(uint32_t offset)
{
    return machine_gic.dist.v + offset;
}

// True once the bits are 0.
static bool wait_clear(uint64_t address, uint32_t bits)
{
    uint64_t deadline = timer_now() + timer_ticks_from_us(PATIENCE_US);
    while (mmio_read32(address) & bits) {
        if (timer_now() > deadline) {
            return false;
        }
    }
    return true;
}

static bool is_gicv3(uint64_t base)
{
    uint32_t revision = mmio_read32(base + GIC_PIDR2) >> 4 & 0xf;
    return revision == 3 || revision == 4;
}

static bool ppi_valid(uint32_t intid)
{
    return intid >= 16 && intid < 32;
}

static int check_config(const struct gic_config *c)
{
    if (c->dist_size < 0x10000 || c->rdist_count == 0 || c->rdist_count > GIC_MAX_RDIST) {
        log_warn("GIC: no distributor or redistributor frame of the right size");
        return ERR_INVALID;
    }
    if (!ppi_valid(c->ppi.maintenance) || !ppi_valid(c->ppi.virtual_timer) ||
        !ppi_valid(c->ppi.el2_timer)) {
        log_warn("GIC: the maintenance interrupt or a timer's is no PPI");
        return ERR_INVALID;
    }
    if (!is_gicv3(c->dist.v)) {
        log_warn("GIC: the distributor at 0x%lx is no GICv3", (unsigned long)c->dist.v);
        return ERR_UNSUPPORTED;
    }
    return 0;
}

// Every SPI off, inactive, level, in group 1, to this CPU.
static void reset_spis(void)
{
    uint64_t self = this_cpu()->mpidr & MPIDR_AFFINITY;
    for (unsigned n = 32; n < spi_limit; n += 32) {
        mmio_write32(dist(GICD_ICENABLER + n / 8), ~0u);
        mmio_write32(dist(GICD_ICPENDR + n / 8), ~0u);
        mmio_write32(dist(GICD_ICACTIVER + n / 8), ~0u);
        mmio_write32(dist(GICD_IGROUPR + n / 8), ~0u);
    }
    for (unsigned n = 32; n < spi_limit; n += 4) {
        mmio_write32(dist(GICD_IPRIORITYR + n), PRIORITY_WORD);
    }
    for (unsigned n = 32; n < spi_limit; n++) {
        mmio_write64(dist(GICD_IROUTER + 8 * n), self);
    }
}

int gic_init(const struct gic_config *config)
{
    int err = check_config(config);
    if (err) {
        return err;
    }
    machine_gic = *config;
    if (!icc_present()) {
        log_warn("GIC: the CPU has no system register interface to it");
        return ERR_UNSUPPORTED;
    }
    spi_limit = MIN(32 * ((mmio_read32(dist(GICD_TYPER)) & 0x1f) + 1), 1020u);
    mmio_write32(dist(GICD_CTLR), 0);
    if (!wait_clear(dist(GICD_CTLR), CTLR_RWP)) {
        log_warn("GIC: the distributor does not answer");
        return ERR_TIMEOUT;
    }
    mmio_write32(dist(GICD_CTLR), CTLR_ARE_NS); // before anything that depends on affinity routing
    (void)wait_clear(dist(GICD_CTLR), CTLR_RWP);
    reset_spis();
    mmio_write32(dist(GICD_CTLR), CTLR_ARE_NS | CTLR_ENABLE1);
    (void)wait_clear(dist(GICD_CTLR), CTLR_RWP);
    return 0;
}

// ---- a CPU's redistributor ----

static uint64_t frame_stride(uint64_t typer)
{
    if (machine_gic.rdist_stride != 0) {
        return machine_gic.rdist_stride;
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
    for (size_t i = 0; i < machine_gic.rdist_count; i++) {
        uint64_t found =
            find_in_region(machine_gic.rdist[i].base.v, machine_gic.rdist[i].size, affinity);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

static bool wake_redistributor(uint64_t gicr)
{
    mmio_write32(gicr + GICR_WAKER, mmio_read32(gicr + GICR_WAKER) & ~(uint32_t)WAKER_SLEEP);
    return wait_clear(gicr + GICR_WAKER, WAKER_ASLEEP);
}

static void reset_private(uint64_t gicr)
{
    const struct host_ppis *ppi = &machine_gic.ppi;
    uint64_t sgi = gicr + GICR_SGI;
    mmio_write32(sgi + GICD_ICENABLER, ~0u);
    (void)wait_clear(gicr + GICR_CTLR, RCTLR_RWP);
    mmio_write32(sgi + GICD_ICPENDR, ~0u);
    mmio_write32(sgi + GICD_ICACTIVER, ~0u);
    mmio_write32(sgi + GICD_IGROUPR, ~0u);
    for (unsigned n = 0; n < 32; n += 4) {
        mmio_write32(sgi + GICD_IPRIORITYR + n, PRIORITY_WORD);
    }
    uint64_t on = BIT(HOST_SGI_KICK) | BIT(HOST_SGI_STOP) | BIT(ppi->maintenance) |
                  BIT(ppi->virtual_timer) | BIT(ppi->el2_timer);
    if (ppi_valid(ppi->pmu)) {
        on |= BIT(ppi->pmu);
    }
    mmio_write32(sgi + GICD_ISENABLER, (uint32_t)on);
}

static uint64_t sgi_target(uint64_t mpidr)
{
    return bits_get(mpidr, 39, 32) << 48 | bits_get(mpidr, 23, 16) << 32 |
           bits_get(mpidr, 15, 8) << 16 | bits_get(mpidr, 7, 4) << 44 | BIT(bits_get(mpidr, 3, 0));
}

int gic_init_cpu(void)
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
    sgi_targets[cpu->id] = sgi_target(cpu->mpidr);
    if (!icc_enable_el2()) {
        log_warn("GIC: firmware keeps the CPU interface of CPU %u from EL2", cpu->id);
        return ERR_UNSUPPORTED;
    }
    return 0;
}

// ---- in use ----

uint32_t gic_ack(void)
{
    return (uint32_t)icc_read_iar1() & 0xffffff;
}

void gic_eoi(uint32_t intid)
{
    icc_write_eoir1(intid);
}

void gic_deactivate(uint32_t intid)
{
    icc_write_dir(intid);
}

void gic_send_sgi(unsigned cpu, uint32_t sgi)
{
    icc_write_sgi1r(sgi_targets[cpu] | (uint64_t)sgi << 24);
}

void gic_send_sgi_others(uint32_t sgi)
{
    icc_write_sgi1r(BIT(40) | (uint64_t)sgi << 24);
}

void gic_enable_spi(uint32_t intid, unsigned cpu, bool level)
{
    if (intid < 32 || intid >= spi_limit) {
        log_warn("GIC: no SPI %u", intid);
        return;
    }
    uint64_t config = dist(GICD_ICFGR + intid / 16 * 4);
    uint32_t edge = UINT32_C(2) << intid % 16 * 2;
    uint32_t old = mmio_read32(config);
    mmio_write32(config, level ? old & ~edge : old | edge);
    mmio_write64(dist(GICD_IROUTER + 8 * intid), percpus[cpu].mpidr & MPIDR_AFFINITY);
    mmio_write32(dist(GICD_ISENABLER + intid / 32 * 4), UINT32_C(1) << intid % 32);
}

void gic_set_ppi_active(uint32_t intid, bool active)
{
    uint64_t offset = GICR_SGI + (active ? GICD_ISACTIVER : GICD_ICACTIVER);
    mmio_write32(this_cpu()->gicr + offset, UINT32_C(1) << intid);
}

unsigned gic_list_registers(void)
{
    return ICH_VTR_LISTREGS(ich_read_vtr());
}
