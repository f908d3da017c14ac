// SPDX-License-Identifier: Apache-2.0
// The monitor's commands on memory.
#include "con/console.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/frames.h"
#include "mon/monitor.h"
#include "vm/vm.h"

#include <string.h>

#define PAGES_PER_BLOCK (BLOCK_SIZE / PAGE_SIZE)

static void show_owner(const char *name, size_t pages)
{
    console_printf("%-16s %8zu %10zu", name, pages * PAGE_SIZE >> 20, pages);
}

static void show_vm(const struct vm *vm)
{
    show_owner(vm->config->name, frames_owned_by(vm->owner));
    if (vm->state == VM_DESTROYED) {
        console_printf("  destroyed\n");
        return;
    }
    console_printf("  RAM at 0x%lx; tables: %zu of %zu pages, %zu at most\n", vm->ram.v,
                   vm->pool.used, vm->pool.pages, vm->pool.high_water);
}

static void run_map(const struct invocation *in)
{
    (void)in;
    size_t run = frames_largest_free_run(PAGES_PER_BLOCK);
    console_printf("%-16s %8s %10s  %s\n", "OWNER", "MIB", "PAGES", "USE");
    show_owner("newel", frames_owned_by(OWNER_NEWEL));
    console_printf("  image, manifest, tables\n");
    for (size_t i = 0; i < vm_count; i++) {
        show_vm(&vms[i]);
    }
    show_owner("free", frames_owned_by(OWNER_FREE));
    console_printf("  largest run %lu MiB\n", run * PAGE_SIZE >> 20);
}

// ---- vm protect ----

static bool read_range(const struct invocation *in, unsigned n, gpa_t *base, uint64_t *size)
{
    uint64_t start = 0;
    bool good = monitor_read_range(monitor_arg(in, n), &start, size) &&
                is_aligned(start | *size, PAGE_SIZE);
    *base = gpa(start);
    if (!good) {
        monitor_error(in, n, "a range is START+SIZE, both multiples of 0x1000");
    }
    return good;
}

static bool read_rights(const struct invocation *in, unsigned n, enum s2_rights *rights)
{
    static const char letters[] = "rwx";
    const char *text = monitor_arg(in, n);
    bool good = strlen(text) == 3;
    *rights = S2_NONE;
    for (unsigned i = 0; i < 3 && good; i++) {
        good = text[i] == letters[i] || text[i] == '-';
        *rights |= text[i] == letters[i] ? 1u << i : 0;
    }
    if (!good || ((*rights & S2_X) && !(*rights & S2_R))) {
        monitor_error(in, n, "rights are rwx with - for each that is refused; no x without r");
        return false;
    }
    return true;
}

static bool read_policy(const struct invocation *in, unsigned n, enum override_policy *policy)
{
    static const char *const names[] = {"fault", "log", "pause"};
    const char *text = monitor_arg(in, n);
    *policy = OVERRIDE_FAULT;
    for (unsigned i = 0; text != NULL && i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *policy = (enum override_policy)i;
            return true;
        }
    }
    if (text != NULL) {
        monitor_error(in, n, "\"%s\" is none of fault, log, pause", text);
    }
    return text == NULL;
}

static void run_protect(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    gpa_t base;
    uint64_t size;
    enum s2_rights rights;
    enum override_policy policy;
    if (vm == NULL || !read_range(in, 1, &base, &size) || !read_rights(in, 2, &rights) ||
        !read_policy(in, 3, &policy)) {
        return;
    }
    int err = vm_protect(vm, base, size, rights, policy);
    if (err == ERR_BUSY) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else if (err == ERR_RANGE) {
        monitor_error(in, 1, "that is not in its RAM");
    } else if (err != 0) {
        monitor_error(in, 1, "%s", error_text(err));
    }
}

static void run_protections(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm == NULL) {
        return;
    }
    static const char *const policies[] = {"fault", "log", "pause"};
    const struct overrides *o = &vm->space.overrides;
    for (size_t i = 0; i < o->count; i++) {
        const struct override *r = &o->range[i];
        console_printf("0x%lx+0x%lx %c%c%c %s\n", r->base, r->end - r->base,
                       r->rights & S2_R ? 'r' : '-', r->rights & S2_W ? 'w' : '-',
                       r->rights & S2_X ? 'x' : '-', policies[r->policy]);
    }
}

const struct command memory_commands[] = {
    {"vm protect", "NAME START+SIZE RIGHTS [fault|log|pause]", 3, 4,
     "refuse it what RIGHTS lacks of rwx there; rwx ends it", run_protect},
    {"vm protections", "NAME", 1, 1, "the ranges that are protected", run_protections},
    {"memory map", "", 0, 0, "who owns the machine's memory", run_map},
    {0},
};
