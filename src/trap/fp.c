// SPDX-License-Identifier: Apache-2.0
// State that is loaded at its first use since the vCPU was switched in.
#include "arch/sysreg.h"
#include "cpu/features.h"
#include "cpu/switch.h"
#include "trap/inject.h"
#include "trap/pauth.h"
#include "trap/trap.h"
#include "vm/vm.h"

enum trap_result trap_fp(struct vcpu *v, uint64_t esr)
{
    (void)esr;
    fp_load(v);
    return TRAP_RETRY;
}

enum trap_result trap_sve(struct vcpu *v, uint64_t esr)
{
    (void)esr;
    if (sve_load(v)) {
        return TRAP_RETRY;
    }
    inject_undef(v);
    return TRAP_FAULT;
}

bool pauth_enable(struct vcpu *v)
{
    if (!features.pauth || v->vm->id_policy.hide_pauth) {
        return false;
    }
    v->hcr |= HCR_API | HCR_APK;
    write_sysreg(hcr_el2, read_sysreg(hcr_el2) | HCR_API | HCR_APK);
    pauth_load(v);
    v->pauth_used = true;
    return true;
}

enum trap_result trap_pauth(struct vcpu *v, uint64_t esr)
{
    (void)esr;
    if (pauth_enable(v)) {
        return TRAP_RETRY;
    }
    inject_undef(v);
    return TRAP_FAULT;
}

enum trap_result trap_absent(struct vcpu *v, uint64_t esr)
{
    (void)esr;
    inject_undef(v);
    return TRAP_FAULT;
}
