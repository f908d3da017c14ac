// SPDX-License-Identifier: Apache-2.0
// The machine's interrupt controller (GICv3, IHI 0069).
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

struct gic_config {
    hpa_t dist;
    uint64_t dist_size;
    struct {
        hpa_t base;
        uint64_t size;
    } rdist[GIC_MAX_RDIST];
    size_t rdist_count;
    uint64_t rdist_stride; // 0: from GICR_TYPER.VLPIS
    struct host_ppis ppi;
};

// On the boot CPU with the MMU on and the ranges mapped. A negative error and a line in the log if
// it is no GICv3.
int gic_init(const struct gic_config *config);
// On each CPU: finds its redistributor, enables the CPU interface at EL2 and Newel's PPIs and SGIs.
int gic_init_cpu(void);

#define GIC_SPURIOUS 1023u
uint32_t gic_ack(void);                        // ICC_IAR1_EL1
void gic_eoi(uint32_t intid);                  // priority drop (EOImode 1: not deactivated)
void gic_deactivate(uint32_t intid);           // in force from the next ERET or ISB
void gic_send_sgi(unsigned cpu, uint32_t sgi); // to CPU number cpu
void gic_send_sgi_others(uint32_t sgi);
void gic_enable_spi(uint32_t intid, unsigned cpu, bool level);
void gic_set_ppi_active(uint32_t intid, bool active); // this CPU's
unsigned gic_list_registers(void);
const struct gic_config *gic_config(void);
