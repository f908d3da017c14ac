// SPDX-License-Identifier: Apache-2.0
#include "cpu/hardening.h"

#include "arch/sysreg_bits.h"
#include "cpu/errata.h"
#include "lib/bits.h"
#include "lib/print.h"

#include <string.h>

// What a guest that is not hardened is kept from. What stays: HVC is a call of EL2 by its nature;
// SMC would be one of the firmware (TSC); of IMPLEMENTATION DEFINED registers some are the whole
// machine's (TIDCP); what is not there traps to become UNDEFINED.
#define HCR_LIFTED  (HCR_TID3 | HCR_TACR | HCR_TLOR | HCR_TERR | HCR_TWI)
#define MDCR_LIFTED (MDCR_TDA | MDCR_TDOSA | MDCR_TDRA)

// Features by the field that shows them; others are told by register and bits.
static const struct {
    uint8_t index, shift;
    const char *name;
} known[] = {
    {ID_INDEX(4, 0), 32, "SVE"},           {ID_INDEX(4, 0), 40, "MPAM"},
    {ID_INDEX(4, 0), 44, "AMU"},           {ID_INDEX(4, 1), 8, "MTE"},
    {ID_INDEX(4, 1), 24, "SME"},           {ID_INDEX(4, 1), 36, "NMI"},
    {ID_INDEX(5, 0), 8, "a PMU"},          {ID_INDEX(5, 0), 32, "SPE"},
    {ID_INDEX(5, 0), 40, "trace filters"}, {ID_INDEX(5, 0), 44, "TRBE"},
    {ID_INDEX(5, 0), 52, "BRBE"},          {ID_INDEX(6, 2), 16, "MOPS"},
};

static void say_feature(char *why, size_t size, unsigned index, unsigned shift)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (known[i].index == index && known[i].shift == shift) {
            format(why, size, "this CPU has %s, which Newel would have to hide by a trap",
                   known[i].name);
            return;
        }
    }
    format(why, size,
           "this CPU shows a feature by S3_0_C0_C%u_%u[%u:%u] that Newel would have to hide by a "
           "trap",
           index / 8 + 1, index % 8, shift + 3, shift);
}

bool hardening_possible(const struct features *f, const struct id_policy *policy,
                        const struct direct_facts *facts, char *why, size_t size)
{
    unsigned index, shift;
    if (f->differ) {
        format(why, size, "this machine's CPUs have different features");
    } else if (f->errata & BIT(ERRATUM_STALE_FETCH)) {
        format(why, size, "this CPU's erratum 1542419 needs traps");
    } else if (facts->error_records != 0) {
        format(why, size, "this CPU's %lu RAS error records are the whole machine's",
               (unsigned long)facts->error_records);
    } else if (facts->regions != 0) {
        format(why, size, "this CPU's limited-ordering regions are not switched");
    } else if (facts->halting) {
        format(why, size, "external debug is enabled (DBGAUTHSTATUS_EL1): a guest could halt CPUs");
    } else if (features_betrayed(f, policy, &index, &shift)) {
        say_feature(why, size, index, shift);
    } else {
        return true;
    }
    return false;
}

// Maintenance by set and way reaches the caches of one CPU: that is enough where the vCPU can have
// left nothing in another's, or where FEAT_S2FWB keeps memory coherent anyhow.
void hardening_init_vcpu(struct vcpu *v, bool stays)
{
    v->hardened = true;
    v->hcr &= ~(HCR_LIFTED | (features.fwb || stays ? HCR_TSW : 0));
    v->mdcr &= ~MDCR_LIFTED;
}

// Its performance monitors are in use from the start.
void hardening_reset(struct vcpu *v)
{
    memset(&v->direct, 0, sizeof(v->direct));
    v->direct.os_lock = true;
    v->pmu_used = features.pmu;
    v->mdcr &= ~(MDCR_TPM | MDCR_TPMCR);
}

void hardening_load(struct vcpu *v)
{
    direct_load(&v->direct, features.breakpoints, features.watchpoints);
}

void hardening_save(struct vcpu *v)
{
    direct_save(&v->direct, features.breakpoints, features.watchpoints);
}
