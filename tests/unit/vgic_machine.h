// SPDX-License-Identifier: Apache-2.0
// A make-believe machine with a VM's vGIC on it. A step is one thing that a guest, a device or the
// scheduler does; what the guest can see must be what the model says. Used by the unit test and by
// the fuzzer.
#pragma once

#include "vgic_guest.h"

#include <string.h>

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
