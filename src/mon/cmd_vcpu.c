// SPDX-License-Identifier: Apache-2.0
// The monitor's commands on virtual CPUs.
#include "con/console.h"
#include "cpu/percpu.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "mon/monitor.h"
#include "mon/vcpu_figures.h"
#include "vm/vm.h"

#define SNAPSHOT_US 1000

static const char *state_name(enum vcpu_state state)
{
    switch (state) {
    case VCPU_OFF:
        return "off";
    case VCPU_CLAIMED:
        return "starting";
    case VCPU_READY:
        return "ready";
    case VCPU_RUNNING:
        return "running";
    case VCPU_PAUSED:
        return "paused";
    case VCPU_BLOCKED:
        return "waiting";
    }
    return "?";
}

static void show_vcpu(const struct vm *vm, const struct vcpu *v)
{
    char time[24];
    figures_format_time(time, sizeof(time), figures_time(v));
    console_printf("%-16s %4u %-8s %3d %10s %12lu  0x%lx\n", vm->config->name, v->index,
                   state_name(v->state), v->last_cpu, time, figures_exits(v), v->regs.pc);
}

static void run_list(const struct invocation *in)
{
    const struct vm *only = NULL;
    if (monitor_arg(in, 0) != NULL) {
        only = monitor_arg_vm(in, 0);
        if (only == NULL) {
            return;
        }
    }
    console_printf("%-16s %4s %-8s %3s %10s %12s  %s\n", "VM", "VCPU", "STATE", "CPU", "CPU-TIME",
                   "EXITS", "PC-AT-LAST-EXIT");
    for (size_t i = 0; i < vm_count; i++) {
        const struct vm *vm = &vms[i];
        for (unsigned n = 0; n < vm->config->cpus && (only == NULL || only == vm); n++) {
            const struct vcpu *v = vm->vcpu[n];
            if (v != NULL) {
                show_vcpu(vm, v);
            }
        }
    }
}

// A kick, if it runs on another CPU. The lock keeps its memory from being freed meanwhile.
static bool kick(struct vm *vm, unsigned index)
{
    spin_lock(&vm->lock);
    struct vcpu *v = vm->vcpu[index];
    bool elsewhere = v != NULL && v->state == VCPU_RUNNING && this_cpu()->current != v;
    if (elsewhere) {
        vcpu_notify(v, ATTN_RESCHED);
    }
    spin_unlock(&vm->lock);
    return elsewhere;
}

// Has a vCPU that runs on another CPU come to EL2 once, so that what is shown is of now. Waits at
// most a millisecond. If the VM is destroyed meanwhile, what is read is no longer the vCPU's.
static void take_snapshot(struct vm *vm, unsigned index, const struct vcpu *v)
{
    uint64_t before = figures_exits(v);
    if (!kick(vm, index)) {
        return;
    }
    uint64_t end = timer_now() + timer_ticks_from_us(SNAPSHOT_US);
    while (figures_exits(v) == before && timer_now() < end) {
        cpu_relax();
    }
}

static void show_general(const struct vcpu_regs *r)
{
    for (unsigned i = 0; i < 30; i += 3) {
        console_printf("x%-2u %016lx  x%-2u %016lx  x%-2u %016lx\n", i, r->x[i], i + 1, r->x[i + 1],
                       i + 2, r->x[i + 2]);
    }
    console_printf("x30 %016lx  pc  %016lx  pstate %08lx\n", r->x[30], r->pc, r->pstate);
}

static void show_el1(const struct el1_regs *r)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"sp_el0", r->sp_el0},
        {"sp_el1", r->sp_el1},
        {"elr_el1", r->elr_el1},
        {"spsr_el1", r->spsr_el1},
        {"esr_el1", r->esr_el1},
        {"far_el1", r->far_el1},
        {"sctlr_el1", r->sctlr_el1},
        {"tcr_el1", r->tcr_el1},
        {"mair_el1", r->mair_el1},
        {"ttbr0_el1", r->ttbr0_el1},
        {"ttbr1_el1", r->ttbr1_el1},
        {"vbar_el1", r->vbar_el1},
        {"tpidr_el0", r->tpidr_el0},
        {"tpidr_el1", r->tpidr_el1},
        {"contextidr_el1", r->contextidr_el1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        console_printf("%-14s %016lx%s", rows[i].name, rows[i].value, i % 2 == 1 ? "\n" : "  ");
    }
    console_printf("\n");
}

static void run_regs(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    unsigned index;
    if (vm == NULL || !monitor_arg_number(in, 1, vm->config->cpus, &index)) {
        return;
    }
    const struct vcpu *v = vm->vcpu[index];
    if (v == NULL) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
        return;
    }
    take_snapshot(vm, index, v);
    console_printf("%s vcpu %u: %s, as of its last exit\n", vm->config->name, index,
                   state_name(v->state));
    show_general(&v->regs);
    console_printf("as of its last switch to another vCPU:\n");
    show_el1(&v->el1);
}

const struct command vcpu_commands[] = {
    {"vcpu list", "NAME", 0, 1, "the vCPUs of all VMs, or of one", run_list},
    {"vcpu regs", "NAME VCPU", 2, 2, "its registers", run_regs},
    {0},
};
