// SPDX-License-Identifier: Apache-2.0
// The monitor's commands on memory.
#include "con/console.h"
#include "mem/frames.h"
#include "mon/monitor.h"
#include "vm/vm.h"

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

const struct command memory_commands[] = {
    {"memory map", "", 0, 0, "who owns the machine's memory", run_map},
    {0},
};
