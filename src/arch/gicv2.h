// SPDX-License-Identifier: Apache-2.0
// GICv2's registers in memory that stand for what GICv3 has as system registers (IHI 0048, chapters
// 4.4 and 5.3). gicc, gich, gicd: where the frame is mapped.
#pragma once

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

static inline uint32_t gicc_read_iar(uint64_t gicc)
{
    uint32_t iar = mmio_read32(gicc + GICC_IAR);
    __asm__ volatile("dsb sy" ::: "memory"); // what the interrupt tells of is visible
    return iar;
}

static inline void gicc_write_eoir(uint64_t gicc, uint32_t iar)
{
    mmio_write32(gicc + GICC_EOIR, iar);
}

static inline void gicc_write_dir(uint64_t gicc, uint32_t iar)
{
    mmio_write32(gicc + GICC_DIR, iar);
}

// What was written to Normal memory before is visible to the CPU that takes the SGI.
static inline void gicd_write_sgir(uint64_t gicd, uint32_t value)
{
    __asm__ volatile("dsb ishst" ::: "memory");
    mmio_write32(gicd + GICD_SGIR, value);
}

enum {
    GICH_HCR = 0x00,
    GICH_VTR = 0x04,
    GICH_VMCR = 0x08,
    GICH_APR = 0xf0,
    GICH_LR = 0x100,
};

static inline uint32_t gich_read(uint64_t gich, uint32_t offset)
{
    return mmio_read32(gich + offset);
}

static inline void gich_write(uint64_t gich, uint32_t offset, uint32_t value)
{
    mmio_write32(gich + offset, value);
}
