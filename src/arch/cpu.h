// SPDX-License-Identifier: Apache-2.0
// Instructions that act on the CPU itself.
#pragma once

#include <stdint.h>
#include <stdnoreturn.h>

struct percpu;

static inline void cpu_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}

static inline void cpu_wfi(void)
{
    __asm__ volatile("isb; dsb sy; wfi" ::: "memory"); // isb: what was set to end it is in force
}

// The event that ends other CPUs' WFE, once what was written before it is seen by them.
static inline void cpu_sev(void)
{
    __asm__ volatile("dsb sy; sev" ::: "memory");
}

// Waits in WFE until *p may have changed from old, and returns it, with acquire semantics. The
// store that changes it is the event (Arm ARM B2.9.2: the monitor set by the load-exclusive is
// cleared).
static inline uint16_t cpu_wait_while(const uint16_t *p, uint16_t old)
{
    uint16_t now;
    __asm__ volatile("sevl\n"
                     "1: wfe\n"
                     "   ldaxrh %w0, %1\n"
                     "   cmp %w0, %w2\n"
                     "   b.eq 1b"
                     : "=&r"(now)
                     : "Q"(*p), "r"(old)
                     : "memory", "cc");
    return now;
}

static inline void isb(void)
{
    __asm__ volatile("isb" ::: "memory");
}

#define dsb(domain) __asm__ volatile("dsb " #domain ::: "memory")
#define dmb(domain) __asm__ volatile("dmb " #domain ::: "memory")

// TPIDR_EL2 holds the CPU's struct percpu from the first line of C on.
static inline struct percpu *cpu_local(void)
{
    struct percpu *p;
    __asm__("mrs %0, tpidr_el2" : "=r"(p));
    return p;
}

struct smc_result {
    uint64_t x[4];
};

// SMC to the firmware with the SMCCC convention (DEN0028), x4..x7 being 0.
struct smc_result smc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);

// The same by HVC to a hypervisor beneath, from EL1.
struct smc_result hvc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);

// Waits for interrupts for ever; for a CPU that is not to be used any more.
noreturn void cpu_halt(void);
