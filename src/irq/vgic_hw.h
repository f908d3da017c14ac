// SPDX-License-Identifier: Apache-2.0
// What EL2 has of this CPU's virtual CPU interface, as GICv3 lays it out (ICH_*_EL2; IHI
// 0069, 12.4) whichever the machine has: GICv2's GICH (IHI 0048, 5.3) has the same in half the
// bits. gich: where that is mapped, 0 with GICv3.
#pragma once

#include "arch/gic.h"
#include "arch/gicv2.h"
#include "lib/bits.h"

// In the place of the machine's INTID, where the list register is tied to none, GICv2 has what
// ICH_LR_EOI says, and for an SGI the vCPU that sent it.
#define VGIC_LR_SENDER(lr)   ((unsigned)bits_get(lr, 34, 32))
#define VGIC_LR_SENDER_SHIFT 32

// GICH_LR<n>: HW, Grp1, State, Priority, PhysicalID, VirtualID
static inline uint32_t vgic_lr_to_gich(uint64_t lr)
{
    return (uint32_t)(bits_get(lr, 61, 61) << 31 | bits_get(lr, 60, 60) << 30 |
                      bits_get(lr, 63, 62) << 28 | bits_get(lr, 55, 51) << 23 |
                      bits_get(lr, 41, 32) << 10 | bits_get(lr, 9, 0));
}

static inline uint64_t vgic_lr_from_gich(uint32_t lr)
{
    return bits_get(lr, 31, 31) << 61 | bits_get(lr, 30, 30) << 60 | bits_get(lr, 29, 28) << 62 |
           bits_get(lr, 27, 23) << 51 | bits_get(lr, 19, 10) << 32 | bits_get(lr, 9, 0);
}

static inline uint64_t vgic_hw_read_lr(uint64_t gich, unsigned n)
{
    return gich != 0 ? vgic_lr_from_gich(gich_read(gich, GICH_LR + 4 * n)) : ich_read_lr(n);
}

static inline void vgic_hw_write_lr(uint64_t gich, unsigned n, uint64_t lr)
{
    if (gich != 0) {
        gich_write(gich, GICH_LR + 4 * n, vgic_lr_to_gich(lr));
    } else {
        ich_write_lr(n, lr);
    }
}

static inline uint64_t vgic_hw_read_hcr(uint64_t gich)
{
    return gich != 0 ? gich_read(gich, GICH_HCR) : ich_read_hcr();
}

static inline void vgic_hw_write_hcr(uint64_t gich, uint64_t hcr)
{
    if (gich != 0) {
        gich_write(gich, GICH_HCR, (uint32_t)hcr);
    } else {
        ich_write_hcr(hcr);
    }
}

static inline uint64_t vgic_hw_read_vmcr(uint64_t gich)
{
    return gich != 0 ? gich_read(gich, GICH_VMCR) : ich_read_vmcr();
}

static inline void vgic_hw_write_vmcr(uint64_t gich, uint64_t vmcr)
{
    if (gich != 0) {
        gich_write(gich, GICH_VMCR, (uint32_t)vmcr);
    } else {
        ich_write_vmcr(vmcr);
    }
}

static inline uint64_t vgic_hw_read_vtr(uint64_t gich)
{
    return gich != 0 ? gich_read(gich, GICH_VTR) : ich_read_vtr();
}

// Active priorities, n of them a group; GICv2 has one register for both groups.
static inline void vgic_hw_read_aprs(uint64_t gich, unsigned n, uint64_t *ap0r, uint64_t *ap1r)
{
    if (gich != 0) {
        ap0r[0] = gich_read(gich, GICH_APR);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        ap0r[i] = ich_read_ap0r(i);
        ap1r[i] = ich_read_ap1r(i);
    }
}

static inline void vgic_hw_write_aprs(uint64_t gich, unsigned n, const uint64_t *ap0r,
                                      const uint64_t *ap1r)
{
    if (gich != 0) {
        gich_write(gich, GICH_APR, (uint32_t)ap0r[0]);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        ich_write_ap0r(i, ap0r[i]);
        ich_write_ap1r(i, ap1r[i]);
    }
}
