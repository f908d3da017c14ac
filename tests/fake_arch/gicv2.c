// SPDX-License-Identifier: Apache-2.0
// GICH of a make-believe CPU with GICv2 (IHI 0048, 5.3), on the virtual CPU interface of gic.c.
#include "arch/gicv2.h"

#include <assert.h>

// 5.3.9, GICH_LR<n>
struct gich_lr {
    uint32_t virtual_id : 10, physical_id : 10, reserved : 3, priority : 5, state : 2, group1 : 1,
        hw : 1;
};

union gich_word {
    struct gich_lr lr;
    uint32_t word;
};

#define HCR_FIELDS  (MASK(31, 27) | MASK(7, 0))
#define VMCR_FIELDS (MASK(31, 27) | MASK(23, 18) | MASK(9, 9) | MASK(4, 0))

static uint32_t read_lr(unsigned n)
{
    uint64_t lr = ich_read_lr(n);
    union gich_word w = {.lr = {.virtual_id = ICH_LR_VINTID(lr) & 0x3ff,
                                .physical_id = (lr >> 32) & 0x3ff,
                                .priority = (lr >> 51) & 0x1f,
                                .state = ICH_LR_STATE(lr) & 3,
                                .group1 = (lr & ICH_LR_GROUP1) != 0,
                                .hw = (lr & ICH_LR_HW) != 0}};
    return w.word;
}

static void write_lr(unsigned n, uint32_t value)
{
    union gich_word w = {.word = value};
    assert(w.lr.reserved == 0);
    // CPUID is an SGI's; EOI, bit 19, anybody's.
    assert(w.lr.hw || w.lr.virtual_id < 16 || (w.lr.physical_id & 0x1ff) == 0);
    ich_write_lr(n, (uint64_t)w.lr.state << 62 | (w.lr.hw ? ICH_LR_HW : 0) |
                        (w.lr.group1 ? ICH_LR_GROUP1 : 0) | (uint64_t)w.lr.priority << 51 |
                        (uint64_t)w.lr.physical_id << 32 | w.lr.virtual_id);
}

uint32_t gich_read(uint64_t gich, uint32_t offset)
{
    assert(gich != 0 && fake_gic->v2);
    switch (offset) {
    case GICH_HCR:
        return (uint32_t)fake_gic->hcr;
    case GICH_VTR:
        return (uint32_t)fake_gic->vtr & ~(uint32_t)ICH_VTR_TDS;
    case GICH_VMCR:
        return (uint32_t)fake_gic->vmcr;
    case GICH_APR:
        return (uint32_t)(fake_gic->ap0r[0] | fake_gic->ap1r[0]);
    default:
        assert(offset >= GICH_LR && offset < GICH_LR + 64);
        return read_lr((offset - GICH_LR) / 4);
    }
}

void gich_write(uint64_t gich, uint32_t offset, uint32_t value)
{
    assert(gich != 0 && fake_gic->v2);
    switch (offset) {
    case GICH_HCR:
        assert((value & ~HCR_FIELDS) == 0);
        fake_gic->hcr = value;
        break;
    case GICH_VMCR:
        assert((value & ~VMCR_FIELDS) == 0);
        fake_gic->vmcr = value;
        break;
    case GICH_APR:
        fake_gic->ap0r[0] = value;
        fake_gic->ap1r[0] = 0;
        break;
    default:
        assert(offset >= GICH_LR && offset < GICH_LR + 64);
        write_lr((offset - GICH_LR) / 4, value);
    }
}
