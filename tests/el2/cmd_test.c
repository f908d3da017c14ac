// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone: breaks Newel on purpose, to see what a broken one does.
#include "arch/cpu.h"
#include "con/console.h"
#include "firmware_check.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "map_cost.h"
#include "mon/monitor.h"
#include "move_pages.h"
#include "scan_check.h"
#include "scan_cost.h"
#include "vm/vm.h"
#include "walk_check.h"

#include <string.h>

static __attribute__((noinline)) void fail_a_check(void)
{
    CHECK(vm_count == 0);
}

static __attribute__((noinline)) void read_no_memory(void)
{
    (void)*(volatile uint32_t *)(uintptr_t)(UINT64_C(1) << 40);
}

static __attribute__((noinline)) void write_code(void)
{
    *(volatile uint32_t *)(uintptr_t)monitor_init = 0;
}

static __attribute__((noinline)) void run_data(void)
{
    static uint32_t code[] = {0xd65f03c0}; // RET
    ((void (*)(void))(uintptr_t)code)();
}

// Never inlined nor made a loop: each turn takes its kibibyte of stack.
static __attribute__((noinline)) unsigned overflow_stack(unsigned depth)
{
    volatile char room[1024];
    memset((void *)room, (int)depth, sizeof(room));
    return depth == UINT32_MAX ? 0 : overflow_stack(depth + 1) + room[depth % sizeof(room)];
}

static void run_break(const struct invocation *in)
{
    const char *how = monitor_arg(in, 0);
    if (strcmp(how, "check") == 0) {
        fail_a_check();
    } else if (strcmp(how, "read") == 0) {
        read_no_memory();
    } else if (strcmp(how, "write") == 0) {
        write_code();
    } else if (strcmp(how, "exec") == 0) {
        run_data();
    } else if (strcmp(how, "stack") == 0) {
        console_printf("%u\n", overflow_stack(0));
    } else if (strcmp(how, "twice") == 0) {
        panic("%s", (const char *)(uintptr_t)(UINT64_C(1) << 40));
    } else {
        monitor_error(in, 0, "it is check, read, write, exec, stack or twice");
    }
}

const struct command test_commands[] = {
    {"break", "HOW", 1, 1, "break Newel", run_break},
    {"firmware", "", 0, 0, "run functions as the firmware's", run_firmware_check},
    {"map", "", 0, 0, "map 1 GiB between two marks", run_map_cost},
    {"move", "NAME ROUNDS", 2, 2, "move pages of a VM that runs the payload touch", run_move_pages},
    {"scantest", "SEED TREES", 2, 2, "compare scans by AT with a recursion", run_scan_check},
    {"scancost", "", 0, 0, "scan 48 bits between marks, in three ways", run_scan_cost},
    {"walk", "SEED", 1, 1, "compare AT with the software walker", run_walk_check},
    {0},
};
