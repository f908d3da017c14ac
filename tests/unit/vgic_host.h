// SPDX-License-Identifier: Apache-2.0
// The make-believe machine's own part: what the vGIC calls, and physical interrupts.
#pragma once

#include "cpu/timer.h"
#include "irq/gic.h"
#include "irq/vtimer.h"
#include "lib/log.h"
#include "vgic_model.h"

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
