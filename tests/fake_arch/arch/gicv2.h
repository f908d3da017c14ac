// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for src/arch/gicv2.h. GICH is that of fake_gic, wherever it is mapped; its
// list registers are kept as the CPU interface of arch/gic.h has them. GICC and GICD are plain
// memory.
#pragma once

#include "arch/gic.h"
#include "arch/mmio.h"

enum {
    GICC_CTLR = 0x0000,
    GICC_PMR = 0x0004,
    GICC_BPR = 0x0008,
    GICC_IAR = 0x000c,
    GICC_EOIR = 0x0010,
    GICC_DIR = 0x1000,
    GICD_SGIR = 0x0f00,
};

enum {
    GICH_HCR = 0x00,
    GICH_VTR = 0x04,
    GICH_VMCR = 0x08,
    GICH_APR = 0xf0,
    GICH_LR = 0x100,
};

uint32_t gich_read(uint64_t gich, uint32_t offset);
void gich_write(uint64_t gich, uint32_t offset, uint32_t value);

static inline uint32_t gicc_read_iar(uint64_t gicc)
{
    return mmio_read32(gicc + GICC_IAR);
}

static inline void gicc_write_eoir(uint64_t gicc, uint32_t iar)
{
    mmio_write32(gicc + GICC_EOIR, iar);
}

static inline void gicc_write_dir(uint64_t gicc, uint32_t iar)
{
    mmio_write32(gicc + GICC_DIR, iar);
}

static inline void gicd_write_sgir(uint64_t gicd, uint32_t value)
{
    mmio_write32(gicd + GICD_SGIR, value);
}
