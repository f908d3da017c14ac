// SPDX-License-Identifier: Apache-2.0
// The monitor's commands on VMs.
#include "con/console.h"
#include "lib/error.h"
#include "lib/print.h"
#include "mon/cmd_tools.h"
#include "mon/monitor.h"
#include "mon/vcpu_figures.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"

static const char *shown_state(struct vm *vm)
{
    uint64_t seconds;
    return vm_sleeps(vm, &seconds) ? "asleep" : vm_state_name(vm->state);
}

static void run_list(const struct invocation *in)
{
    (void)in;
    console_printf("  %-16s %-9s %4s %6s %6s %10s %12s\n", "NAME", "STATE", "CPUS", "MIB", "WEIGHT",
                   "CPU-TIME", "EXITS");
    for (size_t i = 0; i < vm_count; i++) {
        struct vm *vm = &vms[i];
        const struct vm_config *c = vm->config;
        char time[24];
        figures_format_time(time, sizeof(time), figures_vm_time(vm));
        console_printf("%s %-16s %-9s %4u %6lu %6u %10s %12lu\n",
                       vm->console == console_focused() ? "*" : " ", c->name, shown_state(vm),
                       c->cpus, c->memory >> 20, c->weight, time, figures_vm_exits(vm));
    }
}

// An order for a VM, and what became of it.
static void tell_result(const struct invocation *in, const struct vm *vm, int err)
{
    if (err == ERR_BUSY) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else if (err == ERR_NOMEM) {
        monitor_error(in, 0, "not enough free memory for its %lu MiB", vm->config->memory >> 20);
    } else if (err) {
        monitor_error(in, 0, "%s", error_text(err));
    }
}

static void run_start(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm != NULL) {
        tell_result(in, vm, vm_start(vm));
    }
}

static void stop_then(const struct invocation *in, enum vm_after_stop then)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm != NULL) {
        tell_result(in, vm, vm_stop(vm, then));
    }
}

static void run_stop(const struct invocation *in)
{
    stop_then(in, VM_STAY_OFF);
}

static void run_reset(const struct invocation *in)
{
    stop_then(in, VM_REBUILD);
}

static void run_destroy(const struct invocation *in)
{
    stop_then(in, VM_DESTROY);
}

static void run_pause(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm != NULL) {
        tell_result(in, vm, vm_pause(vm));
    }
}

static void run_resume(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm != NULL) {
        int err = vm_resume(vm);
        tell_result(in, vm, err);
        if (!err) {
            cmd_tools_resumed(vm);
        }
    }
}

static void run_focus(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm != NULL) {
        console_focus(vm->console);
    }
}

// ---- Counters ----

#define ROW_SIZE 256

static size_t add_number(char *row, size_t len, uint64_t n)
{
    return len < ROW_SIZE ? len + format(row + len, ROW_SIZE - len, " %10lu", n) : len;
}

static void show_counter(const struct vm *vm, enum counter which, unsigned first, unsigned end)
{
    char row[ROW_SIZE];
    uint64_t sum = 0;
    size_t len = 0;
    row[0] = '\0';
    for (unsigned i = first; i < end; i++) {
        const struct vcpu *v = vm->vcpu[i]; // NULL once another CPU has destroyed the VM meanwhile
        uint64_t n = v != NULL ? v->count.n[which] : 0;
        sum += n;
        len = add_number(row, len, n);
    }
    if (sum != 0) {
        console_printf("%-18s %12lu%s  %s\n", counter_name(which), sum, end - first > 1 ? row : "",
                       counter_meaning(which));
    }
}

static void show_heading(unsigned first, unsigned end)
{
    char row[ROW_SIZE];
    size_t len = 0;
    row[0] = '\0';
    for (unsigned i = first; i < end && end - first > 1 && len < ROW_SIZE; i++) {
        len += format(row + len, ROW_SIZE - len, "     vcpu%-2u", i);
    }
    console_printf("%-18s %12s%s\n", "COUNTER", "TOTAL", row);
}

// X(field of struct space, name, meaning); of the VM, whichever vCPU caused it.
#define MEMORY_COUNTERS(X)                                                                    \
    X(counters.pages_populated, "space.pages", "4 KiB pages populated")                       \
    X(counters.blocks_populated, "space.blocks", "2 MiB blocks populated")                    \
    X(counters.collapsed, "space.collapsed", "times 512 pages moved into a block")            \
    X(counters.joined, "space.joined", "blocks in pieces made whole")                         \
    X(counters.retried, "space.retried", "faults that were over when looked at")              \
    X(counters.suspended, "space.suspended", "times all pages were to be maintained")         \
    X(coherence.pages_executable, "cache.executable", "pages made executable")                \
    X(coherence.lines_cleaned, "cache.cleaned", "data lines cleaned")                         \
    X(coherence.lines_invalidated, "cache.invalidated", "instruction lines invalidated")      \
    X(coherence.icache_emptied, "cache.emptied", "times all instruction caches were emptied") \
    X(coherence.written_back, "cache.withheld", "executable pages that Newel wrote to")

static void show_memory_counters(const struct vm *vm)
{
    const struct space *sp = &vm->space;
#define X(field, name, meaning)                                        \
    if (sp->field != 0) {                                              \
        console_printf("%-18s %12lu  %s\n", name, sp->field, meaning); \
    }
    MEMORY_COUNTERS(X)
#undef X
}

static void run_stat(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm == NULL) {
        return;
    }
    unsigned first = 0, end = vm->config->cpus;
    if (monitor_arg(in, 1) != NULL) {
        if (!monitor_arg_number(in, 1, vm->config->cpus, &first)) {
            return;
        }
        end = first + 1;
    }
    if (!figures_has_vcpus(vm)) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
        return;
    }
    show_heading(first, end);
    for (enum counter which = 0; which < CNT_COUNT; which++) {
        show_counter(vm, which, first, end);
    }
    if (monitor_arg(in, 1) == NULL) {
        show_memory_counters(vm);
    }
}

// ---- One VM in full ----

// A line of the console's holds less than they may be long.
static void show_bootargs(const char *rest)
{
    enum { PIECE = 100 };
    const char *label = "bootargs";
    do {
        size_t n = 0;
        while (n < PIECE && rest[n] != '\0') {
            n++;
        }
        console_printf("%-10s%.*s\n", label, (int)n, rest);
        rest += n;
        label = "";
    } while (*rest != '\0');
}

static void run_info(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm == NULL) {
        return;
    }
    const struct vm_config *c = vm->config;
    uint64_t seconds;
    console_printf("name      %s\nstate     %s\nstarts    %lu\nresets    %lu\n", c->name,
                   shown_state(vm), vm->starts, vm->resets);
    if (wakeup_lies_ahead(&vm->wakeup, &seconds)) {
        console_printf("wake-up   in %lu s\n", seconds);
    }
    console_printf("cpus      %u of weight %u, affinity 0x%x\n", c->cpus, c->weight, c->affinity);
    console_printf("memory    %lu MiB at 0x%lx\n", c->memory >> 20, VM_RAM_BASE);
    if (vm->state != VM_DESTROYED) {
        console_printf("host ram  0x%lx\n", vm->ram.v);
    }
    console_printf("kernel    %zu bytes at 0x%lx%s\n", c->kernel.size,
                   VM_RAM_BASE + vm->plan.kernel, c->kernel_is_image ? "" : ", raw");
    if (c->ramdisk.size != 0) {
        console_printf("ramdisk   %zu bytes at 0x%lx\n", c->ramdisk.size,
                       VM_RAM_BASE + vm->plan.ramdisk);
    }
    console_printf("dtb       at 0x%lx\n", VM_RAM_BASE + vm->plan.dtb);
    show_bootargs(c->bootargs);
    console_printf("console   %lu bytes lost to a slow line\n", console_vm_lost(vm->console));
    cmd_tools_info(vm);
}

const struct command vm_commands[] = {
    {"vm list", "", 0, 0, "all VMs; the one with the focus has a star", run_list},
    {"vm info", "NAME", 1, 1, "what it is made of", run_info},
    {"vm start", "NAME", 1, 1, "build it from the manifest and run it", run_start},
    {"vm pause", "NAME", 1, 1, "let none of its vCPUs run; its virtual counter stands still",
     run_pause},
    {"vm resume", "NAME", 1, 1, "let it go on", run_resume},
    {"vm stop", "NAME", 1, 1, "switch it off, as by its plug", run_stop},
    {"vm reset", "NAME", 1, 1, "stop it, build it anew, and run it", run_reset},
    {"vm destroy", "NAME", 1, 1, "stop it and give its memory back", run_destroy},
    {"vm focus", "NAME", 1, 1, "type to it, after a look at its latest output", run_focus},
    {"vm stat", "NAME [VCPU]", 1, 2, "its counters that are not 0", run_stat},
    {0},
};
