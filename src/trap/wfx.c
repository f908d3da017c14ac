// SPDX-License-Identifier: Apache-2.0
#include "arch/sysreg.h"
#include "trap/trap.h"

#define TI_WFI 0

// A vCPU in WFI sleeps until an interrupt or an attention bit comes. WFE and the forms with a
// timeout only let others go first: all of them may end at any time for any reason. So may WFI, and
// an AArch32 one whose condition failed must not sleep at all.
enum trap_result trap_wfx(struct vcpu *v, uint64_t esr)
{
    bool sleep = (esr & 3) == TI_WFI && !(v->regs.pstate & PSR_AARCH32);
    vcpu_request(v, sleep ? ATTN_BLOCK : ATTN_RESCHED);
    return TRAP_EMULATED;
}
