// SPDX-License-Identifier: Apache-2.0
// Fields of the GIC's system registers (IHI 0069, 12.2 and 12.4); shared by the hypervisor and the
// host's stand-in.
#pragma once

#include "lib/bits.h"

// ICC_SRE_EL2, ICC_CTLR_EL1
#define ICC_SRE_SRE      BIT(0)
#define ICC_SRE_ENABLE   BIT(3)
#define ICC_CTLR_EOIMODE BIT(1)

// ICH_LR<n>_EL2
#define ICH_LR_STATE(lr)      ((unsigned)((lr) >> 62))
#define ICH_LR_PENDING        BIT(62)
#define ICH_LR_ACTIVE         BIT(63)
#define ICH_LR_HW             BIT(61)
#define ICH_LR_GROUP1         BIT(60)
#define ICH_LR_PRIORITY_SHIFT 48
#define ICH_LR_EOI            BIT(41) // HW = 0: maintenance interrupt when it is deactivated
#define ICH_LR_PINTID_SHIFT   32      // HW = 1
#define ICH_LR_VINTID(lr)     ((uint32_t)(lr))

// ICH_HCR_EL2
#define ICH_HCR_EN          BIT(0)
#define ICH_HCR_UIE         BIT(1)
#define ICH_HCR_LRENPIE     BIT(2)
#define ICH_HCR_NPIE        BIT(3)
#define ICH_HCR_VGRP0EIE    BIT(4)
#define ICH_HCR_VGRP0DIE    BIT(5)
#define ICH_HCR_VGRP1EIE    BIT(6)
#define ICH_HCR_VGRP1DIE    BIT(7)
#define ICH_HCR_TDIR        BIT(14)
#define ICH_HCR_EOICOUNT(v) ((unsigned)bits_get(v, 31, 27))

// ICH_VMCR_EL2
#define ICH_VMCR_VENG0    BIT(0)
#define ICH_VMCR_VENG1    BIT(1)
#define ICH_VMCR_VCBPR    BIT(4)
#define ICH_VMCR_VEOIM    BIT(9)
#define ICH_VMCR_VBPR1(v) ((unsigned)bits_get(v, 20, 18))
#define ICH_VMCR_VBPR0(v) ((unsigned)bits_get(v, 23, 21))
#define ICH_VMCR_VPMR(v)  ((unsigned)bits_get(v, 31, 24))

// ICH_VTR_EL2
#define ICH_VTR_LISTREGS(v) ((unsigned)bits_get(v, 4, 0) + 1)
#define ICH_VTR_TDS         BIT(19)
#define ICH_VTR_PREBITS(v)  ((unsigned)bits_get(v, 28, 26) + 1)
#define ICH_VTR_PRIBITS(v)  ((unsigned)bits_get(v, 31, 29) + 1)

// ICC_SGI1R_EL1 for the CPU of an MPIDR, but for the INTID.
static inline uint64_t gic_sgi_to(uint64_t mpidr)
{
    return bits_get(mpidr, 39, 32) << 48 | bits_get(mpidr, 23, 16) << 32 |
           bits_get(mpidr, 15, 8) << 16 | bits_get(mpidr, 7, 4) << 44 | BIT(bits_get(mpidr, 3, 0));
}
