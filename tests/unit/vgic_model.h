// SPDX-License-Identifier: Apache-2.0
// A model of the GIC that knows nothing of list registers: each interrupt is pending, active, both
// or neither, at once and everywhere. And the make-believe machine's state, of which it is a part.
#pragma once

#include "arch/gic.h"
#include "cpu/vcpu.h"
#include "irq/vgic.h"

#include <stdio.h>
#include <stdlib.h>

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
