// SPDX-License-Identifier: Apache-2.0
#include "cpu/vcpu.h"

#include "arch/sysreg_bits.h"
#include "cpu/hardening.h"

#include <string.h>

void vcpu_reset(struct vcpu *v, gpa_t entry, uint64_t arg)
{
    memset(&v->regs, 0, sizeof(v->regs));
    memset(&v->el1, 0, sizeof(v->el1));
    memset(&v->fp, 0, sizeof(v->fp));
    debug_reset(v);
    memset(&v->keys, 0, sizeof(v->keys));
    v->regs.pc = entry.v;
    v->regs.x[0] = arg;
    v->regs.pstate = PSR_EL1H | PSR_DAIF;
    v->el1.sctlr_el1 = SCTLR_EL1_RES1;
    v->hcr &= ~(HCR_API | HCR_APK | HCR_VSE);
    v->pauth_used = false;
    v->serror = false;
    v->pmu_used = false;
    memset(&v->pmu, 0, sizeof(v->pmu));
    v->mdcr |= MDCR_TPM | MDCR_TPMCR;
    v->fp_live = false;
    v->vdisr = v->vsesr = 0;
    v->sve_whole = false;
    v->zcr = 0;
    v->fp_cpu = -1;
    if (v->hardened) {
        hardening_reset(v);
    }
    v->loaded_cpu = -1; // whatever a CPU still holds of it is not its state any more
}
