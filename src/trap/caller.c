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
static inline bool translate_by_cpu(struct caller *m, uint64_t va, bool write, gpa_t *ipa)
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
static OUTLINE enum port_end refused(struct caller *m, uint64_t va, gpa_t ipa, unsigned status,
                                     bool write)
{
    if (ram_access_settled(m->v, ipa.v, write ? SPACE_WRITE : SPACE_READ)) {
        return PORT_AGAIN;
    }
    return fault(m, va, status, write);
}

// What is at ipa, after PORT_DONE.
struct translation {
    enum port_end end;
    gpa_t ipa;
};

static OUTLINE struct translation translate_by_walk(struct caller *m, uint64_t va, bool write)
{
    struct walk_result w = {0};
    enum port_end end = PORT_DONE;
    walk_stage1(m->v->s2, regs_of(m), gva(va), write ? WALK_WRITE : WALK_READ, &w);
    if (w.fault == WALK_OK && m->normal_only && is_device(w.attributes)) {
        end = fault(m, va, DFSC_EXTERNAL, write);
    } else if (w.stage2) {
        end = refused(m, va, w.ipa, DFSC_EXTERNAL_WALK + (unsigned)MAX(w.walk_level, 0), false);
    } else if (w.fault != WALK_OK) {
        end = fault(m, va, (unsigned)w.fault | (unsigned)MAX(w.level, 0), write);
    }
    return (struct translation){end, w.ipa};
}

static inline __attribute__((always_inline)) struct translation translate(struct caller *m,
                                                                          uint64_t va, bool write)
{
    gpa_t ipa;
    if ((read_sysreg(sctlr_el1) & SCTLR_M) == 0 && va < BIT(m->v->s2->ipa_bits)) {
        return (struct translation){PORT_DONE, gpa(va)};
    }
    if (translate_by_cpu(m, va, write, &ipa)) {
        return (struct translation){PORT_DONE, ipa};
    }
    return translate_by_walk(m, va, write);
}

static enum port_end memory_read(struct port_memory *face, uint64_t va, void *to, size_t size)
{
    struct caller *m = container_of(face, struct caller, face);
    struct translation t = translate(m, va, false);
    if (t.end == PORT_DONE && guest_read(m->v->s2, to, t.ipa, size) != 0) {
        return refused(m, va, t.ipa, DFSC_EXTERNAL, false);
    }
    return t.end;
}

static enum port_end memory_write(struct port_memory *face, uint64_t va, const void *from,
                                  size_t size)
{
    struct caller *m = container_of(face, struct caller, face);
    struct translation t = translate(m, va, true);
    if (t.end == PORT_DONE && guest_write(m->v->s2, t.ipa, from, size) != 0) {
        return refused(m, va, t.ipa, DFSC_EXTERNAL, true);
    }
    return t.end;
}

static enum port_end memory_writable(struct port_memory *face, uint64_t va, size_t size)
{
    struct caller *m = container_of(face, struct caller, face);
    struct translation t = translate(m, va, true);
    if (t.end == PORT_DONE && guest_writable(m->v->s2, t.ipa, size) != 0) {
        return refused(m, va, t.ipa, DFSC_EXTERNAL, true);
    }
    return t.end;
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
