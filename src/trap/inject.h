// SPDX-License-Identifier: Apache-2.0
// Exceptions given to a guest's EL1, exactly as the CPU would have taken them there (Arm ARM D1.3,
// AArch64.TakeException): ELR_EL1, SPSR_EL1, ESR_EL1, FAR_EL1, the vector by origin and PSTATE
// (DAIF, PAN by SCTLR_EL1.SPAN, SSBS by SCTLR_EL1.DSSBS, BTYPE, IL, SS...). On the vCPU's CPU while
// its EL1 state is loaded.
#pragma once

#include "cpu/vcpu.h"

#include <stdbool.h>

enum abort_kind {
    ABORT_EXTERNAL,              // DFSC/IFSC 0x10: nothing answers at that address
    ABORT_EXTERNAL_WALK0,        // 0x14 + level: on a table walk
    ABORT_UNSUPPORTED_EXCLUSIVE, // DFSC 0x35: exclusive or atomic to a device
    ABORT_ALIGNMENT,             // DFSC 0x21
    ABORT_TRANSLATION,           // 0x04 + level
    ABORT_PERMISSION,            // 0x0C + level
    ABORT_ACCESS_FLAG,           // 0x08 + level
};

// Did the exit come from the guest's EL0 (AArch64 or AArch32)?
bool from_el0(const struct vcpu *v);

void inject_undef(struct vcpu *v);
// EC, lower or same EL, is by origin; level counts for the kinds that have one.
void inject_data_abort(struct vcpu *v, gva_t far, enum abort_kind kind, unsigned level, bool write);
// The same with the fault status of another abort (0..0x3f), as PAR_EL1.FST has it.
void inject_data_fault(struct vcpu *v, gva_t far, uint64_t status, bool write);
// The same for a cache maintenance or address translation instruction (ISS.CM, WnR set).
void inject_cache_abort(struct vcpu *v, gva_t far, enum abort_kind kind, unsigned level);
void inject_instruction_abort(struct vcpu *v, gva_t far, enum abort_kind kind, unsigned level);
// Any synchronous exception with its ESR given whole (for example a trap that belongs to EL1); far
// 0 if it has none.
void inject_sync(struct vcpu *v, uint64_t esr, gva_t far);
// HCR_EL2.VSE, VSESR_EL2 where RAS; esr: the ESR_EL2 of the SError. The machine clears VSE in
// HCR_EL2 when the guest takes it: whoever saves the vCPU takes the bit over into v->hcr.
void inject_serror(struct vcpu *v, uint64_t esr);
