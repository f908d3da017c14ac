// SPDX-License-Identifier: Apache-2.0
#include "trap/io.h"

#include "arch/at.h"
#include "arch/sysreg.h"
#include "call/backdoor.h"
#include "mem/guest.h"
#include "trap/access.h"
#include "trap/inject.h"
#include "trap/walk.h"

#include <stddef.h>

// The caller's memory, as the caller itself could access it. Dirty state and access flag are not
// updated here: where hardware would, the guest gets the fault and does it.
struct callers_memory {
    struct port_memory face;
    struct vcpu *v;
    struct walk_regs regs;
    bool regs_read;
    struct {
        uint64_t va;
        unsigned status; // as ISS.DFSC
        bool write;
    } fault;
};

static const struct walk_regs *regs_of(struct callers_memory *m)
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

#define TCR_HD BIT(40) // hardware keeps dirty state

// The CPU's own walk, where that is right and finds something: it knows nothing of PAN, and would
// take a clean page for a writable one.
static bool translate_by_cpu(struct callers_memory *m, uint64_t va, bool write, gpa_t *ipa)
{
    const struct walk_regs *r = regs_of(m);
    if ((r->el == 1 && r->pan) || (write && (r->tcr & TCR_HD))) {
        return false;
    }
    uint64_t par = at_stage1(va, r->el == 0, write);
    *ipa = gpa(PAR_ADDRESS(par) | (va & PAGE_MASK));
    return (par & PAR_F) == 0;
}

#define DFSC_EXTERNAL      0x10u
#define DFSC_EXTERNAL_WALK 0x14u // on a walk, and the level

static enum port_end fault(struct callers_memory *m, uint64_t va, unsigned status, bool write)
{
    m->fault.va = va;
    m->fault.status = status;
    m->fault.write = write;
    return PORT_FAULT;
}

// Stage 2 refused: it may be settled as any access of the guest to its RAM is, and then the
// instruction is executed again.
static enum port_end refused(struct callers_memory *m, uint64_t va, gpa_t ipa, unsigned status,
                             bool write)
{
    if (ram_access_settled(m->v, ipa.v, write ? SPACE_WRITE : SPACE_READ)) {
        return PORT_AGAIN;
    }
    return fault(m, va, status, write);
}

static enum port_end translate(struct callers_memory *m, uint64_t va, bool write, gpa_t *ipa)
{
    struct walk_result w = {0};
    if (translate_by_cpu(m, va, write, ipa)) {
        return PORT_DONE;
    }
    walk_stage1(&m->v->vm->space.s2, regs_of(m), gva(va), write ? WALK_WRITE : WALK_READ, &w);
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
    struct callers_memory *m = container_of(face, struct callers_memory, face);
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
    struct callers_memory *m = container_of(face, struct callers_memory, face);
    gpa_t ipa = {0};
    enum port_end end = translate(m, va, true, &ipa);
    if (end == PORT_DONE && guest_write(&m->v->vm->space.s2, ipa, from, size) != 0) {
        return refused(m, va, ipa, DFSC_EXTERNAL, true);
    }
    return end;
}

static enum port_end memory_writable(struct port_memory *face, uint64_t va, size_t size)
{
    struct callers_memory *m = container_of(face, struct callers_memory, face);
    gpa_t ipa = {0};
    enum port_end end = translate(m, va, true, &ipa);
    if (end == PORT_DONE && guest_writable(&m->v->vm->space.s2, ipa, size) != 0) {
        return refused(m, va, ipa, DFSC_EXTERNAL, true);
    }
    return end;
}

// An HVC is executed once more: its step, if it is stepped, was not done yet.
static void go_back(struct vcpu *v)
{
    v->regs.pc -= 4;
    v->regs.pstate |= v->debug.mdscr & MDSCR_SS ? PSR_SS : 0;
}

static OUTLINE enum trap_result execute(struct vcpu *v, bool after)
{
    struct io_insn insn;
    struct callers_memory m = {
        .face = {memory_read, memory_write, memory_writable},
        .v = v,
    };
    if (!io_decode((uint32_t)v->regs.x[7], &insn)) {
        v->regs.x[IO_AX] = BACKDOOR_REFUSED;
        return TRAP_EMULATED;
    }
    enum port_end end = io_execute(&insn, &v->vm->ports, v, v->regs.x, &m.face);
    if (end == PORT_DONE) {
        return TRAP_EMULATED;
    }
    if (after) {
        go_back(v);
    }
    if (end == PORT_AGAIN) {
        return TRAP_RETRY;
    }
    inject_data_fault(v, gva(m.fault.va), m.fault.status, m.fault.write);
    return TRAP_FAULT;
}

static inline enum trap_result call(struct vcpu *v, bool after)
{
    count(&v->count, CNT_CALL_IO);
    if ((uint32_t)v->regs.x[7] == IO_IN_EAX_DX && (uint16_t)v->regs.x[IO_DX] == BACKDOOR_PORT &&
        backdoor_version(v)) {
        return TRAP_EMULATED;
    }
    return execute(v, after);
}

enum trap_result io_call(struct vcpu *v)
{
    return call(v, false);
}

enum trap_result io_call_after(struct vcpu *v)
{
    enum trap_result result = call(v, true);
    return result == TRAP_EMULATED ? TRAP_RETRY : result;
}
