// SPDX-License-Identifier: Apache-2.0
#include "irq/gic_rdist.h"

#include "arch/mmio.h"
#include "lib/bits.h"

#define GICR_TYPER   0x0008
#define RTYPER_VLPIS BIT(1)
#define RTYPER_LAST  BIT(4)
#define FRAME_PAIR   0x20000u

static uint64_t frame_stride(const struct gic_config *config, uint64_t typer)
{
    if (config->rdist_stride != 0) {
        return config->rdist_stride;
    }
    return typer & RTYPER_VLPIS ? 2 * FRAME_PAIR : FRAME_PAIR;
}

static uint64_t find_in_region(const struct gic_config *config, size_t n, uint32_t affinity)
{
    uint64_t base = config->rdist[n].base.v, size = config->rdist[n].size;
    for (uint64_t at = 0; size >= FRAME_PAIR && at <= size - FRAME_PAIR;) {
        uint64_t typer = mmio_read64(base + at + GICR_TYPER);
        if (typer >> 32 == affinity) {
            return base + at;
        }
        if (typer & RTYPER_LAST) {
            break;
        }
        at += frame_stride(config, typer);
    }
    return 0;
}

uint64_t gic_find_rdist(const struct gic_config *config, uint64_t mpidr)
{
    uint32_t affinity = (uint32_t)(bits_get(mpidr, 39, 32) << 24 | bits_get(mpidr, 23, 0));
    for (size_t i = 0; i < config->rdist_count; i++) {
        uint64_t found = find_in_region(config, i, affinity);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}
