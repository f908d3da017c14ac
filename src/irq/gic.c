// SPDX-License-Identifier: Apache-2.0
// The machine's interrupt controller as Newel uses it: its own SGIs and PPIs, a few SPIs,
// everything in one group at one priority, EOI mode 1.
#include "irq/gic.h"

#include "arch/gic.h"
#include "arch/gicv2.h"
#include "cpu/percpu.h"
#include "cpu/timer.h"
#include "irq/gic_driver.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/log.h"

#define PRIORITY_WORD 0xa0a0a0a0u
#define PATIENCE_US   1000000

uint64_t gic_sgi_targets[MAX_CPUS];
static struct gic_config machine_gic;
static const struct gic_driver *driver;
static unsigned spi_limit; // first INTID that is no SPI of the distributor's

const struct gic_config *gic_config(void)
{
    return &machine_gic;
}

void gic_choose(const struct gic_config *config)
{
    machine_gic = *config;
    driver = config->version == 2 ? &gic_v2 : &gic_v3;
}

bool gic_wait_clear(uint64_t address, uint32_t bits)
{
    uint64_t deadline = timer_now() + timer_ticks_from_us(PATIENCE_US);
    while (mmio_read32(address) & bits) {
        if (timer_now() > deadline) {
            return false;
        }
    }
    return true;
}

static bool ppi_valid(uint32_t intid)
{
    return intid >= 16 && intid < 32;
}

void gic_reset_spis(uint32_t group)
{
    for (unsigned n = 32; n < spi_limit; n += 32) {
        mmio_write32(gic_dist(GICD_ICENABLER + n / 8), ~0u);
        mmio_write32(gic_dist(GICD_ICPENDR + n / 8), ~0u);
        mmio_write32(gic_dist(GICD_ICACTIVER + n / 8), ~0u);
        mmio_write32(gic_dist(GICD_IGROUPR + n / 8), group);
    }
    for (unsigned n = 32; n < spi_limit; n += 4) {
        mmio_write32(gic_dist(GICD_IPRIORITYR + n), PRIORITY_WORD);
    }
    for (unsigned n = 32; n < spi_limit; n++) {
        driver->route_spi(n, 0);
    }
}

int gic_init(void)
{
    const struct host_ppis *ppi = &machine_gic.ppi;
    if (!ppi_valid(ppi->maintenance) || !ppi_valid(ppi->virtual_timer) ||
        !ppi_valid(ppi->el2_timer)) {
        log_warn("GIC: the maintenance interrupt or a timer's is no PPI");
        return ERR_INVALID;
    }
    spi_limit = MIN(32 * ((mmio_read32(gic_dist(GICD_TYPER)) & 0x1f) + 1), 1020u);
    machine_gic.forgets_level = driver->forgets_level != NULL && driver->forgets_level();
    return driver->init();
}

void gic_reset_private(uint64_t frame, uint32_t group)
{
    const struct host_ppis *ppi = &machine_gic.ppi;
    mmio_write32(frame + GICD_ICPENDR, ~0u);
    mmio_write32(frame + GICD_ICACTIVER, ~0u);
    mmio_write32(frame + GICD_IGROUPR, group);
    for (unsigned n = 0; n < 32; n += 4) {
        mmio_write32(frame + GICD_IPRIORITYR + n, PRIORITY_WORD);
    }
    uint64_t on = BIT(HOST_SGI_KICK) | BIT(HOST_SGI_STOP) | BIT(ppi->maintenance) |
                  BIT(ppi->virtual_timer) | BIT(ppi->el2_timer);
    if (ppi_valid(ppi->physical_timer)) { // off but for a hardened vCPU's
        on |= BIT(ppi->physical_timer);
    }
    if (ppi_valid(ppi->pmu)) {
        on |= BIT(ppi->pmu);
    }
    mmio_write32(frame + GICD_ISENABLER, (uint32_t)on);
}

int gic_init_cpu(void)
{
    return driver->init_cpu();
}

// ---- in use ----

uint32_t gic_ack(bool v2)
{
    return v2 ? gicc_read_iar(machine_gic.cpu_interface.v) : (uint32_t)icc_read_iar1() & 0xffffff;
}

void gic_eoi(bool v2, uint32_t ack)
{
    if (v2) {
        gicc_write_eoir(machine_gic.cpu_interface.v, ack);
    } else {
        icc_write_eoir1(ack);
    }
}

void gic_deactivate(bool v2, uint32_t ack)
{
    if (v2) {
        gicc_write_dir(machine_gic.cpu_interface.v, ack);
    } else {
        icc_write_dir(ack);
    }
}

void gic_send_sgi(unsigned cpu, uint32_t sgi)
{
    uint64_t target = gic_sgi_targets[cpu];
    if (unlikely(target & SGI_BY_GICD)) {
        gicd_write_sgir(machine_gic.dist.v, (uint32_t)target | sgi);
    } else {
        icc_write_sgi1r(target | (uint64_t)sgi << 24);
    }
}

void gic_send_sgi_others(uint32_t sgi)
{
    if (gic_sgi_targets[this_cpu()->id] != 0) { // or what it takes is not mapped, or UNDEFINED
        driver->send_sgi_others(sgi);
    }
}

void gic_enable_spi(uint32_t intid, unsigned cpu, bool level)
{
    if (intid < 32 || intid >= spi_limit) {
        log_warn("GIC: no SPI %u", intid);
        return;
    }
    uint64_t config = gic_dist(GICD_ICFGR + intid / 16 * 4);
    uint32_t edge = UINT32_C(2) << intid % 16 * 2;
    uint32_t old = mmio_read32(config);
    mmio_write32(config, level ? old & ~edge : old | edge);
    driver->route_spi(intid, cpu);
    mmio_write32(gic_dist(GICD_ISENABLER + intid / 32 * 4), UINT32_C(1) << intid % 32);
}

void gic_set_ppi_active(uint32_t intid, bool active)
{
    driver->set_ppi_active(intid, active);
}
