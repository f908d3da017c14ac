// SPDX-License-Identifier: Apache-2.0
// A make-believe machine with a VM's vGIC on it, and a model of the GIC that knows nothing of list
// registers: each interrupt is pending, active, both or neither, at once and everywhere. A step is
// one thing that a guest, a device or the scheduler does; what the guest can see must be what the
// model says. Used by the unit test and by the fuzzer.
#pragma once

#include "arch/gic.h"
#include "cpu/timer.h"
#include "cpu/vcpu.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "irq/vtimer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VCPUS  3
#define CPUS   2
#define INTIDS VGIC_MAX_INTID

#define REQUIRE(cond)                                                                           \
    do {                                                                                        \
        if (!(cond)) {                                                                          \
            fprintf(stderr, "step %lu: %s:%d: %s\n", machine.steps, __FILE__, __LINE__, #cond); \
            abort();                                                                            \
        }                                                                                       \
    } while (0)

struct model_int {
    bool enabled, group1, edge, line, latch, active;
    bool acked;       // active because a vCPU acknowledged it, not because software made it so
    int owner;        // vCPU in which it is active
    unsigned senders; // GICv2's SGI: the vCPUs from which it is pending
    uint8_t priority;
};

struct model_cpu {
    struct model_int own[32];
    bool timer; // the virtual timer's output
    bool eoimode1;
    unsigned pmr, groups; // bit n: group n enabled at the CPU interface
    struct {
        uint32_t intid;
        bool group1;
        unsigned level;
    } stack[32]; // acknowledged and not yet ended, the last on top
    unsigned depth;
    uint32_t dropped[64]; // EOI mode 1: ended, not deactivated
    unsigned dropped_count;
};

static struct {
    unsigned long steps;
    uint32_t (*draw)(void); // a random byte
    unsigned playing;       // the physical CPU that executes
    struct fake_gic_cpu cpu[CPUS];
    bool forgotten[CPUS]; // the timer's line is high, and the machine's GIC does not signal it
    int runs[CPUS];       // vCPU, or -1
    int on[VCPUS];        // physical CPU, or -1
    bool woken[VCPUS];    // since it went to sleep
    struct vcpu vcpu[VCPUS];
    struct vgic *vgic;
    struct model_cpu model[VCPUS];
    struct model_int spi[VGIC_SPIS];
    uint64_t irouter[VGIC_SPIS];
    uint32_t ctlr;
    unsigned long acks, notifies, waits;
} machine;

static void *machine_memory;
// Of the next machine_start(): the machine has GICv2, through which the same state goes; SGIs are
// sent by GICD_SGIR.
static bool machine_gicv2;
// Likewise: it forgets a line that is still high when a guest's end of the interrupt deactivates it
// in the machine, as long as that line does not change (gic_config.forgets_level).
static bool machine_forgets;

static inline uint32_t draw(uint32_t limit)
{
    return machine.draw() % limit;
}

static inline bool chance(uint32_t one_in)
{
    return draw(one_in) == 0;
}

// ---- what the vGIC calls ----

static struct gic_config config = {.ppi = {.virtual_timer = VGIC_PPI_VTIMER}};

const struct gic_config *gic_config(void)
{
    return &config;
}

static inline void play(unsigned cpu)
{
    machine.playing = cpu;
    fake_gic = &machine.cpu[cpu];
}

void gic_set_ppi_active(uint32_t intid, bool active)
{
    REQUIRE(intid == VGIC_PPI_VTIMER);
    uint32_t bit = UINT32_C(1) << intid;
    fake_gic->ppi_active = active ? fake_gic->ppi_active | bit : fake_gic->ppi_active & ~bit;
}

bool vtimer_physical_still_high(struct vcpu *v)
{
    (void)v;
    return true;
}

bool vtimer_line(const struct vcpu *v)
{
    return machine.model[v->index].timer;
}

void vcpu_notify(struct vcpu *v, uint32_t attention)
{
    machine.notifies++;
    v->attention |= attention;
    if (machine.on[v->index] < 0) {
        machine.woken[v->index] = true;
    }
}

void log_warn(const char *fmt, ...)
{
    fprintf(stderr, "%s\n", fmt);
    REQUIRE(!"the vGIC complained");
}

void panic(const char *fmt, ...)
{
    fprintf(stderr, "panic: %s\n", fmt);
    abort();
}

// ---- physical interrupts and what EL2 does about them ----

static bool serve_once(unsigned cpu)
{
    int v = machine.runs[cpu];
    if (v < 0) {
        return false;
    }
    struct vcpu *vcpu = &machine.vcpu[v];
    uint32_t timer = UINT32_C(1) << VGIC_PPI_VTIMER;
    bool signalled = machine.model[v].timer && !machine.forgotten[cpu];
    if (signalled && !(fake_gic->ppi_active & timer)) {
        fake_gic->ppi_active |= timer;
        vgic_forward_vtimer(vcpu->vgic);
    } else if (fake_gic_maintenance()) {
        vgic_maintenance(vcpu->vgic);
    } else if (vcpu->attention) {
        vcpu->attention = 0;
        vgic_flush(vcpu->vgic);
    } else {
        return false;
    }
    return true;
}

static void serve(unsigned cpu)
{
    unsigned before = machine.playing;
    play(cpu);
    for (unsigned i = 0; serve_once(cpu); i++) {
        REQUIRE(i < 20); // or nothing but interrupts would ever happen
    }
    play(before);
}

static inline void serve_all(void)
{
    for (unsigned i = 0; i < CPUS; i++) {
        serve(i);
    }
}

// The vGIC looks at the time only while it waits for other CPUs, which do not stand still.
uint64_t timer_now(void)
{
    unsigned self = machine.playing;
    machine.waits++;
    for (unsigned i = 0; i < CPUS; i++) {
        if (i != self) {
            serve(i);
        }
    }
    return 0;
}

uint64_t timer_frequency(void)
{
    return 1;
}

// ---- the model ----

static struct model_int *model_int(int v, uint32_t intid)
{
    return intid < 32 ? &machine.model[v].own[intid] : &machine.spi[intid - 32];
}

static int model_target(uint32_t intid)
{
    uint64_t r = machine.irouter[intid - 32];
    return r & BIT(31) ? 0 : r < VCPUS ? (int)r : -1;
}

static bool model_pending(int v, uint32_t intid)
{
    const struct model_int *m = model_int(v, intid);
    bool line = intid == VGIC_PPI_VTIMER ? machine.model[v].timer : m->line;
    return m->latch || (!m->edge && line);
}

static bool model_deliverable(int v, uint32_t intid)
{
    const struct model_int *m = model_int(v, intid);
    unsigned group = m->group1 ? 1 : 0;
    return model_pending(v, intid) && m->enabled && !m->active && (machine.ctlr >> group & 1) &&
           (machine.model[v].groups >> group & 1) && (intid < 32 || model_target(intid) == v);
}

static unsigned model_running(int v)
{
    const struct model_cpu *c = &machine.model[v];
    return c->depth == 0 ? 0x100 : c->stack[c->depth - 1].level;
}

// The priority of the interrupt that must be signalled now, 0x100 for none.
static unsigned model_best(int v)
{
    unsigned best = 0x100;
    for (uint32_t n = 0; n < INTIDS; n++) {
        if (model_deliverable(v, n) && model_int(v, n)->priority < best) {
            best = model_int(v, n)->priority;
        }
    }
    return best < machine.model[v].pmr && best < model_running(v) ? best : 0x100;
}

static void model_deactivate(int v, uint32_t intid)
{
    struct model_int *m = model_int(v, intid);
    m->active = m->acked = false;
}

static void model_set_line(struct model_int *m, bool level)
{
    if (m->edge && level && !m->line) {
        m->latch = true;
    }
    m->line = level;
}

// Around what a guest does without an exit.
static void forget(unsigned cpu, int v, uint32_t was_active)
{
    if (machine_forgets && was_active != 0 && machine.cpu[cpu].ppi_active == 0) {
        machine.forgotten[cpu] = machine.model[v].timer;
    }
}

// ---- the guest's own actions ----

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

// ---- devices ----

static void step_line(void)
{
    bool level = chance(2);
    if (chance(2)) {
        uint32_t n = few_spis[draw(ARRAY_SIZE(few_spis))];
        vgic_set_spi(machine.vgic, n, level);
        model_set_line(model_int(0, n), level);
    } else {
        int v = (int)draw(VCPUS);
        uint32_t n = chance(2) ? VGIC_PPI_PTIMER : 22;
        vgic_set_ppi(machine.vcpu[v].vgic, n, level);
        model_set_line(model_int(v, n), level);
    }
}

// As vtimer.c does for a vCPU that does not run.
static void watch_timer(int v)
{
    if (machine.model[v].timer && !vgic_ppi_in_flight(machine.vcpu[v].vgic, VGIC_PPI_VTIMER)) {
        vgic_set_ppi(machine.vcpu[v].vgic, VGIC_PPI_VTIMER, true);
    }
}

static void step_timer(void)
{
    int v = (int)draw(VCPUS);
    if (machine.on[v] < 0) {
        machine.model[v].timer = true;
        watch_timer(v);
        return;
    }
    bool before = machine.model[v].timer;
    machine.model[v].timer = chance(2);
    machine.forgotten[machine.on[v]] &= machine.model[v].timer == before;
    if (!machine.model[v].timer) { // the registers do not trap: a fall is seen when somebody looks
        (void)mmio_read(v, v, 0, bit_word(4, 0));
    }
}

// ---- the scheduler ----

static void put_on(int v, unsigned cpu)
{
    play(cpu);
    REQUIRE(fake_gic->ppi_active == 0);
    for (unsigned i = 0; i < ICH_VTR_LISTREGS(fake_gic->vtr); i++) {
        REQUIRE(fake_gic->lr[i] == 0);
    }
    REQUIRE(fake_gic->hcr == 0);
    machine.runs[cpu] = v;
    machine.on[v] = (int)cpu;
    vgic_load(machine.vcpu[v].vgic);
}

static void take_off(unsigned cpu)
{
    int v = machine.runs[cpu];
    bool signals = false;
    play(cpu);
    machine.forgotten[cpu] = false; // its timer is turned off
    bool asked = chance(2);
    if (asked) {
        signals = vgic_signals(machine.vcpu[v].vgic);
    }
    vgic_save(machine.vcpu[v].vgic);
    machine.runs[cpu] = -1;
    machine.on[v] = -1;
    machine.vcpu[v].attention = 0;
    machine.woken[v] = false;
    watch_timer(v);
    if (!asked) {
        signals = vgic_signals(machine.vcpu[v].vgic);
    }
    bool should = model_best(v) != 0x100;
    REQUIRE(!signals || should);
    REQUIRE(!should || signals ||
            machine.woken[v]); // woken: by a timer that the machine had not told of yet
    machine.woken[v] = machine.woken[v] || signals;
}

static void step_schedule(void)
{
    unsigned cpu = draw(CPUS);
    int v = (int)draw(VCPUS);
    if (machine.runs[cpu] >= 0) {
        take_off(cpu);
    }
    if (machine.on[v] < 0 && !chance(4)) {
        put_on(v, cpu);
    }
}

// ---- a step, and what must hold after it ----

static void check_sleepers(void)
{
    for (int v = 0; v < VCPUS; v++) {
        if (machine.on[v] < 0) {
            REQUIRE(machine.woken[v] || model_best(v) == 0x100);
        }
    }
}

static void check_timers(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        int v = machine.runs[cpu];
        bool active = machine.cpu[cpu].ppi_active != 0;
        if (v < 0) {
            REQUIRE(!active);
            continue;
        }
        const struct model_int *m = model_int(v, VGIC_PPI_VTIMER);
        REQUIRE(active || !(machine.model[v].timer || m->active));
        // Where it is not to be signalled, it does not matter.
        bool forwarded = m->enabled && (machine.ctlr >> (m->group1 ? 1 : 0) & 1);
        REQUIRE(!active || machine.model[v].timer || m->active || m->latch || !forwarded);
    }
}

static inline void machine_step(void)
{
    static void (*const steps[])(void) = {
        step_read,         step_read,         step_write_bits,
        step_write_bits,   step_write_bits,   step_write_priority,
        step_sgi,          step_sgi,          step_line,
        step_line,         step_timer,        step_timer,
        step_ack,          step_ack,          step_ack,
        step_ack,          step_eoi,          step_eoi,
        step_eoi,          step_deactivate,   step_deactivate,
        step_write_router, step_write_config, step_interface,
        step_schedule,
    };
    machine.steps++;
    if (chance(64)) {
        step_write_control();
    } else {
        steps[draw(ARRAY_SIZE(steps))]();
    }
    if (chance(4)) {
        serve_all();
        check_sleepers();
        check_timers();
    }
}

static void machine_interface(int v)
{
    struct model_cpu *m = &machine.model[v];
    m->eoimode1 = chance(2);
    m->pmr = 0xf8;
    m->groups = 3;
    fake_gic->vmcr = (uint64_t)m->pmr << 24 | m->groups | (m->eoimode1 ? ICH_VMCR_VEOIM : 0);
    machine.vcpu[v].attention |= ATTN_VIRQ;
}

// As a driver does at its start: everything in group 1, enabled and forwarded.
static void machine_enable(void)
{
    machine.ctlr = 3;
    vgic_dist_write(guest(0), 0, 4, machine.ctlr);
    for (uint32_t first = 0; first < INTIDS; first += 32) {
        for (int owner = 0; owner < (first == 0 ? VCPUS : 1); owner++) {
            mmio_write(0, owner, first, bit_word(1, first), 4, ~0u);
            mmio_write(0, owner, first, bit_word(2, first), 4, ~0u);
            for (uint32_t n = first; n < first + 32; n++) {
                model_int(owner, n)->enabled = model_int(owner, n)->group1 = true;
            }
        }
    }
}

// A new VM on a machine with so many list registers; every vCPU has set up its CPU interface.
static inline void machine_start(unsigned list_registers, uint32_t (*source)(void))
{
    unsigned long steps = machine.steps;
    memset(&machine, 0, sizeof(machine));
    machine.steps = steps;
    machine.draw = source;
    for (unsigned i = 0; i < CPUS; i++) {
        machine.cpu[i].vtr = fake_gic_vtr(list_registers);
        machine.cpu[i].v2 = machine_gicv2;
        machine.runs[i] = -1;
    }
    play(0);
    struct vcpu *vcpus[VCPUS];
    for (unsigned i = 0; i < VCPUS; i++) {
        machine.vcpu[i].index = i;
        machine.vcpu[i].mpidr = BIT(31) | i;
        machine.on[i] = -1;
        vcpus[i] = &machine.vcpu[i];
        for (unsigned n = 0; n < 16; n++) {
            machine.model[i].own[n].edge = true;
        }
    }
    free(machine_memory);
    machine_memory = calloc(1, vgic_size(VCPUS));
    config.version = machine_gicv2 ? 2 : 3;
    config.forgets_level = machine_forgets;
    config.hyp_interface = hpa(0x1000);
    machine.vgic = vgic_create(machine_memory, vcpus, VCPUS);
    for (uint32_t n = 0; n < VGIC_SPIS && machine_gicv2; n++) {
        vgic_v2_dist_write(machine.vcpu[0].vgic, 0x820 + n, 1, 1); // as GICv3 has it after a reset
    }
    for (int v = 0; v < VCPUS; v++) {
        put_on(v, 0);
        machine_interface(v);
        serve(0);
        take_off(0);
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        put_on((int)cpu, cpu);
    }
    machine_enable();
}
