// SPDX-License-Identifier: Apache-2.0
// dump: pauses a VM and makes the headers of an ELF core file of it in memory. What follows them in
// the file is the VM's RAM as it lies in the machine, so nothing of that is copied: tools/dump
// takes both parts out of the machine, by their host-physical addresses.
#include "arch/cache.h"
#include "con/console.h"
#include "cpu/sched.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/backing.h"
#include "mem/frames.h"
#include "mon/monitor.h"
#include "mon/vm_scan.h"
#include "trap/walk.h"
#include "vm/core.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"
#include "vm/vmcoreinfo.h"

#include <string.h>

#define RUNS         32 // of one piece of work
#define SEARCH_PAGES 4  // between two looks at the clock: each may hold what a guest made a note of
#define LEAST_PAGES  (CORE_NOTES_SIZE / PAGE_SIZE + 1)

// One at a time, from the command to `dump NAME --end`.
static struct dump {
    struct work work;
    bool busy, ended; // atomic
    // Atomic. Whoever sets it has all else, and alone gives up; the work has it from the beginning,
    // and leaves it when all is told.
    bool at_work;
    struct vm *vm;
    bool was_running;
    hpa_t memory;
    size_t pages;
    struct core core;
    gpa_t searched;
    struct vmcoreinfo info;
    struct vm_scan scan;
    struct scan_run runs[RUNS];
    unsigned count, taken;
    uint64_t offset; // taken of the first that is not taken whole
    bool full;       // more ranges than there is room for
} dump;

static const char *name_of(const struct dump *d)
{
    return d->vm->config->name;
}

static void free_memory(struct dump *d)
{
    if (d->pages != 0) {
        frames_free(OWNER_NEWEL, d->memory, d->pages);
        d->pages = 0;
    }
}

static bool give_up(struct dump *d, const char *why)
{
    const char *name = name_of(d);

    free_memory(d);
    if (d->was_running && vm_life(d->vm) == d->scan.life) {
        (void)vm_resume(d->vm);
    }
    __atomic_store_n(&d->busy, false, __ATOMIC_RELEASE); // from here on it may be another dump's
    console_printf("dump: %s: %s\n", name, why);
    return false;
}

// To be ended by the operator from now on, if that has not been asked for already.
static bool leave(struct dump *d)
{
    __atomic_store_n(&d->at_work, false, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&d->ended, __ATOMIC_SEQ_CST) &&
        !__atomic_exchange_n(&d->at_work, true, __ATOMIC_SEQ_CST)) {
        return give_up(d, "ended");
    }
    return false;
}

// NULL, and the VM's lock is held, or why the work cannot go on: a dump is of a VM that stands
// still from its first step on.
static const char *hold(const struct dump *d)
{
    if (__atomic_load_n(&d->ended, __ATOMIC_RELAXED)) {
        return "ended";
    }
    if (!vm_scan_hold(&d->scan)) {
        return "it has stopped, so there is no dump";
    }
    if (d->vm->state != VM_PAUSED) {
        vm_scan_release(&d->scan);
        return "it goes on, so there is no dump";
    }
    return NULL;
}

// ---- Steps, last first ----

static bool tell(struct dump *d)
{
    size_t used = core_finish(&d->core), pages = used / PAGE_SIZE;

    dcache_clean_poc(hpa_ptr(d->memory), used); // for who looks without this CPU
    cache_dsb_ish();
    if (d->pages > pages) {
        frames_free(OWNER_NEWEL, hpa_add(d->memory, used), d->pages - pages);
        d->pages = pages;
    }
    console_printf("dump: %s: %zu ranges%s%s: tools/dump CONTROL FILE 0x%lx+0x%lx 0x%lx+0x%lx\n",
                   name_of(d), d->core.ranges, d->info.size != 0 ? ", VMCOREINFO" : "",
                   d->full ? ", no room for more" : "", d->memory.v, used, d->vm->ram.v,
                   d->vm->config->memory);
    console_printf("dump: %s: paused until dump %s --end\n", name_of(d), name_of(d));
    return leave(d);
}

// What is not RAM has no contents. Everybody's rights are in a range's flags.
static bool take_part(struct dump *d, const struct scan_run *r, unsigned *steps)
{
    struct backing b;
    uint64_t left = r->last - r->va - d->offset + 1;

    if (!backing_find(d->scan.scan.s2, gpa_add(r->ipa, d->offset), left, steps, &b)) {
        return false;
    }
    uint64_t contents = b.pa.v - d->vm->ram.v, memory = d->vm->config->memory;

    if (b.mapped && contents < memory && b.size <= memory - contents) {
        d->full = !core_add_range(&d->core, gva(r->va + d->offset), b.ipa, b.size,
                                  r->rights.el1 | r->rights.el0, contents) ||
                  d->full;
    }
    d->offset += b.size;
    return b.size == left;
}

static void take_runs(struct dump *d)
{
    unsigned steps = VM_SCAN_STEPS;

    while (d->taken < d->count && steps > 0) {
        const struct scan_run *r = &d->runs[d->taken];

        if (r->kind == SCAN_MAPPED && !take_part(d, r, &steps)) {
            continue;
        }
        d->taken++;
        d->offset = 0;
    }
}

static bool scan_step(struct work *work)
{
    struct dump *d = container_of(work, struct dump, work);
    const char *why = hold(d);

    if (why != NULL) {
        return give_up(d, why);
    }
    take_runs(d);
    vm_scan_release(&d->scan);
    if (d->taken < d->count) {
        return true;
    }
    if (d->scan.over || d->full) {
        return tell(d);
    }
    d->taken = 0;
    int err = vm_scan_step(&d->scan, d->runs, RUNS, &d->count);

    return err == 0 || d->scan.over || give_up(d, "its vCPU is off");
}

// The kernel's half by the kernel's own tables, where they are known: while a program runs the
// vCPU may have others in force, with little in them.
static bool begin_scan(struct dump *d)
{
    if (d->info.size != 0) {
        d->scan.root[1] = d->info.kernel.v;
        (void)core_add_note(&d->core, "VMCOREINFO", 0, d->info.text, d->info.size);
    }
    d->work.step = scan_step;
    return true;
}

static bool search_step(struct work *work)
{
    struct dump *d = container_of(work, struct dump, work);
    gpa_t end = gpa(VM_RAM_BASE + d->vm->config->memory);
    const char *why = hold(d);
    struct walk_regs regs;

    if (why != NULL) {
        return give_up(d, why);
    }
    walk_registers_of(d->vm->vcpu[0], &regs);
    uint64_t until = timer_now() + timer_ticks_from_us(VM_SCAN_US);
    bool over;
    do {
        over =
            vmcoreinfo_search(&d->info, &d->vm->space.s2, &regs, &d->searched, end, SEARCH_PAGES);
    } while (!over && timer_now() < until);
    vm_scan_release(&d->scan);
    return !over || begin_scan(d);
}

static void add_vcpus(struct dump *d)
{
    for (unsigned i = 0; i < d->vm->config->cpus; i++) {
        const struct vcpu *v = d->vm->vcpu[i];

        if (v->state != VCPU_OFF) {
            (void)core_add_vcpu(&d->core, v); // there is room for all
        }
    }
}

static bool wait_step(struct work *work)
{
    struct dump *d = container_of(work, struct dump, work);
    const char *why = hold(d);

    if (why != NULL) {
        return give_up(d, why);
    }
    if (sched_stands_still(&d->vm->share)) {
        add_vcpus(d);
        d->work.step = search_step;
    }
    vm_scan_release(&d->scan);
    return true;
}

// ---- The command ----

// As much as ranges can fill, or what there is.
static int take_memory(struct dump *d)
{
    int err = ERR_NOMEM;

    for (size_t pages = align_up(CORE_MOST_SIZE, PAGE_SIZE) / PAGE_SIZE;
         err != 0 && pages >= LEAST_PAGES; pages /= 2) {
        err = frames_alloc(OWNER_NEWEL, pages, 1, &d->memory);
        d->pages = err == 0 ? pages : 0;
    }
    return err;
}

static void begin(const struct invocation *in, struct vm *vm)
{
    const uint64_t own[2] = {0, 0};

    dump = (struct dump){.work.step = wait_step, .vm = vm, .searched = gpa(VM_RAM_BASE)};
    vm_scan_start(&dump.scan, vm, gva(0), gva(UINT64_MAX), own);
    if (take_memory(&dump) != 0) {
        monitor_error(in, 0, "no memory for the headers");
        return;
    }
    core_start(&dump.core, hpa_ptr(dump.memory), dump.pages * PAGE_SIZE);
    dump.was_running = vm_pause(vm) == 0;
    dump.busy = dump.at_work = true;
    sched_work(&dump.work);
}

static void end(const struct invocation *in, const struct vm *vm)
{
    if (!__atomic_load_n(&dump.busy, __ATOMIC_ACQUIRE) || dump.vm != vm) {
        monitor_error(in, 0, "there is no dump of it");
        return;
    }
    __atomic_store_n(&dump.ended, true, __ATOMIC_SEQ_CST);
    if (!__atomic_exchange_n(&dump.at_work, true, __ATOMIC_SEQ_CST)) {
        (void)give_up(&dump, "ended");
    }
}

static void run_dump(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    const char *option = monitor_arg(in, 1);

    if (vm == NULL) {
        return;
    }
    if (option != NULL && strcmp(option, "--end") != 0) {
        monitor_error(in, 1, "it is --end");
    } else if (option != NULL) {
        end(in, vm);
    } else if (__atomic_load_n(&dump.busy, __ATOMIC_ACQUIRE)) {
        monitor_error(in, 0, "there is a dump of %s; dump %s --end ends it", name_of(&dump),
                      name_of(&dump));
    } else if (vm->state != VM_RUNNING && vm->state != VM_PAUSED) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else {
        begin(in, vm);
    }
}

const struct command dump_commands[] = {
    {"dump", "NAME [--end]", 1, 2, "pause it and make a core file of it for tools/dump", run_dump},
    {0},
};
