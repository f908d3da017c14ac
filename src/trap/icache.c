// SPDX-License-Identifier: Apache-2.0
// Neoverse N1 1542419 (ERRATUM_STALE_FETCH): the CPU says by CTR_EL0.DIC that stores need no
// instruction-cache maintenance to be fetched, but may fetch out of their order. A guest is told
// that it does need it; the maintenance traps, and a broadcast TLB invalidation takes its place.
#include "arch/cache.h"
#include "arch/sysreg.h"
#include "cpu/features.h"
#include "trap/gpr.h"
#include "trap/sysreg_iss.h"

#define CTR_DIC        BIT(29)
#define CTR_IMINLINE   MASK(3, 0)
#define IMINLINE_4_KIB 10 // log2 of words: the fewer lines, the fewer traps

// HCR_EL2.TID2 traps reads alone of all of these but CSSELR_EL1.
enum trap_result cache_type(struct vcpu *v, uint32_t iss)
{
    uint64_t ctr = features.raw.ctr & ~(CTR_DIC | CTR_IMINLINE);
    gpr_write(v, ISS_RT(iss), ctr | IMINLINE_4_KIB);
    return TRAP_EMULATED;
}

enum trap_result cache_id(struct vcpu *v, uint32_t iss)
{
    gpr_write(v, ISS_RT(iss), ISS_OP2(iss) == 0 ? read_sysreg(ccsidr_el1) : read_sysreg(clidr_el1));
    return TRAP_EMULATED;
}

// The machine holds the guest's own.
enum trap_result cache_select(struct vcpu *v, uint32_t iss)
{
    if (ISS_IS_READ(iss)) {
        gpr_write(v, ISS_RT(iss), read_sysreg(csselr_el1));
    } else {
        write_sysreg(csselr_el1, gpr_read(v, ISS_RT(iss)) & 0xf);
    }
    return TRAP_EMULATED;
}

// Any broadcast TLBI will do: EL2's of an address that means nothing. With CTR_EL0.IDC nothing is
// left to be done for DC CVAU.
enum trap_result icache_maintain(struct vcpu *v, uint32_t iss)
{
    (void)v;
    (void)iss;
    tlbi_el2_va(0);
    return TRAP_EMULATED;
}
