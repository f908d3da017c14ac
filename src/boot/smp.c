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

enum start_state { START_WAITING, START_ARRIVED, START_GIVEN_UP };

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
    while (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != START_ARRIVED && timer_now() < end) {
        cpu_wfi();
        machine_interrupts();
    }
    timer_cancel(&timer);
    uint32_t waiting = START_WAITING;
    return !__atomic_compare_exchange_n(&s->state, &waiting, START_GIVEN_UP, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
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
    percpu_install(cpu);
    uint64_t slot = (cpu->stack_top - (uint64_t)(uintptr_t)cpu_stacks) / STACK_SLOT - 1;
    struct secondary_start *s = &starts[slot];
    features_read(&s->ids);
    uint32_t waiting = START_WAITING;
    if (gic_init_cpu() != 0) {
        cpu_halt(); // the boot CPU will say that this one did not come
    }
    switch_init_cpu(&s->ids);
    timer_init_cpu();
    cpu->online = true;
    if (!__atomic_compare_exchange_n(&s->state, &waiting, START_ARRIVED, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        cpu_halt();
    }
    machine_kick(0); // the boot CPU waits
    trap_run_cpu();
}
