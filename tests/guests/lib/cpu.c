// SPDX-License-Identifier: Apache-2.0
#include "lib/cpu.h"

#include "lib/machine.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/timer.h"

#define STACK_SIZE 16384

/* entry.S reads the stack, with the MMU still off. */
struct cpu_boot {
    uint64_t stack;
    unsigned index;
    bool mmu;
    volatile bool finished;
    exc_fn fn;
    uint64_t arg;
};

static struct cpu cpus[CPU_MAX];
static struct cpu_boot boots[CPU_MAX] __attribute__((aligned(64)));
static uint8_t stacks[CPU_MAX][STACK_SIZE] __attribute__((aligned(16)));

extern char cpu_secondary_entry[];
_Noreturn void cpu_secondary_main(struct cpu_boot *boot);

unsigned cpu_count(void)
{
    return machine.cpus < CPU_MAX ? machine.cpus : CPU_MAX;
}

void cpu_init(unsigned index)
{
    cpus[index] = (struct cpu){.index = index};
    write_sysreg(tpidr_el1, (uint64_t)&cpus[index]);
}

void cpu_secondary_main(struct cpu_boot *boot)
{
    cpu_init(boot->index);
    if (boot->mmu) {
        mmu_on();
    }
    boot->fn(boot->arg);
    boot->finished = true;
    psci_call(PSCI_CPU_OFF, 0, 0, 0);
    for (;;) {
    }
}

static void clean_line(const void *addr)
{
    __asm__ volatile("dc civac, %0\n\tdsb sy" ::"r"(addr) : "memory");
}

void cpu_prepare(unsigned n, exc_fn fn, uint64_t arg)
{
    boots[n] = (struct cpu_boot){
        .stack = (uint64_t)stacks[n] + STACK_SIZE,
        .index = n,
        .mmu = mmu_is_on(),
        .fn = fn,
        .arg = arg,
    };
    clean_line(&boots[n]);
}

int cpu_turn_on(unsigned n)
{
    return psci_call(PSCI_CPU_ON, cpu_mpidr(n), (uint64_t)cpu_secondary_entry, (uint64_t)&boots[n]);
}

int cpu_start(unsigned n, exc_fn fn, uint64_t arg)
{
    cpu_prepare(n, fn, arg);
    return cpu_turn_on(n);
}

bool cpu_is_off(unsigned n)
{
    return psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(n), 0, 0) == 1;
}

/* Bare QEMU calls a CPU off until it has really begun, so being off alone does not mean being done.
 */
bool cpu_join(unsigned n)
{
    return wait_for(boots[n].finished, 60000000) && wait_for(cpu_is_off(n), 5000000);
}

void psci_system_off(void)
{
    psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;) {
    }
}
