// SPDX-License-Identifier: Apache-2.0
// Stage-2 aborts: emulated devices, holes, and RAM (Arm ARM D8.12, D19.2.37).
#include "arch/at.h"
#include "arch/cache.h"
#include "arch/sysreg.h"
#include "lib/log.h"
#include "trap/access.h"
#include "trap/gpr.h"
#include "trap/inject.h"
#include "trap/trap.h"
#include "trap/walk.h"
#include "vm/caches.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"
#include "vm/watch.h"

// Fault status, the level in its low two bits
#define FSC_TYPE(esr)    ((esr)&0x3c)
#define FSC_ADDRESS_SIZE 0x00u
#define FSC_TRANSLATION  0x04u
#define FSC_ACCESS_FLAG  0x08u
#define FSC_PERMISSION   0x0cu
#define FSC_TLB_CONFLICT 0x30u

// HPFAR_EL2.FIPA, from bit 4 up, is the address from bit 12 up; the bits below are RES0.
static uint64_t fault_ipa(uint64_t far)
{
    return read_sysreg(hpfar_el2) << 8 | (far & PAGE_MASK);
}

static bool in_ram(const struct vm *vm, uint64_t ipa)
{
    return ipa - VM_RAM_BASE < vm->config->memory;
}

// HPFAR_EL2 is not written for a permission fault outside a stage-1 walk. False when the guest's
// translation has changed since: then the access is to be made again. EL1 may read whatever anybody
// may access or fetch, so it is asked on its behalf.
static bool faulting_page(uint64_t esr, uint64_t far, uint64_t *ipa)
{
    if (FSC_TYPE(esr) != FSC_PERMISSION || (esr & ISS_S1PTW)) {
        *ipa = fault_ipa(far);
        return true;
    }
    uint64_t par = at_stage1(far, false, false);
    *ipa = PAR_ADDRESS(par) | (far & PAGE_MASK);
    return (par & PAR_F) == 0;
}

// By the address of the code, where it is watched.
static void tell_denied(const struct vcpu *v, uint64_t ipa, enum space_access access)
{
    static const char *const accesses[] = {"read", "write", "fetch"};
    struct watch w;

    if (access == SPACE_WRITE && watch_find(v->vm, gpa(ipa), &w)) {
        log_guest("%s vcpu %u: watched: write of 0x%lx, which is 0x%lx, at 0x%lx",
                  v->vm->config->name, v->index, w.va.v + (ipa - w.ipa.v), ipa, v->regs.pc);
    } else {
        log_guest("%s vcpu %u: protected: %s of 0x%lx at 0x%lx", v->vm->config->name, v->index,
                  accesses[access], ipa, v->regs.pc);
    }
}

// An override forbids it. True if the access is to be made again.
static OUTLINE bool ram_denied(struct vcpu *v, uint64_t ipa, enum space_access access)
{
    enum override_policy policy;
    count(&v->count, CNT_MEM_DENIED);
    if (!space_policy(&v->vm->space, gpa(ipa), &policy)) {
        return true;
    }
    tell_denied(v, ipa, access);
    if (policy == OVERRIDE_PAUSE) {
        (void)vm_pause(v->vm); // and when it goes on, it tries again
        return true;
    }
    return policy == OVERRIDE_LOG && space_lift(&v->vm->space, gpa(ipa)) == 0;
}

static OUTLINE void no_tables(const struct vcpu *v, uint64_t ipa)
{
    log_guest("%s vcpu %u: no memory left to map 0x%lx", v->vm->config->name, v->index, ipa);
}

// The guest touched RAM that is not populated, or not executable, yet; or that is protected. True
// if the access is to be made again, false if the guest gets an abort for it.
static bool ram_settled(struct vcpu *v, uint64_t esr, uint64_t ipa, enum space_access access)
{
    bool fetch = access == SPACE_FETCH;
    uint64_t sctlr = read_sysreg(sctlr_el1);
    bool uncached = (~sctlr & (SCTLR_M | (fetch ? SCTLR_I : SCTLR_C))) != 0;
    switch (space_fault(&v->vm->space, gpa(ipa), access, uncached)) {
    case SPACE_RETRY:
        if (FSC_TYPE(esr) == FSC_TRANSLATION) {
            count(&v->count, CNT_MEM_TRANSLATION);
        } else if (fetch) {
            count(&v->count, CNT_MEM_EXECUTE);
        }
        return true;
    case SPACE_DENIED:
        return ram_denied(v, ipa, access);
    case SPACE_NO_MEMORY:
        no_tables(v, ipa);
        return false;
    case SPACE_OUTSIDE:
        break;
    }
    return false;
}

bool ram_access_settled(struct vcpu *v, uint64_t ipa, enum space_access access)
{
    return in_ram(v->vm, ipa) && ram_settled(v, 0, ipa, access);
}

// A walk that was refused permission is one that wanted to write, if it may read.
static enum space_access walk_access(uint64_t esr)
{
    return FSC_TYPE(esr) == FSC_PERMISSION ? SPACE_WRITE : SPACE_READ;
}

// Maintenance by address counts as a write (ISS.WnR), but only DC IVAC needs the right to.
static enum space_access data_access(uint64_t esr)
{
    if ((esr & ISS_CM) && FSC_TYPE(esr) != FSC_PERMISSION) {
        return SPACE_READ;
    }
    return esr & ISS_WNR ? SPACE_WRITE : SPACE_READ;
}

bool abort_is_of_stage2(const struct vcpu *v, uint64_t esr)
{
    if (FSC_TYPE(esr) != FSC_TRANSLATION || (esr & ISS_S1PTW)) {
        return true;
    }
    uint64_t par = at_stage1(read_sysreg(far_el2), from_el0(v), (esr & ISS_WNR) != 0);
    if (par & PAR_F) {
        return false;
    }
    write_sysreg(hpfar_el2, PAR_ADDRESS(par) >> 8);
    return true;
}

// The guest's own walk met stage 2.
static enum trap_result walk_abort(struct vcpu *v, uint64_t esr, uint64_t far, bool fetch)
{
    uint64_t table = fault_ipa(far) & ~PAGE_MASK;
    if (in_ram(v->vm, table) && ram_settled(v, esr, table, walk_access(esr))) {
        return TRAP_RETRY;
    }
    caches_look(v);
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
        tlbi_vmid(v->vttbr);
        return TRAP_RETRY;
    }
    uint64_t ec = ESR_EC(esr) + (from_el0(v) ? 0 : 1);
    count(&v->count, CNT_INJECT_ABORT);
    inject_sync(v, bits_set(esr, 31, 26, ec), gva(far));
    return TRAP_FAULT;
}

static enum trap_result ram_abort(struct vcpu *v, const struct fault *f)
{
    if (ram_settled(v, f->esr, f->ipa, data_access(f->esr))) {
        return TRAP_RETRY;
    }
    if (f->esr & ISS_CM) {
        inject_cache_abort(v, gva(f->far), ABORT_EXTERNAL, 0);
    } else {
        inject_data_abort(v, gva(f->far), ABORT_EXTERNAL, 0, (f->esr & ISS_WNR) != 0);
    }
    return TRAP_FAULT;
}

static OUTLINE enum trap_result data_abort(struct vcpu *v, uint64_t esr)
{
    struct fault f = {.esr = esr, .far = read_sysreg(far_el2)};
    if (FSC_TYPE(esr) > FSC_PERMISSION) {
        return other_abort(v, esr, f.far);
    }
    if (esr & ISS_S1PTW) {
        return walk_abort(v, esr, f.far, false);
    }
    if (!faulting_page(esr, f.far, &f.ipa)) {
        return TRAP_RETRY;
    }
    if (in_ram(v->vm, f.ipa)) {
        return ram_abort(v, &f);
    }
    if (space_fault(&v->vm->space, gpa(f.ipa), data_access(esr), false) == SPACE_RETRY) {
        return TRAP_RETRY;
    }
    if (esr & ISS_CM) {
        return TRAP_EMULATED; // nothing that could be cached is there
    }
    caches_look(v);
    return esr & ISS_ISV ? access_by_syndrome(v, &f) : access_by_instruction(v, &f);
}

// size: 1 to 8
static uint64_t low_bytes(uint64_t value, unsigned size)
{
    unsigned above = 64 - 8 * size;

    return value << above >> above;
}

// Nearly every abort is this: little-endian AArch64, one register, aligned and not sign-extended,
// to a device. ISV says that it is neither cache maintenance nor a stage-1 walk. Everything else
// goes the long way, which also knows what is done here.
enum trap_result trap_data_abort(struct vcpu *v, uint64_t esr)
{
    uint64_t ipa = fault_ipa(read_sysreg(far_el2));
    unsigned size = 1u << ISS_SAS(esr);
    uint64_t kind = RECOMPUTED((esr & (ISS_ISV | ISS_SSE | 0x3c)) ^ FSC_TRANSLATION);
    if (unlikely(kind != ISS_ISV || ((unsigned)ipa & (size - 1)) != 0 ||
                 (v->regs.pstate & PSR_AARCH32) ||
                 (read_sysreg(sctlr_el1) & (SCTLR_EE | SCTLR_E0E)))) {
        return data_abort(v, esr);
    }
    struct device *d = bus_find(&v->vm->bus, ipa);
    if (unlikely(d == NULL)) {
        return data_abort(v, esr);
    }
    uint64_t offset = ipa - d->base.v;
    count(&v->count, (enum counter)d->counter);
    if (esr & ISS_WNR) {
        d->ops->write(d, v, offset, size, low_bytes(gpr_read(v, (unsigned)ISS_SRT(esr)), size));
    } else {
        uint64_t value = d->ops->read(d, v, offset, size);
        gpr_write(v, (unsigned)ISS_SRT(esr), value);
    }
    return TRAP_EMULATED;
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
    if (!faulting_page(esr, far, &ipa)) {
        return TRAP_RETRY;
    }
    if (in_ram(v->vm, ipa)) {
        caches_look(v); // the rare one of the faults in RAM: data aborts do without
        if (ram_settled(v, esr, ipa, SPACE_FETCH)) {
            return TRAP_RETRY;
        }
    } else {
        count(&v->count, CNT_MMIO_NONE);
    }
    inject_instruction_abort(v, gva(far), ABORT_EXTERNAL, 0);
    return TRAP_FAULT;
}
