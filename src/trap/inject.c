// SPDX-License-Identifier: Apache-2.0
#include "trap/inject.h"

#include "arch/sysreg.h"
#include "cpu/features.h"

// Offsets into the vectors (Arm ARM D1.3.1.5), for synchronous exceptions.
#define VECTOR_SP_EL0  0x000u
#define VECTOR_SP_ELX  0x200u
#define VECTOR_LOWER64 0x400u
#define VECTOR_LOWER32 0x600u

#define PSR_SSBS_32    BIT(23) // where an exception from AArch32 leaves SSBS
#define VSESR_EL2_MASK MASK(24, 0)

bool from_el0(const struct vcpu *v)
{
    return (v->regs.pstate & (PSR_M_MASK & ~PSR_AARCH32)) == PSR_EL0T;
}

static uint64_t vector(uint64_t pstate)
{
    if (pstate & PSR_AARCH32) {
        return VECTOR_LOWER32;
    }
    switch (pstate & PSR_M_MASK) {
    case PSR_EL0T:
        return VECTOR_LOWER64;
    case PSR_EL1T:
        return VECTOR_SP_EL0;
    default:
        return VECTOR_SP_ELX;
    }
}

static uint64_t pstate_at_entry(uint64_t old, uint64_t sctlr)
{
    // BTYPE, IL, SS and UAO become 0; what is not named here is not of this machine's.
    uint64_t new = PSR_EL1H | PSR_DAIF | (old & (PSR_NZCV | PSR_DIT));
    if (features.pan) {
        new |= sctlr &SCTLR_SPAN ? old &PSR_PAN : PSR_PAN;
    }
    if (features.ssbs && (sctlr & SCTLR_DSSBS)) {
        new |= PSR_SSBS;
    }
    if (features.mte) {
        new |= PSR_TCO;
    }
    return new;
}

static void take_exception(struct vcpu *v, uint64_t esr)
{
    uint64_t old = v->regs.pstate;
    write_sysreg(esr_el1, esr);
    write_sysreg(elr_el1, v->regs.pc);
    write_sysreg(spsr_el1, old);
    v->regs.pc = (read_sysreg(vbar_el1) & ~MASK(10, 0)) + vector(old);
    v->regs.pstate = pstate_at_entry(old, read_sysreg(sctlr_el1));
}

void inject_undef(struct vcpu *v)
{
    count(&v->count, CNT_INJECT_UNDEF);
    take_exception(v, ((uint64_t)EC_UNKNOWN << 26) | ESR_IL);
}

static uint64_t fault_status(enum abort_kind kind, unsigned level)
{
    switch (kind) {
    case ABORT_EXTERNAL_WALK0:
        return 0x14 + level;
    case ABORT_UNSUPPORTED_EXCLUSIVE:
        return 0x35;
    case ABORT_ALIGNMENT:
        return 0x21;
    case ABORT_TRANSLATION:
        return 0x04 + level;
    case ABORT_PERMISSION:
        return 0x0c + level;
    case ABORT_ACCESS_FLAG:
        return 0x08 + level;
    case ABORT_EXTERNAL:
    default:
        return 0x10;
    }
}

// lower: the exception class for an abort from EL0; the next one is for EL1's own.
static void inject_abort(struct vcpu *v, uint64_t lower, gva_t far, uint64_t iss)
{
    uint64_t ec = from_el0(v) ? lower : lower + 1;
    count(&v->count, CNT_INJECT_ABORT);
    write_sysreg(far_el1, far.v);
    take_exception(v, (ec << 26) | ESR_IL | iss);
}

void inject_data_fault(struct vcpu *v, gva_t far, uint64_t status, bool write)
{
    inject_abort(v, EC_DABT_LOWER, far, status | (write ? ISS_WNR : 0));
}

void inject_data_abort(struct vcpu *v, gva_t far, enum abort_kind kind, unsigned level, bool write)
{
    inject_data_fault(v, far, fault_status(kind, level), write);
}

void inject_cache_abort(struct vcpu *v, gva_t far, enum abort_kind kind, unsigned level)
{
    inject_abort(v, EC_DABT_LOWER, far, fault_status(kind, level) | ISS_WNR | ISS_CM);
}

void inject_instruction_abort(struct vcpu *v, gva_t far, enum abort_kind kind, unsigned level)
{
    inject_abort(v, EC_IABT_LOWER, far, fault_status(kind, level));
}

void inject_sync(struct vcpu *v, uint64_t esr, gva_t far)
{
    if (far.v != 0) {
        write_sysreg(far_el1, far.v);
    }
    take_exception(v, esr);
}

void inject_serror(struct vcpu *v, uint64_t esr)
{
    count(&v->count, CNT_INJECT_SERROR);
    v->hcr |= HCR_VSE;
    v->serror = true;
    write_sysreg(hcr_el2, read_sysreg(hcr_el2) | HCR_VSE);
    if (features.ras) {
        write_sysreg(S3_4_C5_C2_3, esr & VSESR_EL2_MASK); // VSESR_EL2
    }
}
