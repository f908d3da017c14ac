// SPDX-License-Identifier: Apache-2.0
// The parts of reading a machine from its device tree (boot/platform.h); each fills its part of the
// reader's platform. 0, or an error with a complaint.
#pragma once

#include "boot/fdt_reader.h"

// boot_mpidr: affinity. psci before cpus, which may name it.
int platform_fdt_psci(struct fdt_reader *r);
int platform_fdt_cpus(struct fdt_reader *r, uint64_t boot_mpidr);

// The whole of it, with the private interrupts that Newel uses; or where its frames are alone.
int platform_fdt_gic(struct fdt_reader *r);
int platform_fdt_distributor(struct fdt_reader *r);

// Interrupt cells of the GIC's binding (Linux, bindings/interrupt-controller/arm,gic-v3.yaml).
enum { IRQ_SPI = 0, IRQ_PPI = 1 };

// The cells of interrupt index that a node has at the GIC, NULL if there is none. After
// platform_fdt_distributor().
const fdt32_t *node_interrupt(const struct fdt_reader *r, int node, int index);
