// SPDX-License-Identifier: Apache-2.0
#include "call/smccc.h"
#include "trap/efi.h"
#include "trap/io.h"
#include "trap/trap.h"

// DEN0028 2.9: only an immediate of zero is the calling convention's.
#define CALL_IMMEDIATE(esr) ((esr)&0xffff)

static OUTLINE enum trap_result other_immediate(struct vcpu *v, uint64_t esr)
{
    if (CALL_IMMEDIATE(esr) == IO_MAGIC && io_exists(v)) {
        return io_call_after(v);
    }
    if (CALL_IMMEDIATE(esr) == EFI_UPCALL && efi_exists(v)) {
        return efi_upcall(v);
    }
    v->regs.x[0] = (uint64_t)SMCCC_NOT_SUPPORTED;
    return TRAP_RETRY;
}

enum trap_result trap_hvc(struct vcpu *v, uint64_t esr)
{
    if (CALL_IMMEDIATE(esr) != 0) {
        return other_immediate(v, esr);
    }
    (void)smccc_call(v);
    return TRAP_RETRY; // ELR_EL2 is past an HVC already
}

enum trap_result trap_smc(struct vcpu *v, uint64_t esr)
{
    if (CALL_IMMEDIATE(esr) != 0) {
        v->regs.x[0] = (uint64_t)SMCCC_NOT_SUPPORTED;
        return TRAP_EMULATED;
    }
    return smccc_call(v) ? TRAP_EMULATED : TRAP_RETRY;
}
