// SPDX-License-Identifier: Apache-2.0
// Between gic.c and what it drives: for src/irq alone.
#pragma once

#include "arch/mmio.h"
#include "irq/gic.h"

// Registers that GICv2's distributor (IHI 0048, 4.3) and GICv3's (IHI 0069, 12.9) have alike; those
// with a bit or a byte an interrupt are in a redistributor's second frame as well.
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
};

// IGROUPR
#define GIC_GROUP0 0u
#define GIC_GROUP1 (~0u)

// What is done seldom. The rest is in gic.c and by the version, which is known where it matters.
struct gic_driver {
    int (*init)(void);     // of gic_config(); on the boot CPU
    int (*init_cpu)(void); // on each
    void (*route_spi)(uint32_t intid, unsigned cpu);
    void (*send_sgi_others)(uint32_t sgi);
    void (*set_ppi_active)(uint32_t intid, bool active);
    bool (*forgets_level)(void); // NULL: it does not
};

extern const struct gic_driver gic_v2, gic_v3;

// What reaches a CPU with an SGI, but for the SGI's number: GICv3's ICC_SGI1R_EL1, or GICv2's
// GICD_SGIR with SGI_BY_GICD.
extern uint64_t gic_sgi_targets[];
#define SGI_BY_GICD (UINT64_C(1) << 63)

static inline uint64_t gic_dist(uint32_t offset)
{
    return gic_config()->dist.v + offset;
}

// True once the bits are 0, false after a second.
bool gic_wait_clear(uint64_t address, uint32_t bits);
// Every SPI off, inactive, in this group, to the boot CPU.
void gic_reset_spis(uint32_t group);
// SGIs and PPIs of the frame likewise, and then Newel's own on.
void gic_reset_private(uint64_t frame, uint32_t group);
