// SPDX-License-Identifier: Apache-2.0
#include "arch/cache.h"
#include "arch/sysreg.h"
#include "boot/boot.h"
#include "call/psci_abi.h"
#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "irq/gic.h"
#include "lib/log.h"
#include "mem/el2map.h"
#include "trap/run.h"

#include <stddef.h>

#define START_TIMEOUT_US 1000000

// What a CPU finds at the address in its x0 before it has a stack or an MMU.
struct secondary_start {
    uint64_t stack;
    struct percpu *cpu;
    uint64_t ttbr, tcr;
    uint64_t mair;
    uint32_t state; // enum start_state, atomic: who comes first, the CPU or the time-out
    struct id_regs ids;
} __attribute__((aligned(128)));

_Static_assert(offsetof(struct secondary_start, stack) == SECONDARY_STACK, "entry.S");
_Static_assert(offsetof(struct secondary_start, cpu) == SECONDARY_CPU, "entry.S");
_Static_assert(offsetof(struct secondary_start, ttbr) == SECONDARY_TTBR, "entry.S");
_Static_assert(offsetof(struct secondary_start, mair) == SECONDARY_MAIR, "entry.S");

// The CPU that comes takes the state from WAITING to COMING before it touches anything that is not
// its own; after the time-out it finds GIVEN_UP, and its percpu may be another one's.
enum start_state { START_WAITING, START_COMING, START_ARRIVED, START_GIVEN_UP };

static struct secondary_start starts[MAX_CPUS];

void percpu_init(struct percpu *cpu, unsigned id, unsigned slot, uint64_t mpidr)
{
    cpu->id = id;
    cpu->mpidr = mpidr;
    cpu->stack_top = (uint64_t)(uintptr_t)cpu_stacks + (slot + 1) * (uint64_t)STACK_SLOT;
    cpu->emergency_sp =
        (uint64_t)(uintptr_t)emergency_stacks + (slot + 1) * (uint64_t)EMERGENCY_SIZE;
}

void percpu_install(struct percpu *cpu)
{
    write_sysreg(tpidr_el2, (uint64_t)(uintptr_t)cpu);
    isb();
}

static bool move_on(struct secondary_start *s, uint32_t from, enum start_state to)
{
    return __atomic_compare_exchange_n(&s->state, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static void too_late(struct timer *timer)
{
    (void)timer; // its interrupt has ended the WFI, which is all that is asked of it
}

// Asleep: the CPU that comes sends an SGI, the one that does not is ended by the timer.
static bool wait_for(struct secondary_start *s)
{
    struct timer timer;
    uint64_t end = timer_now() + timer_ticks_from_us(START_TIMEOUT_US);
    timer_init(&timer, too_late);
    timer_arm(&timer, end);
    while (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) < START_ARRIVED && timer_now() < end) {
        cpu_wfi();
        machine_interrupts();
    }
    timer_cancel(&timer);
    move_on(s, START_WAITING, START_GIVEN_UP);
    while (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == START_COMING) {
        cpu_relax(); // a few register accesses
    }
    return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == START_ARRIVED;
}

static void start_one(const struct platform *p, unsigned slot)
{
    struct secondary_start *s = &starts[slot];
    struct percpu *cpu = &percpus[cpu_count];
    percpu_init(cpu, cpu_count, slot, p->cpu[slot].mpidr);
    *s = (struct secondary_start){.stack = cpu->stack_top,
                                  .cpu = cpu,
                                  .ttbr = el2_map_ttbr(),
                                  .tcr = el2_map_tcr(features.pa_bits),
                                  .mair = el2_map_mair()};
    dcache_clean_inval_poc(s, sizeof(*s)); // its reader has no caches yet
    dsb(sy);
    int64_t err = (int64_t)smc_call(PSCI_CPU_ON_64, cpu->mpidr,
                                    (uint64_t)(uintptr_t)secondary_entry, (uint64_t)(uintptr_t)s)
                      .x[0];
    if (err != PSCI_SUCCESS) {
        log_warn("CPU 0x%lx does not start: PSCI error %ld", cpu->mpidr, (long)err);
    } else if (!wait_for(s)) {
        log_warn("CPU 0x%lx does not start: no answer", cpu->mpidr);
    } else {
        features_merge(&features, &s->ids);
        switch_heed_errata(cpu, &s->ids);
        cpu_count++;
    }
}

void smp_start_all(const struct platform *p)
{
    for (unsigned slot = 1; slot < p->cpu_count; slot++) {
        start_one(p, slot);
    }
}

noreturn void boot_secondary(struct percpu *cpu)
{
    uint64_t frame = (uint64_t)(uintptr_t)__builtin_frame_address(0); // its stack is its own
    struct secondary_start *s = &starts[(frame - 1 - (uint64_t)(uintptr_t)cpu_stacks) / STACK_SLOT];
    if (!move_on(s, START_WAITING, START_COMING)) {
        cpu_halt();
    }
    percpu_install(cpu);
    features_read(&s->ids);
    if (gic_init_cpu() != 0) {
        move_on(s, START_COMING, START_GIVEN_UP);
        cpu_halt(); // the boot CPU will say that this one did not come
    }
    switch_init_cpu(&s->ids);
    timer_init_cpu();
    cpu->online = true;
    move_on(s, START_COMING, START_ARRIVED);
    machine_kick(0); // the boot CPU waits
    trap_run_cpu();
}
