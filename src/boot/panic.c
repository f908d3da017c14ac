// SPDX-License-Identifier: Apache-2.0
// When Newel itself is broken: say where, and stop the machine.
#include "boot/panic.h"
#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "boot/boot.h"
#include "boot/efi_services.h"
#include "con/console.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "irq/gic.h"
#include "lib/check.h"
#include "lib/log.h"
#include "lib/print.h"
#include "lib/symbols.h"

#include <stddef.h>

_Static_assert(sizeof(struct el2_frame) == FRAME_SIZE, "vectors.S");

static uint32_t panicking; // atomic: 1 + the CPU that talks; the others halt
static bool again;         // a fault while it did

// What could not be said once is not tried again.
static noreturn void give_up(void)
{
    if (!again) {
        again = true;
        console_printf("\nnewel: another fault during this panic\n");
        machine_reset();
    }
    cpu_halt();
}

static void begin(void)
{
    uint32_t me = this_cpu()->id + 1, talking = 0;
    if (!__atomic_compare_exchange_n(&panicking, &talking, me, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        if (talking == me) {
            give_up();
        }
        cpu_halt();
    }
    log_break_lock();
    efi_services_abandon();
    console_panic();
    gic_send_sgi_others(HOST_SGI_STOP);
}

static void print_address(const char *what, uint64_t address)
{
    const char *name;
    uint64_t offset;
    if (symbol_find(address, &name, &offset)) {
        console_printf("newel:   %s 0x%lx  %s+0x%lx\n", what, address, name, offset);
    } else {
        console_printf("newel:   %s 0x%lx\n", what, address);
    }
}

static bool on_a_stack(uint64_t fp)
{
    uint64_t base = (uint64_t)(uintptr_t)cpu_stacks;
    uint64_t end = (uint64_t)(uintptr_t)emergency_stacks + (uint64_t)EMERGENCY_SIZE * MAX_CPUS;
    return fp >= base && fp + 16 <= end && is_aligned(fp, 16) &&
           (fp >= (uint64_t)(uintptr_t)emergency_stacks ||
            (fp - base) % STACK_SLOT >= STACK_SLOT - STACK_SIZE);
}

// A guest's x29 can end up at the bottom of the chain, so each link is checked: on a stack, and
// going up.
static void backtrace(uint64_t fp)
{
    for (unsigned depth = 0; depth < 32 && on_a_stack(fp); depth++) {
        const uint64_t *record = (const uint64_t *)(uintptr_t)fp;
        print_address("from", record[1] - 4); // the call, not where it returns to
        if (record[0] <= fp) {
            return;
        }
        fp = record[0];
    }
}

noreturn void panic(const char *fmt, ...)
{
    char text[200];
    va_list args;
    begin();
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    console_printf("newel: panic on CPU %u: %s\n", this_cpu()->id, text);
    backtrace((uint64_t)(uintptr_t)__builtin_frame_address(0));
    machine_reset();
}

static const char *const vector_names[] = {
    "synchronous (SP_EL0)", "IRQ (SP_EL0)", "FIQ (SP_EL0)", "SError (SP_EL0)",
    "synchronous",          "IRQ",          "FIQ",          "SError",
};

noreturn void el2_fault(const struct el2_frame *f, unsigned vector)
{
    begin();
    console_printf("newel: panic on CPU %u: %s exception at EL2\n", this_cpu()->id,
                   vector_names[vector & 7]);
    console_printf("newel:   ESR 0x%lx (class 0x%02lx) FAR 0x%lx SPSR 0x%lx SP 0x%lx\n", f->esr,
                   ESR_EC(f->esr), f->far, f->spsr, f->sp);
    for (unsigned i = 0; i < 30; i += 3) {
        console_printf("newel:   x%-2u %016lx  x%-2u %016lx  x%-2u %016lx\n", i, f->x[i], i + 1,
                       f->x[i + 1], i + 2, f->x[i + 2]);
    }
    print_address("at  ", f->elr);
    print_address("from", f->x[30] - 4);
    backtrace(f->x[29]);
    machine_reset();
}
