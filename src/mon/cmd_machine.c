// SPDX-License-Identifier: Apache-2.0
// The monitor's commands on the machine: its CPUs, what they can do, and its end.
#include "con/console.h"
#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/print.h"
#include "mon/monitor.h"
#include "vm/vm.h"

#include <stddef.h>

#define END_POLL_US  10000
#define END_PATIENCE 500 // polls: five seconds

// ---- CPUs ----

static void describe_current(char *text, size_t size, const struct percpu *cpu)
{
    const struct vcpu *v = cpu->current;
    const struct vm *vm = v != NULL ? monitor_known_vm(v->vm) : NULL;
    if (vm != NULL) {
        format(text, size, "%s vcpu %u", vm->config->name, v->index);
    } else {
        format(text, size, "%s", !cpu->online ? "offline" : cpu->idle ? "idle" : "newel");
    }
}

static void run_cpus(const struct invocation *in)
{
    (void)in;
    uint64_t uptime = monitor_uptime();
    console_printf("%3s %-12s %5s  %s\n", "CPU", "MPIDR", "IDLE", "RUNS");
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct percpu *cpu = &percpus[i];
        char current[VM_NAME_MAX + 16], mpidr[20];
        uint64_t idle = uptime != 0 ? MIN(cpu->idle_ticks, uptime) * 100 / uptime : 0;
        describe_current(current, sizeof(current), cpu);
        format(mpidr, sizeof(mpidr), "0x%lx", cpu->mpidr);
        console_printf("%3u %-12s %4lu%%  %s\n", i, mpidr, idle, current);
    }
}

// ---- Features ----

// clang-format off
#define FEATURES(X) \
    X(vhe) X(pan) X(hafdbs) X(xnx) X(fwb) X(ttl) X(range_tlbi) X(evt) X(fgt) X(ecv) X(bbm2) \
    X(hcx) X(pauth) X(sve) X(sme) X(mte) X(ras) X(amu) X(pmu) X(spe) X(trbe) X(csv2) X(csv3) \
    X(rndr) X(lse) X(granule_4k) X(granule_16k) X(granule_64k) X(aarch32_el0)
// clang-format on

static void run_features(const struct invocation *in)
{
    static const struct {
        const char *name;
        size_t offset;
    } table[] = {
#define X(name) {#name, offsetof(struct features, name)},
        FEATURES(X)
#undef X
    };
    (void)in;
    console_printf("physical addresses %u bits, VMIDs %u bits, generation %lu\n", features.pa_bits,
                   features.vmid_bits, (unsigned long)(this_cpu()->vmid_generation >> 16) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        bool has = *(const bool *)((const char *)&features + table[i].offset);
        console_printf("%-12s %-4s%s", table[i].name, has ? "yes" : "-", i % 4 == 3 ? "\n" : "");
    }
    console_printf("\n");
}

// ---- The end ----

static struct {
    struct timer timer;
    bool under_way, reset;
    unsigned polls;
} ending;

static bool all_vms_off(void)
{
    bool off = true;
    for (size_t i = 0; i < vm_count; i++) {
        enum vm_state state = vms[i].state;
        if (state == VM_RUNNING) {
            (void)vm_stop(&vms[i], VM_STAY_OFF); // busy: at the next poll
        }
        off &= state == VM_OFF || state == VM_DESTROYED;
    }
    return off;
}

static void end_poll(struct timer *timer)
{
    if (!all_vms_off() && ++ending.polls < END_PATIENCE) {
        timer_arm(timer, timer_now() + timer_ticks_from_us(END_POLL_US));
        return;
    }
    if (ending.reset) {
        machine_reset();
    }
    machine_power_off();
}

static void begin_end(bool reset)
{
    ending.reset = reset;
    if (ending.under_way) {
        return;
    }
    ending.under_way = true;
    vms_keep_machine(); // until it is our turn
    ending.timer.expired = end_poll;
    ending.timer.cpu = -1;
    timer_arm(&ending.timer, timer_now());
}

static void run_poweroff(const struct invocation *in)
{
    (void)in;
    log_info("power-off by the operator");
    begin_end(false);
}

static void run_reboot(const struct invocation *in)
{
    (void)in;
    log_info("reset by the operator");
    begin_end(true);
}

const struct command machine_commands[] = {
    {"cpu list", "", 0, 0, "the machine's CPUs and what they run", run_cpus},
    {"features", "", 0, 0, "what the CPUs can do", run_features},
    {"poweroff", "", 0, 0, "stop all VMs and switch the machine off", run_poweroff},
    {"reboot", "", 0, 0, "stop all VMs and reset the machine", run_reboot},
    {0},
};
