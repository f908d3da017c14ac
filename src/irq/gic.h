// SPDX-License-Identifier: Apache-2.0
// The machine's interrupt controller: GICv3 (IHI 0069) or GICv2 (IHI 0048).
#pragma once

#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GIC_MAX_RDIST 32

enum {
    HOST_SGI_KICK = 0, // look at your attention bits
    HOST_SGI_STOP = 1, // stop for good: panic on another CPU
};

// Host PPIs; numbers from the device tree or ACPI, checked to be 16..31.
struct host_ppis {
    uint32_t maintenance, virtual_timer, el2_timer, physical_timer;
    uint32_t pmu; // 0: none
};

#define GICV2_CPU_SIZE 0x2000u // GICv2: GICC_DIR is on the second page

struct gic_config {
    unsigned version; // 3, also for a GICv4, or 2
    hpa_t dist;
    uint64_t dist_size;
    // GICv2's: GICC (GICV2_CPU_SIZE) and GICH (a page) for Newel, GICV (a page) for guests. 4 KiB
    // aligned.
    hpa_t cpu_interface, hyp_interface, vcpu_interface;
    struct { // GICv3's
        hpa_t base;
        uint64_t size;
    } rdist[GIC_MAX_RDIST];
    size_t rdist_count;
    uint64_t rdist_stride; // 0: from GICR_TYPER.VLPIS
    struct host_ppis ppi;
    // By gic_init(): a level that is still high when a guest's end of the interrupt deactivates it
    // (ICH_LR_HW) is not signalled before something else happens.
    bool forgets_level;
};

// Which one it is: once, before anything else here and before switch_init_cpu().
void gic_choose(const struct gic_config *config);
// On the boot CPU with the MMU on and the ranges mapped. A negative error and a line in the log if
// it is not what gic_choose() was told.
int gic_init(void);
// On each CPU: finds its redistributor or interface number, enables the CPU interface at EL2 and
// Newel's PPIs and SGIs.
int gic_init_cpu(void);

// v2: gic_config()->version == 2, a constant for who is in a hurry. ack is what gic_ack() returned;
// with GICv2 that holds more than the INTID.
#define GIC_SPURIOUS 1023u
uint32_t gic_ack(bool v2); // GICC_IAR, ICC_IAR1_EL1
static inline uint32_t gic_intid(bool v2, uint32_t ack)
{
    return v2 ? ack & 0x3ff : ack;
}
void gic_eoi(bool v2, uint32_t ack);           // priority drop (EOI mode 1: not deactivated)
void gic_deactivate(bool v2, uint32_t ack);    // in force from the next ERET or ISB
void gic_send_sgi(unsigned cpu, uint32_t sgi); // to CPU number cpu
void gic_send_sgi_others(uint32_t sgi);        // none before gic_init_cpu() on this CPU
void gic_enable_spi(uint32_t intid, unsigned cpu, bool level);
void gic_set_ppi_active(uint32_t intid, bool active); // this CPU's
const struct gic_config *gic_config(void);
