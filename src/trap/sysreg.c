// SPDX-License-Identifier: Apache-2.0
// Trapped MRS, MSR and system instructions (EC 0x18).
#include "trap/sysreg.h"

#include "arch/sysreg.h"
#include "cpu/features.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "irq/vpmu.h"
#include "irq/vtimer.h"
#include "trap/gpr.h"
#include "trap/inject.h"
#include "trap/io.h"
#include "trap/pauth.h"
#include "trap/sysreg_iss.h"
#include "vm/vm.h"

#include <stddef.h>

// The ID registers: CRm 1..7, op2 0..7. CRm 0 holds MIDR and its like, which do not trap.
#define ID_SPACE      KEY(3, 0, 0, 0, 0)
#define ID_ROWS       KEY(0, 0, 0, 7, 0)
#define ICC_SGI1R_EL1 KEY(3, 0, 12, 11, 5)
// MRS XZR, MDCCSR_EL0
#define CALL       (KEY(2, 3, 0, 1, 0) | ISS_TO_XZR | ISS_READ)
#define ISS_TO_XZR (31u << 5)

void sysreg_init_vm(struct vm *vm)
{
    vm->id_policy.hide_sve = !vm->config->sve;
    vm->id_policy.hide_pmu = !((vm->config->pmu || vm->config->hardened) && vpmu_available());
    vm->id_policy.hide_gic = gic_config()->version == 2;
    for (unsigned i = 0; i < ID_REG_COUNT; i++) {
        vm->id[8 + i] = features_guest_id(&features, &vm->id_policy, i);
    }
}

// What the architecture calls UNDEFINED where the feature is absent, as the ID registers say it is.
static enum trap_result undefined(struct vcpu *v, uint32_t iss)
{
    (void)iss;
    inject_undef(v);
    return TRAP_FAULT;
}

static enum trap_result raz_wi(struct vcpu *v, uint32_t iss)
{
    if (ISS_IS_READ(iss)) {
        gpr_write(v, ISS_RT(iss), 0);
    }
    return TRAP_EMULATED;
}

static enum trap_result physical_timer(struct vcpu *v, uint32_t iss)
{
    uint64_t value = gpr_read(v, ISS_RT(iss));
    count(&v->count, CNT_SYSREG_TIMER);
    bool known = ISS_IS_READ(iss) ? vtimer_sysreg_read(v, ISS_OP2(iss), &value)
                                  : vtimer_sysreg_write(v, ISS_OP2(iss), value);
    if (!known) {
        return undefined(v, iss);
    }
    if (ISS_IS_READ(iss)) {
        gpr_write(v, ISS_RT(iss), value);
    }
    return TRAP_EMULATED;
}

static enum trap_result send_sgi(struct vcpu *v, uint32_t iss, bool group1)
{
    if (ISS_IS_READ(iss)) {
        return undefined(v, iss);
    }
    count(&v->count, CNT_SYSREG_SGI);
    vgic_send_sgi(v->vgic, gpr_read(v, ISS_RT(iss)), group1);
    return TRAP_EMULATED;
}

// With one security state (GICD_CTLR.DS) both registers make group 0 SGIs.
static enum trap_result send_sgi_group0(struct vcpu *v, uint32_t iss)
{
    return send_sgi(v, iss, false);
}

static enum trap_result deactivate(struct vcpu *v, uint32_t iss)
{
    if (ISS_IS_READ(iss)) {
        return undefined(v, iss);
    }
    vgic_deactivate(v->vgic, gpr_read(v, ISS_RT(iss)));
    return TRAP_EMULATED;
}

static enum trap_result pauth_key(struct vcpu *v, uint32_t iss)
{
    count(&v->count, CNT_EXIT_PAUTH);
    return pauth_enable(v) ? TRAP_RETRY : undefined(v, iss);
}

static enum trap_result pmu_register(struct vcpu *v, uint32_t iss)
{
    bool enabled = !v->vm->id_policy.hide_pmu && pmu_enable(v);
    return enabled ? TRAP_RETRY : undefined(v, iss);
}

// Rows by CRm, of 8 registers by op2.
static enum trap_result id_register(struct vcpu *v, uint32_t iss)
{
    unsigned index = ((iss << 2) & 0x38) | ISS_OP2(iss);
    count(&v->count, CNT_SYSREG_ID);
    gpr_write(v, ISS_RT(iss), v->vm->id[index]);
    return TRAP_EMULATED;
}

// The first rule that matches holds.
static const struct sysreg_rule {
    uint32_t ignore; // bits of the key that do not matter
    uint32_t key;
    access_fn *access;
} rules[] = {
    {ANY_OP2, KEY(3, 3, 14, 2, 0), physical_timer}, // CNTP_*_EL0
    {0, KEY(3, 0, 12, 11, 1), deactivate},          // ICC_DIR_EL1
    {0, KEY(3, 0, 12, 11, 6), send_sgi_group0},     // ICC_ASGI1R_EL1
    {0, KEY(3, 0, 12, 11, 7), send_sgi_group0},     // ICC_SGI0R_EL1
    {0, KEY(3, 0, 1, 0, 1), raz_wi},                // ACTLR_EL1
    {ANY_OP2, KEY(3, 0, 2, 1, 0), pauth_key},       // APIA, APIB keys
    {ANY_OP2, KEY(3, 0, 2, 2, 0), pauth_key},       // APDA, APDB
    {ANY_OP2, KEY(3, 0, 2, 3, 0), pauth_key},       // APGA
    {ANY_OP1 | ANY_CRN | ANY_CRM | ANY_OP2, KEY(2, 0, 0, 0, 0), debug_register},
    {0, KEY(1, 0, 7, 6, 2), set_way_maintain},  // DC ISW
    {0, KEY(1, 0, 7, 10, 2), set_way_maintain}, // DC CSW
    {0, KEY(1, 0, 7, 14, 2), set_way_maintain}, // DC CISW
    // While the caches are off (HCR_EL2.TVM)
    {0, KEY(3, 0, 1, 0, 0), translation_register},                  // SCTLR_EL1
    {KEY(0, 0, 0, 0, 1), KEY(3, 0, 2, 0, 0), translation_register}, // TTBR0_EL1, TTBR1_EL1
    {0, KEY(3, 0, 2, 0, 2), translation_register},                  // TCR_EL1
    {KEY(0, 0, 0, 0, 1), KEY(3, 0, 5, 1, 0), translation_register}, // AFSR0_EL1, AFSR1_EL1
    {0, KEY(3, 0, 5, 2, 0), translation_register},                  // ESR_EL1
    {0, KEY(3, 0, 6, 0, 0), translation_register},                  // FAR_EL1
    {0, KEY(3, 0, 10, 2, 0), translation_register},                 // MAIR_EL1
    {0, KEY(3, 0, 10, 3, 0), translation_register},                 // AMAIR_EL1
    {0, KEY(3, 0, 13, 0, 1), translation_register},                 // CONTEXTIDR_EL1
    {ANY_OP2, KEY(3, 0, 9, 14, 0), pmu_register},                   // PMINTENSET, PMINTENCLR, PMMIR
    {ANY_CRM | ANY_OP2, KEY(3, 3, 9, 0, 0), pmu_register},          // PMU at EL0
    {KEY(0, 0, 0, 7, 7), KEY(3, 3, 14, 8, 0), pmu_register}, // PMEVCNTR, PMEVTYPER, PMCCFILTR
    // Absent features
    {ANY_CRM | ANY_OP2, KEY(3, 0, 0, 0, 0), undefined},  // writes to the ID space, CRm 8 and up
    {ANY_CRM | ANY_OP2, KEY(3, 0, 9, 0, 0), undefined},  // SPE, TRBE
    {ANY_CRM | ANY_OP2, KEY(3, 3, 13, 0, 0), undefined}, // AMU, SCXTNUM_EL0, TPIDR2_EL0
    {0, KEY(3, 0, 13, 0, 7), undefined},                 // SCXTNUM_EL1
    {KEY(0, 0, 0, 7, 7), KEY(3, 0, 5, 0, 0), undefined}, // ERR*, TFSR*: RAS, MTE
    {ANY_OP2, KEY(3, 0, 12, 1, 0), undefined},           // DISR_EL1
    {ANY_OP2, KEY(3, 0, 10, 4, 0), undefined},           // LOR*
    {ANY_OP2, KEY(3, 0, 10, 5, 0), undefined},           // MPAM*
    {ANY_OP2, KEY(3, 0, 10, 2, 0), undefined},           // PIR, POR, MAIR2
    {ANY_OP2, KEY(3, 3, 10, 2, 0), undefined},           // POR_EL0
    {ANY_OP2, KEY(3, 0, 1, 0, 0), undefined},            // SCTLR2, RGSR, GCR
    {ANY_OP2, KEY(3, 0, 1, 2, 0), undefined},            // ZCR, SMCR, SMPRI, TRFCR
    {ANY_OP2, KEY(3, 0, 2, 0, 0), undefined},            // TCR2
    {ANY_OP2, KEY(3, 0, 2, 5, 0), undefined},            // GCS*
    {ANY_OP2, KEY(3, 3, 2, 5, 0), undefined},
    {0, KEY(3, 3, 0, 0, 1), cache_type},                // CTR_EL0
    {KEY(0, 0, 0, 0, 1), KEY(3, 1, 0, 0, 0), cache_id}, // CCSIDR_EL1, CLIDR_EL1
    {0, KEY(3, 2, 0, 0, 0), cache_select},              // CSSELR_EL1
    {0, KEY(1, 0, 7, 1, 0), icache_maintain},           // IC IALLUIS
    {0, KEY(1, 0, 7, 5, 0), icache_maintain},           // IC IALLU
    {0, KEY(1, 3, 7, 5, 1), icache_maintain},           // IC IVAU
    {0, KEY(1, 3, 7, 11, 1), icache_maintain},          // DC CVAU
    {ANY_OP2, KEY(3, 1, 0, 0, 0), undefined},           // GMID, SMIDR
    // IMPLEMENTATION DEFINED (HCR_EL2.TIDCP)
    {ANY_OP1 | ANY_CRM | ANY_OP2, KEY(3, 0, 11, 0, 0), undefined},
    {ANY_OP1 | ANY_CRM | ANY_OP2, KEY(3, 0, 15, 0, 0), undefined},
    {ANY_OP1 | ANY_CRM | ANY_OP2, KEY(1, 0, 11, 0, 0), undefined},
    {ANY_OP1 | ANY_CRM | ANY_OP2, KEY(1, 0, 15, 0, 0), undefined},
};

static OUTLINE enum trap_result by_rule(struct vcpu *v, uint32_t iss)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if ((iss & ALL & ~rules[i].ignore) == rules[i].key) {
            return rules[i].access(v, iss);
        }
    }
    return TRAP_UNHANDLED;
}

static OUTLINE enum trap_result other_register(struct vcpu *v, uint32_t iss)
{
    if ((iss & ALL) == ICC_SGI1R_EL1) {
        return send_sgi(v, iss, true);
    }
    return iss == CALL && io_is_called(v) ? io_call(v) : by_rule(v, iss);
}

enum trap_result trap_sysreg(struct vcpu *v, uint64_t esr)
{
    uint32_t iss = (uint32_t)ESR_ISS(esr);
    if ((iss & ((ALL & ~(ID_ROWS | ANY_OP2)) | ISS_READ)) == (ID_SPACE | ISS_READ)) {
        return id_register(v, iss);
    }
    return other_register(v, iss);
}
