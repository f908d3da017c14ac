// SPDX-License-Identifier: Apache-2.0
// Stage-2 aborts: emulated devices, holes, and RAM (Arm ARM D8.12, D19.2.37).
#include "arch/at.h"
#include "arch/cache.h"
#include "arch/sysreg.h"
#include "lib/log.h"
#include "trap/access.h"
#include "trap/gpr.h"
#include "trap/inject.h"
#include "trap/mmio.h"
#include "trap/trap.h"
#include "trap/walk.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"

// Fault status, the level in its low two bits
#define FSC_TYPE(esr)    ((esr)&0x3c)
#define FSC_ADDRESS_SIZE 0x00u
#define FSC_TRANSLATION  0x04u
#define FSC_ACCESS_FLAG  0x08u
#define FSC_PERMISSION   0x0cu
#define FSC_TLB_CONFLICT 0x30u

// HPFAR_EL2.FIPA is the address from bit 12 up.
static uint64_t fault_ipa(uint64_t far)
{
    return ((read_sysreg(hpfar_el2) & MASK(43, 4)) << 8) | (far & PAGE_MASK);
}

static bool in_ram(const struct vm *vm, uint64_t ipa)
{
    return ipa - VM_RAM_BASE < vm->config->memory;
}

// HPFAR_EL2 is not written for a permission fault outside a stage-1 walk. False when the guest's
// translation has changed since: then the access is to be made again.
static bool faulting_page(const struct vcpu *v, uint64_t esr, uint64_t far, uint64_t *ipa)
{
    if (FSC_TYPE(esr) != FSC_PERMISSION || (esr & ISS_S1PTW)) {
        *ipa = fault_ipa(far);
        return true;
    }
    uint64_t par = at_stage1(far, from_el0(v), false);
    *ipa = PAR_ADDRESS(par) | (far & PAGE_MASK);
    return (par & PAR_F) == 0;
}

// All of a VM's RAM is mapped with all rights, so this is a change under way or nothing that a
// guest did.
static bool ram_access_allowed(struct vcpu *v, uint64_t ipa, enum s2_rights need)
{
    struct s2_entry e;
    if (stage2_lookup(&v->vm->stage2, gpa(ipa), &e) == 0 && (e.rights & need) == need) {
        return true;
    }
    log_guest("%s vcpu %u: RAM at 0x%lx refused to 0x%lx", v->vm->config->name, v->index, ipa,
              v->regs.pc);
    return false;
}

// The guest's own walk met stage 2: a table that is not in RAM.
static enum trap_result walk_abort(struct vcpu *v, uint64_t esr, uint64_t far, bool fetch)
{
    uint64_t table = fault_ipa(far) & ~PAGE_MASK;
    if (in_ram(v->vm, table) && ram_access_allowed(v, table, S2_RW)) {
        return TRAP_RETRY;
    }
    unsigned level = walk_level(v, far, table);
    if (fetch) {
        inject_instruction_abort(v, gva(far), ABORT_EXTERNAL_WALK0, level);
    } else if (esr & ISS_CM) {
        inject_cache_abort(v, gva(far), ABORT_EXTERNAL_WALK0, level);
    } else {
        inject_data_abort(v, gva(far), ABORT_EXTERNAL_WALK0, level, (esr & ISS_WNR) != 0);
    }
    return TRAP_FAULT;
}

// Neither a translation fault nor one like it: an external abort, a TLB conflict...
static enum trap_result other_abort(struct vcpu *v, uint64_t esr, uint64_t far)
{
    if (FSC_TYPE(esr) == FSC_TLB_CONFLICT && (esr & 3) == 0) {
        tlbi_vmid_local(v->vttbr);
        return TRAP_RETRY;
    }
    uint64_t ec = ESR_EC(esr) + (from_el0(v) ? 0 : 1);
    count(&v->count, CNT_INJECT_ABORT);
    inject_sync(v, bits_set(esr, 31, 26, ec), gva(far));
    return TRAP_FAULT;
}

// All but the usual access to a device.
__attribute__((noinline)) static enum trap_result data_abort(struct vcpu *v, uint64_t esr)
{
    struct fault f = {.esr = esr, .far = read_sysreg(far_el2)};
    if (FSC_TYPE(esr) > FSC_PERMISSION) {
        return other_abort(v, esr, f.far);
    }
    if (esr & ISS_S1PTW) {
        return walk_abort(v, esr, f.far, false);
    }
    if (!faulting_page(v, esr, f.far, &f.ipa)) {
        return TRAP_RETRY;
    }
    if (in_ram(v->vm, f.ipa)) {
        bool write = (esr & ISS_WNR) != 0;
        if (ram_access_allowed(v, f.ipa, write ? S2_W : S2_R)) {
            return TRAP_RETRY;
        }
        inject_data_abort(v, gva(f.far), ABORT_EXTERNAL, 0, write);
        return TRAP_FAULT;
    }
    if (esr & ISS_CM) {
        return TRAP_EMULATED; // nothing that could be cached is there
    }
    return esr & ISS_ISV ? access_by_syndrome(v, &f) : access_by_instruction(v, &f);
}

// Little-endian data and AArch64: the instruction's registers are as they look.
static bool plain_order(const struct vcpu *v)
{
    return (read_sysreg(sctlr_el1) & (SCTLR_E0E | SCTLR_EE)) == 0 &&
           (v->regs.pstate & PSR_AARCH32) == 0;
}

// The usual access to a device, by its syndrome: aligned, and no sign to extend.
static bool usual_access(struct vcpu *v, uint64_t esr)
{
    const uint64_t telling = ISS_ISV | ISS_SSE | ISS_S1PTW | ISS_CM | 0x3c;
    if ((esr & telling) != (ISS_ISV | FSC_TRANSLATION) || !plain_order(v)) {
        return false;
    }
    uint64_t ipa = fault_ipa(read_sysreg(far_el2));
    unsigned size = 1u << ISS_SAS(esr);
    unsigned reg = (unsigned)ISS_SRT(esr);
    uint64_t mask = ~UINT64_C(0) >> (64 - 8 * size);
    if (!is_aligned(ipa, size)) {
        return false;
    }
    if (esr & ISS_WNR) {
        return mmio_write(v, ipa, size, gpr_read(v, reg) & mask);
    }
    struct mmio_answer a = mmio_read(v, ipa, size);
    if (a.answered) {
        gpr_write(v, reg, a.value & mask);
    }
    return a.answered;
}

__attribute__((noinline)) static enum trap_result not_word_load(struct vcpu *v, uint64_t esr)
{
    return usual_access(v, esr) ? TRAP_EMULATED : data_abort(v, esr);
}

// The most usual of all, which the price of an exit is measured by, is done with at once: a load of
// an aligned word.
enum trap_result trap_data_abort(struct vcpu *v, uint64_t esr)
{
    const uint64_t telling = ISS_ISV | MASK(23, 22) | ISS_SSE | ISS_S1PTW | ISS_CM | ISS_WNR | 0x3c;
    if ((esr & telling) == (ISS_ISV | (UINT64_C(2) << 22) | FSC_TRANSLATION) && plain_order(v)) {
        uint64_t ipa = fault_ipa(read_sysreg(far_el2));
        if (is_aligned(ipa, 4)) {
            struct mmio_answer a = mmio_read(v, ipa, 4);
            if (a.answered) {
                gpr_write(v, (unsigned)ISS_SRT(esr), (uint32_t)a.value);
                return TRAP_EMULATED;
            }
        }
    }
    return not_word_load(v, esr);
}

enum trap_result trap_instruction_abort(struct vcpu *v, uint64_t esr)
{
    uint64_t far = read_sysreg(far_el2);
    uint64_t ipa;
    if (FSC_TYPE(esr) > FSC_PERMISSION) {
        return other_abort(v, esr, far);
    }
    if (esr & ISS_S1PTW) {
        return walk_abort(v, esr, far, true);
    }
    if (!faulting_page(v, esr, far, &ipa)) {
        return TRAP_RETRY;
    }
    if (in_ram(v->vm, ipa) && ram_access_allowed(v, ipa, S2_X)) {
        return TRAP_RETRY;
    }
    count(&v->count, CNT_MMIO_NONE);
    inject_instruction_abort(v, gva(far), ABORT_EXTERNAL, 0);
    return TRAP_FAULT;
}
