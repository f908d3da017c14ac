// SPDX-License-Identifier: Apache-2.0
#include "mon/vcpu_figures.h"

#include "cpu/timer.h"
#include "lib/print.h"

bool figures_has_vcpus(const struct vm *vm)
{
    return vm->vcpu[vm->config->cpus - 1] != NULL;
}

uint64_t figures_exits(const struct vcpu *v)
{
    uint64_t sum = 0;
    for (enum counter which = CNT_EXIT_IRQ; which <= CNT_EXIT_OTHER; which++) {
        sum += v->count.n[which];
    }
    return sum;
}

uint64_t figures_time(const struct vcpu *v)
{
    uint64_t total = v->run_total;
    if (v->state == VCPU_RUNNING) {
        uint64_t now = timer_now(), since = v->run_since;
        total += now > since ? now - since : 0;
    }
    return total;
}

static uint64_t sum_over(const struct vm *vm, uint64_t (*figure)(const struct vcpu *v))
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < vm->config->cpus; i++) {
        const struct vcpu *v = vm->vcpu[i];
        sum += v != NULL ? figure(v) : 0;
    }
    return sum;
}

uint64_t figures_vm_exits(const struct vm *vm)
{
    return sum_over(vm, figures_exits);
}

uint64_t figures_vm_time(const struct vm *vm)
{
    return sum_over(vm, figures_time);
}

void figures_format_time(char *buf, size_t size, uint64_t ticks)
{
    uint64_t hz = timer_frequency();
    format(buf, size, "%lu.%03lus", ticks / hz, ticks % hz * 1000 / hz);
}
