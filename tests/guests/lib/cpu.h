// SPDX-License-Identifier: Apache-2.0
// CPUs of a payload: per-CPU data, starting and stopping the others.
#pragma once

#include "lib/exc.h"
#include "lib/sysreg.h"

#define CPU_MAX 8

struct cpu {
    unsigned index;
    bool skip;
    uint64_t skipped;
    struct exc_info last;
    uint64_t recover_sp; /* 0: no exception expected */
    struct exc_info caught;
    exc_mend_fn mend;
    exc_irq_fn irq;
    exc_irq_fn fiq;
};

/* This CPU's data (TPIDR_EL1). */
static inline struct cpu *cpu_self(void)
{
    return (struct cpu *)read_sysreg(tpidr_el1);
}

static inline unsigned cpu_index(void)
{
    return cpu_self()->index;
}

/* The MPIDR affinity of CPU n as QEMU `virt` numbers them. */
static inline uint64_t cpu_mpidr(unsigned n)
{
    return (n & 15) | ((uint64_t)(n >> 4) << 8);
}

/* Number of CPUs in the device tree, at most CPU_MAX. */
unsigned cpu_count(void);

/* Sets this CPU's data up; the boot code calls it once on each CPU. */
void cpu_init(unsigned index);

/*
 * Turns CPU n on by PSCI to run fn(arg), with the MMU on if it is on here; the CPU turns itself off
 * after fn. Returns the PSCI code (0 = success).
 */
int cpu_start(unsigned n, exc_fn fn, uint64_t arg);

/* The two halves of cpu_start(): preparing once serves any number of starts of the same function.
 */
void cpu_prepare(unsigned n, exc_fn fn, uint64_t arg);
int cpu_turn_on(unsigned n);

/* Waits until CPU n has finished its function and is off; false after about a minute. */
bool cpu_join(unsigned n);

/* What PSCI AFFINITY_INFO says. */
bool cpu_is_off(unsigned n);
