// SPDX-License-Identifier: Apache-2.0
#include "trap/caller.h"

#include "arch/at.h"
#include "arch/sysreg.h"
#include "lib/bits.h"
#include "mem/guest.h"
#include "trap/access.h"
#include "trap/inject.h"
#include "trap/walk.h"
#include "vm/vm.h"

#include <stddef.h>

static const struct walk_regs *regs_of(struct caller *m)
{
    if (!m->regs_read) {
        m->regs_read = true;
        walk_registers(&m->regs);
        m->regs.cpu.access_flag = m->regs.cpu.dirty = false;
        m->regs.pan = (m->v->regs.pstate & PSR_PAN) != 0;
        m->regs.el = from_el0(m->v) ? 0 : 1;
    }
    return &m->regs;
}

static bool is_device(unsigned attributes)
{
    return (attributes & 0xf0) == 0;
}

#define TCR_HD BIT(40) // hardware keeps dirty state

// The CPU's own walk, where that is right and finds something: it knows nothing of PAN, and would
// take a clean page for a writable one.
static bool translate_by_cpu(struct caller *m, uint64_t va, bool write, gpa_t *ipa)
{
    bool el0 = from_el0(m->v);
    if ((!el0 && (m->v->regs.pstate & PSR_PAN)) || (write && (read_sysreg(tcr_el1) & TCR_HD))) {
        return false;
    }
    uint64_t par = at_stage1(va, el0, write);
    *ipa = gpa(PAR_ADDRESS(par) | (va & PAGE_MASK));
    return (par & PAR_F) == 0 && !(m->normal_only && is_device(PAR_ATTRIBUTES(par)));
}

#define DFSC_EXTERNAL      0x10u
#define DFSC_EXTERNAL_WALK 0x14u // on a walk, and the level

static enum port_end fault(struct caller *m, uint64_t va, unsigned status, bool write)
{
    m->fault.va = va;
    m->fault.status = status;
    m->fault.write = write;
    return PORT_FAULT;
}

// Stage 2 refused: it may be settled as any access of the guest to its RAM is, and then the
// instruction is executed again.
static enum port_end refused(struct caller *m, uint64_t va, gpa_t ipa, unsigned status, bool write)
{
    if (ram_access_settled(m->v, ipa.v, write ? SPACE_WRITE : SPACE_READ)) {
        return PORT_AGAIN;
    }
    return fault(m, va, status, write);
}

static enum port_end translate(struct caller *m, uint64_t va, bool write, gpa_t *ipa)
{
    struct walk_result w = {0};
    if ((read_sysreg(sctlr_el1) & SCTLR_M) == 0 && va < BIT(m->v->s2->ipa_bits)) {
        *ipa = gpa(va);
        return PORT_DONE;
    }
    if (translate_by_cpu(m, va, write, ipa)) {
        return PORT_DONE;
    }
    walk_stage1(&m->v->vm->space.s2, regs_of(m), gva(va), write ? WALK_WRITE : WALK_READ, &w);
    if (w.fault == WALK_OK && m->normal_only && is_device(w.attributes)) {
        return fault(m, va, DFSC_EXTERNAL, write);
    }
    if (w.fault == WALK_OK) {
        *ipa = w.ipa;
        return PORT_DONE;
    }
    if (w.stage2) {
        return refused(m, va, w.ipa, DFSC_EXTERNAL_WALK + (unsigned)MAX(w.walk_level, 0), false);
    }
    return fault(m, va, (unsigned)w.fault | (unsigned)MAX(w.level, 0), write);
}

static enum port_end memory_read(struct port_memory *face, uint64_t va, void *to, size_t size)
{
    struct caller *m = container_of(face, struct caller, face);
    gpa_t ipa = {0};
    enum port_end end = translate(m, va, false, &ipa);
    if (end == PORT_DONE && guest_read(&m->v->vm->space.s2, to, ipa, size) != 0) {
        return refused(m, va, ipa, DFSC_EXTERNAL, false);
    }
    return end;
}

static enum port_end memory_write(struct port_memory *face, uint64_t va, const void *from,
                                  size_t size)
{
    struct caller *m = container_of(face, struct caller, face);
    gpa_t ipa = {0};
    enum port_end end = translate(m, va, true, &ipa);
    if (end == PORT_DONE && guest_write(&m->v->vm->space.s2, ipa, from, size) != 0) {
        return refused(m, va, ipa, DFSC_EXTERNAL, true);
    }
    return end;
}

static enum port_end memory_writable(struct port_memory *face, uint64_t va, size_t size)
{
    struct caller *m = container_of(face, struct caller, face);
    gpa_t ipa = {0};
    enum port_end end = translate(m, va, true, &ipa);
    if (end == PORT_DONE && guest_writable(&m->v->vm->space.s2, ipa, size) != 0) {
        return refused(m, va, ipa, DFSC_EXTERNAL, true);
    }
    return end;
}

void caller_init(struct caller *c, struct vcpu *v)
{
    c->face = (struct port_memory){memory_read, memory_write, memory_writable};
    c->v = v;
    c->regs_read = false;
    c->normal_only = false;
}

void caller_again(struct vcpu *v)
{
    v->regs.pc -= 4;
    v->regs.pstate |= v->debug.mdscr & MDSCR_SS ? PSR_SS : 0;
}
