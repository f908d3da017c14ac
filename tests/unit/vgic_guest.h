// SPDX-License-Identifier: Apache-2.0
// What the guests of the make-believe machine do to their interrupts, each a step.
#pragma once

#include "vgic_host.h"

static inline int some_running(void)
{
    unsigned cpu = draw(CPUS);
    return machine.runs[cpu];
}

// What the vCPU was to see to is done before its guest executes anything.
static struct vgic_cpu *guest(int v)
{
    play((unsigned)machine.on[v]);
    serve(machine.playing);
    return machine.vcpu[v].vgic;
}

static const uint16_t few_spis[] = {32, 33, 40, 63, 64, 65, 66, 200, 287};
static const uint16_t few_private[] = {0, 1, 2, 3, 15, 20, 23, 27, 27, 30};

static uint32_t some_intid(void)
{
    return chance(2) ? few_spis[draw(ARRAY_SIZE(few_spis))]
                     : few_private[draw(ARRAY_SIZE(few_private))];
}

static uint32_t mmio_read(int v, int owner, uint32_t intid, uint32_t offset)
{
    uint64_t value;
    struct vgic_cpu *c = guest(v);
    if (intid >= 32) {
        return (uint32_t)vgic_dist_read(c, offset, 4);
    }
    REQUIRE(vgic_rdist_read(c, (uint64_t)owner * VGIC_RDIST_SIZE + 0x10000 + offset, 4, &value));
    return (uint32_t)value;
}

static void mmio_write(int v, int owner, uint32_t intid, uint32_t offset, unsigned size,
                       uint64_t value)
{
    struct vgic_cpu *c = guest(v);
    if (intid >= 32) {
        vgic_dist_write(c, offset, size, value);
    } else {
        REQUIRE(
            vgic_rdist_write(c, (uint64_t)owner * VGIC_RDIST_SIZE + 0x10000 + offset, size, value));
    }
}

static uint32_t bit_word(unsigned kind, uint32_t intid)
{
    return kind * 0x80 + intid / 32 * 4;
}

static bool model_bit(int owner, uint32_t n, unsigned kind)
{
    const struct model_int *m = model_int(owner, n);
    return kind == 1   ? m->group1
           : kind <= 3 ? m->enabled
           : kind <= 5 ? model_pending(owner, n)
                       : m->active;
}

// A word of bits reads as the model has it.
static void check_word(int v, int owner, uint32_t first, unsigned kind)
{
    uint32_t value = mmio_read(v, owner, first, bit_word(kind, first));
    for (uint32_t n = first; n < first + 32; n++) {
        // Another vCPU's timer output is known as of its last exit.
        if (n == VGIC_PPI_VTIMER && owner != v && (kind == 4 || kind == 5)) {
            continue;
        }
        REQUIRE((value >> (n - first) & 1) == model_bit(owner, n, kind));
    }
}

static void step_read(void)
{
    int v = some_running();
    if (v < 0) {
        return;
    }
    uint32_t n = some_intid();
    int owner = chance(2) ? v : (int)draw(VCPUS);
    check_word(v, owner, n & ~31u, 1 + draw(7));
    const struct model_int *m = model_int(owner, n);
    uint32_t word = mmio_read(v, owner, n, 0x400 + (n & ~3u));
    REQUIRE((word >> n % 4 * 8 & 0xff) == m->priority);
    uint32_t edges = mmio_read(v, owner, n, 0xc00 + n / 16 * 4);
    REQUIRE((edges >> (n % 16 * 2 + 1) & 1) == m->edge);
}

static void write_bit(int owner, uint32_t n, unsigned kind, int v)
{
    struct model_int *m = model_int(owner, n);
    switch (kind) {
    case 1:
        m->group1 = true;
        break;
    case 2:
        m->enabled = true;
        break;
    case 3:
        m->enabled = false;
        break;
    case 4:
        m->latch = true;
        break;
    case 5:
        m->latch = false;
        break;
    case 6:
        if (!m->active) {
            m->active = true;
            m->owner = n < 32 ? owner : model_target(n) < 0 ? v : model_target(n);
        }
        break;
    case 7:
        m->active = false;
        break;
    }
}

// A guest that deactivates, or moves to another group or priority, what it is handling gets what it
// asked for, which the architecture does not say.
static bool sane(int owner, uint32_t n, unsigned kind)
{
    return !((kind == 1 || kind == 7) && model_int(owner, n)->acked);
}

static void step_write_bits(void)
{
    int v = some_running();
    if (v < 0) {
        return;
    }
    uint32_t first = some_intid() & ~31u;
    int owner = chance(2) ? v : (int)draw(VCPUS);
    unsigned kind = 1 + draw(7);
    uint32_t value = 0;
    if (kind == 1) {
        value = mmio_read(v, owner, first, bit_word(1, first));
    }
    for (unsigned i = 0; i < 3; i++) {
        uint32_t n = some_intid();
        bool fixed = machine_gicv2 && n < 16 && (kind == 4 || kind == 5);
        if ((n & ~31u) != first || fixed || !sane(owner, n, kind)) {
            continue;
        }
        value |= UINT32_C(1) << n % 32;
        write_bit(owner, n, kind, v);
        if (kind == 1 && chance(3)) {
            value &= ~(UINT32_C(1) << n % 32);
            model_int(owner, n)->group1 = false;
        }
    }
    mmio_write(v, owner, first, bit_word(kind, first), 4, value);
}

static void step_write_priority(void)
{
    static const uint8_t some[] = {0x00, 0x08, 0x80, 0x87, 0xa0, 0xa0, 0xa0, 0xf0, 0xf8};
    int v = some_running();
    uint32_t n = some_intid();
    int owner = (int)draw(VCPUS);
    if (v < 0 || model_int(owner, n)->active) {
        return;
    }
    uint8_t priority = some[draw(ARRAY_SIZE(some))];
    mmio_write(v, owner, n, 0x400 + n, 1, priority);
    model_int(owner, n)->priority = priority & 0xf8;
}

static void step_write_config(void)
{
    int v = some_running();
    uint32_t n = some_intid();
    if (v < 0) {
        return;
    }
    uint32_t word = mmio_read(v, v, n, 0xc00 + n / 16 * 4) ^ UINT32_C(2) << n % 16 * 2;
    mmio_write(v, v, n, 0xc00 + n / 16 * 4, 4, word);
    if (n >= 32) {
        model_int(v, n)->edge = !model_int(v, n)->edge;
    }
}

static void step_write_router(void)
{
    int v = some_running();
    uint32_t n = few_spis[draw(ARRAY_SIZE(few_spis))];
    if (v < 0) {
        return;
    }
    uint64_t value = chance(8) ? BIT(31) : draw(VCPUS + 1);
    if (chance(2)) {
        vgic_dist_write(guest(v), 0x6000 + 8 * n, 8, value);
    } else {
        vgic_dist_write(guest(v), 0x6000 + 8 * n, 4, value);
    }
    machine.irouter[n - 32] = value;
    REQUIRE(vgic_dist_read(guest(v), 0x6000 + 8 * n, 8) == value);
}

static void step_write_control(void)
{
    int v = some_running();
    if (v < 0) {
        return;
    }
    machine.ctlr = chance(3) ? draw(4) : 3;
    vgic_dist_write(guest(v), 0, 4, machine.ctlr);
    REQUIRE(vgic_dist_read(guest(v), 0, 4) == (machine.ctlr | 0x50));
}

static void step_sgi(void)
{
    int v = some_running();
    if (v < 0) {
        return;
    }
    uint32_t n = draw(4);
    bool all = chance(4), group1 = !chance(4);
    uint32_t list = draw(16);
    if (machine_gicv2) {
        vgic_v2_dist_write(guest(v), 0xf00, 4, (all ? BIT(24) : list << 16) | n);
    } else {
        vgic_send_sgi(guest(v), (uint64_t)n << 24 | (all ? BIT(40) : list), group1);
    }
    for (int to = 0; to < VCPUS; to++) {
        struct model_int *m = &machine.model[to].own[n];
        if ((all ? to != v : list >> to & 1) && (machine_gicv2 || m->group1 == group1)) {
            m->latch = true;
            m->senders |= 1u << v;
        }
    }
}

// The CPU interface: registers that do not trap.
static void step_interface(void)
{
    static const uint8_t some[] = {0xf8, 0xf8, 0xf8, 0xa0, 0x80, 0x00};
    int v = some_running();
    if (v < 0) {
        return;
    }
    (void)guest(v);
    struct model_cpu *m = &machine.model[v];
    m->pmr = some[draw(ARRAY_SIZE(some))];
    m->groups = chance(3) ? draw(4) : 3;
    fake_gic->vmcr = (uint64_t)m->pmr << 24 | m->groups | (m->eoimode1 ? ICH_VMCR_VEOIM : 0);
}

static void step_ack(void)
{
    int v = some_running();
    if (v < 0) {
        return;
    }
    struct model_cpu *m = &machine.model[v];
    serve_all();
    (void)guest(v);
    unsigned best = model_best(v);
    REQUIRE(fake_gic_signals() == (best != 0x100));
    if (best == 0x100 || m->depth == ARRAY_SIZE(m->stack) || m->dropped_count > 16) {
        return;
    }
    uint32_t n = fake_gic_highest();
    struct model_int *i = model_int(v, n);
    REQUIRE(model_deliverable(v, n) && i->priority == best);
    REQUIRE(fake_gic_ack(!i->group1) == FAKE_SPURIOUS);
    REQUIRE(fake_gic_ack(i->group1) == n);
    i->latch = false;
    if (machine_gicv2 && n < 16) {
        REQUIRE(i->senders >> fake_gic_sender() & 1);
        i->senders &= ~(1u << fake_gic_sender());
        i->latch = i->senders != 0;
    }
    i->active = i->acked = true;
    i->owner = v;
    m->stack[m->depth].intid = n;
    m->stack[m->depth].group1 = i->group1;
    m->stack[m->depth++].level = best;
    machine.acks++;
}

static void step_eoi(void)
{
    int v = some_running();
    if (v < 0 || machine.model[v].depth == 0) {
        return;
    }
    struct model_cpu *m = &machine.model[v];
    if (chance(2)) {
        serve_all();
    }
    (void)guest(v);
    uint32_t n = m->stack[--m->depth].intid, was_active = fake_gic->ppi_active;
    fake_gic_eoi(n, m->stack[m->depth].group1);
    forget((unsigned)machine.on[v], v, was_active);
    if (m->eoimode1) {
        m->dropped[m->dropped_count++] = n;
    } else {
        model_deactivate(v, n);
        serve(
            (unsigned)machine
                .on[v]); // the maintenance interrupt, if any, is taken before the next instruction
    }
}

static void step_deactivate(void)
{
    int v = some_running();
    if (v < 0 || machine.model[v].dropped_count == 0) {
        return;
    }
    struct model_cpu *m = &machine.model[v];
    unsigned i = draw(m->dropped_count);
    uint32_t n = m->dropped[i];
    m->dropped[i] = m->dropped[--m->dropped_count];
    // An SPI may be deactivated by another vCPU in the same EOI mode.
    int other = machine.runs[draw(CPUS)];
    int by = n >= 32 && other >= 0 && machine.model[other].eoimode1 ? other : v;
    struct vgic_cpu *c = guest(by);
    serve((unsigned)machine.on[by]);
    uint32_t was_active = fake_gic->ppi_active;
    if (!fake_gic_dir(n)) {
        vgic_deactivate(c, n);
    } else {
        forget((unsigned)machine.on[by], by, was_active);
    }
    model_deactivate(v, n);
    serve((unsigned)machine.on[by]);
}
