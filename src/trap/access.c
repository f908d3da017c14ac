// SPDX-License-Identifier: Apache-2.0
#include "trap/access.h"

#include "arch/at.h"
#include "arch/sysreg.h"
#include "cpu/switch.h"
#include "lib/log.h"
#include "mem/guest.h"
#include "trap/decode.h"
#include "trap/gpr.h"
#include "trap/inject.h"
#include "vm/vm.h"

#include <string.h>

#define PSR_AARCH32_E BIT(9)
#define BYTES_MAX     64 // LD4 of 128-bit registers
#define VA_BITS       MASK(55, 0)

static bool big_endian(const struct vcpu *v)
{
    if (v->regs.pstate & PSR_AARCH32) {
        return (v->regs.pstate & PSR_AARCH32_E) != 0;
    }
    return (read_sysreg(sctlr_el1) & (from_el0(v) ? SCTLR_E0E : SCTLR_EE)) != 0;
}

static uint64_t swap(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

static uint64_t truncate(uint64_t value, unsigned size)
{
    return value & MASK(8 * size - 1, 0);
}

static uint64_t extend_sign(uint64_t value, unsigned size)
{
    unsigned shift = 64 - 8 * size;
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static bool is_write(const struct fault *f)
{
    return (f->esr & ISS_WNR) != 0;
}

static enum trap_result nothing_there(struct vcpu *v, const struct fault *f, uint64_t far)
{
    count(&v->count, CNT_MMIO_NONE);
    inject_data_abort(v, gva(far), ABORT_EXTERNAL, 0, is_write(f));
    return TRAP_FAULT;
}

// ---- with a syndrome ----

static void syndrome_read(struct vcpu *v, const struct fault *f, struct device *d, unsigned size)
{
    uint64_t value = d->ops->read(d, v, f->ipa - d->base.v, size);
    if (big_endian(v)) {
        value = swap(value, size);
    }
    gpr_write(v, (unsigned)ISS_SRT(f->esr), syndrome_extend(f->esr, value, size));
}

static void syndrome_write(struct vcpu *v, const struct fault *f, struct device *d, unsigned size)
{
    uint64_t value = truncate(gpr_read(v, (unsigned)ISS_SRT(f->esr)), size);
    if (big_endian(v)) {
        value = swap(value, size);
    }
    d->ops->write(d, v, f->ipa - d->base.v, size, value);
}

enum trap_result access_by_syndrome(struct vcpu *v, const struct fault *f)
{
    unsigned size = 1u << ISS_SAS(f->esr);
    if (!is_aligned(f->ipa, size)) {
        return access_by_instruction(v, f); // taken apart there
    }
    struct device *d = bus_find(&v->vm->bus, f->ipa);
    if (d == NULL) {
        return nothing_there(v, f, f->far);
    }
    count(&v->count, (enum counter)d->counter);
    if (is_write(f)) {
        syndrome_write(v, f, d, size);
    } else {
        syndrome_read(v, f, d, size);
    }
    return TRAP_EMULATED;
}

// ---- from the instruction ----

struct transfer {
    const struct fault *fault;
    struct access a;
    uint64_t address;                                      // virtual, of the first byte
    bool swap;                                             // elements are big-endian
    uint32_t written;                                      // bit n: SIMD register n was
    uint8_t bytes[BYTES_MAX] __attribute__((aligned(16))); // as they lie in memory
};

// The instruction, through the guest's own translation. False when that has changed since.
static bool fetch(struct vcpu *v, uint32_t *insn)
{
    uint64_t par = at_stage1(v->regs.pc, false, false); // what EL0 may execute, EL1 may read
    return (par & PAR_F) == 0 &&
           guest_read(&v->vm->space.s2, insn, gpa(PAR_ADDRESS(par) | (v->regs.pc & PAGE_MASK)),
                      sizeof(*insn)) == 0;
}

static bool uses_sp_el0(const struct vcpu *v)
{
    return (v->regs.pstate & PSR_M_MASK) != PSR_EL1H;
}

static uint64_t base_read(const struct vcpu *v, unsigned n)
{
    if (n != 31) {
        return v->regs.x[n];
    }
    return uses_sp_el0(v) ? read_sysreg(sp_el0) : read_sysreg(sp_el1);
}

static void base_write(struct vcpu *v, unsigned n, uint64_t value)
{
    if (n != 31) {
        v->regs.x[n] = value;
    } else if (uses_sp_el0(v)) {
        write_sysreg(sp_el0, value);
    } else {
        write_sysreg(sp_el1, value);
    }
}

static uint64_t register_offset(const struct vcpu *v, const struct access *a)
{
    uint64_t value = gpr_read(v, a->rm);
    switch (a->extend) {
    case EXTEND_UXTW:
        value = (uint32_t)value;
        break;
    case EXTEND_SXTW:
        value = extend_sign(value, 4);
        break;
    default:
        break;
    }
    return value << a->shift;
}

static uint64_t address_of(const struct vcpu *v, const struct access *a, uint64_t far)
{
    switch (a->form) {
    case ADDRESS_OFFSET:
    case ADDRESS_PRE:
        return base_read(v, a->rn) + (uint64_t)a->offset;
    case ADDRESS_LITERAL:
        return v->regs.pc + (uint64_t)a->offset;
    case ADDRESS_REGISTER:
        return base_read(v, a->rn) + register_offset(v, a);
    case ADDRESS_FAULTING:
    case ADDRESS_FAULTING_PRE:
        return far;
    case ADDRESS_POST:
    case ADDRESS_POST_REGISTER:
    default:
        return base_read(v, a->rn);
    }
}

static void write_back(struct vcpu *v, const struct transfer *t)
{
    const struct access *a = &t->a;
    switch (a->form) {
    case ADDRESS_PRE:
    case ADDRESS_FAULTING_PRE:
        base_write(v, a->rn, t->address);
        break;
    case ADDRESS_POST:
        base_write(v, a->rn, t->address + (uint64_t)a->offset);
        break;
    case ADDRESS_POST_REGISTER:
        base_write(v, a->rn, t->address + register_offset(v, a));
        break;
    default:
        break;
    }
}

// An access over the end of a page goes on wherever the guest mapped the next one. On a fault
// there, an exception is injected and the result is false.
static bool translate(struct vcpu *v, const struct transfer *t, uint64_t va, uint64_t *ipa)
{
    const struct fault *f = t->fault;
    if (((va ^ f->far) & VA_BITS & ~PAGE_MASK) == 0) {
        *ipa = (f->ipa & ~PAGE_MASK) | (va & PAGE_MASK);
        return true;
    }
    uint64_t par = at_stage1(va, from_el0(v) || t->a.unprivileged, !t->a.load);
    if ((par & PAR_F) == 0) {
        *ipa = PAR_ADDRESS(par) | (va & PAGE_MASK);
        return true;
    }
    if (par & PAR_STAGE2) {
        inject_data_abort(v, gva(va), ABORT_EXTERNAL_WALK0, 3, !t->a.load);
    } else {
        inject_data_fault(v, gva(va), PAR_FST(par), !t->a.load);
    }
    return false;
}

// One naturally aligned piece of at most 8 bytes.
static bool move_piece(struct vcpu *v, struct transfer *t, unsigned at, unsigned size)
{
    uint64_t va = t->address + at;
    uint64_t ipa = 0;
    uint64_t value = 0;
    if (!translate(v, t, va, &ipa)) {
        return false;
    }
    struct device *d = bus_find(&v->vm->bus, ipa);
    if (d == NULL) {
        (void)nothing_there(v, t->fault, va);
        return false;
    }
    count(&v->count, (enum counter)d->counter);
    if (t->a.load) {
        value = d->ops->read(d, v, ipa - d->base.v, size);
        memcpy(&t->bytes[at], &value, size);
    } else {
        memcpy(&value, &t->bytes[at], size);
        d->ops->write(d, v, ipa - d->base.v, size, value);
    }
    return true;
}

// Element by element, each in the largest pieces that its alignment allows.
static bool move_bytes(struct vcpu *v, struct transfer *t)
{
    unsigned total = access_bytes(&t->a);
    unsigned element = 1u << t->a.size;
    for (unsigned at = 0; at < total;) {
        unsigned left = element - at % element;
        unsigned size = 8;
        while (size > left || !is_aligned(t->address + at, size)) {
            size /= 2;
        }
        if (!move_piece(v, t, at, size)) {
            return false;
        }
        at += size;
    }
    return true;
}

// An element of up to 16 bytes between memory order and a register's.
static void copy_element(uint8_t *to, const uint8_t *from, unsigned size, bool reverse)
{
    for (unsigned i = 0; i < size; i++) {
        to[i] = from[reverse ? size - 1 - i : i];
    }
}

static void load_general(struct vcpu *v, const struct transfer *t, unsigned n, unsigned element)
{
    unsigned size = 1u << t->a.size;
    uint64_t value = 0;
    copy_element((uint8_t *)&value, &t->bytes[(size_t)element << t->a.size], size, t->swap);
    if (t->a.sign) {
        value = extend_sign(value, size);
    }
    gpr_write(v, n, t->a.wide ? value : (uint32_t)value);
}

static void store_general(const struct vcpu *v, struct transfer *t, unsigned n, unsigned element)
{
    unsigned size = 1u << t->a.size;
    uint64_t value = gpr_read(v, n);
    copy_element(&t->bytes[(size_t)element << t->a.size], (const uint8_t *)&value, size, t->swap);
}

static void load_simd(struct vcpu *v, struct transfer *t, unsigned n, unsigned element)
{
    unsigned size = 1u << t->a.size;
    t->written |= (uint32_t)BIT(n);
    v->fp.v[n] = 0;
    copy_element((uint8_t *)&v->fp.v[n], &t->bytes[(size_t)element << t->a.size], size, t->swap);
}

static void store_simd(const struct vcpu *v, struct transfer *t, unsigned n, unsigned element)
{
    unsigned size = 1u << t->a.size;
    copy_element(&t->bytes[(size_t)element << t->a.size], (const uint8_t *)&v->fp.v[n], size,
                 t->swap);
}

static void move_plain(struct vcpu *v, struct transfer *t)
{
    const struct access *a = &t->a;
    for (unsigned i = 0; i < a->elements; i++) {
        unsigned n = i == 0 ? a->rt : a->rt2;
        if (a->simd) {
            a->load ? load_simd(v, t, n, i) : store_simd(v, t, n, i);
        } else {
            a->load ? load_general(v, t, n, i) : store_general(v, t, n, i);
        }
    }
}

static void load_lane(struct vcpu *v, struct transfer *t, unsigned n, unsigned lane,
                      const uint8_t *from)
{
    unsigned size = 1u << t->a.size;
    unsigned width = t->a.quad ? 16 : 8;
    uint8_t *vector = (uint8_t *)&v->fp.v[n];
    t->written |= (uint32_t)BIT(n);
    if (t->a.replicate) {
        v->fp.v[n] = 0;
        for (unsigned at = 0; at < width; at += size) {
            copy_element(vector + at, from, size, t->swap);
        }
        return;
    }
    if (!t->a.single && lane == 0) {
        v->fp.v[n] = 0;
    }
    copy_element(vector + (size_t)lane * size, from, size, t->swap);
}

// Arm ARM C7.2, LD1 and ST1 (multiple structures) to LD4R: which element lies where.
static void move_vectors(struct vcpu *v, struct transfer *t)
{
    const struct access *a = &t->a;
    unsigned size = 1u << a->size;
    uint8_t *at = t->bytes;
    for (unsigned r = 0; r < a->repeats; r++) {
        for (unsigned e = 0; e < a->lanes; e++) {
            unsigned lane = a->single ? a->lane : e;
            for (unsigned s = 0; s < a->structure; s++, at += size) {
                unsigned n = (a->rt + r + s) % 32;
                if (a->load) {
                    load_lane(v, t, n, lane, at);
                } else {
                    copy_element(at, (const uint8_t *)&v->fp.v[n] + (size_t)lane * size, size,
                                 t->swap);
                }
            }
        }
    }
}

// Between registers and t->bytes.
static void move_registers(struct vcpu *v, struct transfer *t)
{
    bool simd = t->a.simd || t->a.kind == ACCESS_VECTORS;
    if (simd) {
        fp_view(v);
    }
    t->a.kind == ACCESS_VECTORS ? move_vectors(v, t) : move_plain(v, t);
    if (simd && t->a.load) {
        fp_update(v, t->written);
    }
}

// Is this the access that the CPU made? If not, the code was rewritten under us: once more.
static bool plausible(const struct transfer *t)
{
    return t->a.load == !is_write(t->fault) &&
           ((t->fault->far - t->address) & VA_BITS) < access_bytes(&t->a);
}

static enum trap_result transfer(struct vcpu *v, struct transfer *t)
{
    t->address = address_of(v, &t->a, t->fault->far);
    t->swap = big_endian(v);
    if (!plausible(t)) {
        return TRAP_RETRY;
    }
    count(&v->count, CNT_MMIO_DECODED);
    if (!t->a.load) {
        move_registers(v, t);
    }
    if (!move_bytes(v, t)) {
        return TRAP_FAULT;
    }
    write_back(v, t);
    if (t->a.load) {
        move_registers(v, t);
    }
    return TRAP_EMULATED;
}

static enum trap_result refuse(struct vcpu *v, const struct fault *f, enum abort_kind kind)
{
    if (bus_find(&v->vm->bus, f->ipa) == NULL) {
        return nothing_there(v, f, f->far);
    }
    inject_data_abort(v, gva(f->far), kind, 0, is_write(f));
    return TRAP_FAULT;
}

enum trap_result access_by_instruction(struct vcpu *v, const struct fault *f)
{
    struct transfer t = {.fault = f};
    uint32_t insn;
    if (v->regs.pstate & PSR_AARCH32) {
        return refuse(v, f, ABORT_EXTERNAL); // T32 and A32 are not decoded
    }
    if (!fetch(v, &insn)) {
        return TRAP_RETRY;
    }
    decode_access(insn, &t.a);
    switch (t.a.kind) {
    case ACCESS_PLAIN:
    case ACCESS_VECTORS:
        return transfer(v, &t);
    case ACCESS_PREFETCH:
    case ACCESS_CACHE:
        return TRAP_EMULATED;
    case ACCESS_EXCLUSIVE:
        return refuse(v, f, ABORT_UNSUPPORTED_EXCLUSIVE);
    case ACCESS_ZERO:
        return refuse(v, f, ABORT_ALIGNMENT);
    case ACCESS_UNKNOWN:
    default:
        log_guest("%s vcpu %u: instruction 0x%08x at 0x%lx is no access to a device",
                  v->vm->config->name, v->index, insn, v->regs.pc);
        return nothing_there(v, f, f->far);
    }
}
