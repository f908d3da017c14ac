// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for src/arch/cpu.h: what the host-tested rooms need, and no more.
#pragma once

#include <stdint.h>

static inline void cpu_relax(void)
{
}

static inline uint16_t cpu_wait_while(const uint16_t *p, uint16_t old)
{
    (void)old;
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

// WFI: lets the test bring in an interrupt.
void cpu_wfi(void);

struct smc_result {
    uint64_t x[4];
};

// SMC: to a firmware that knows no call, unless a test defines its own. HVC likewise.
struct smc_result smc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);
struct smc_result hvc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);

// SEV: how often it was done.
extern unsigned fake_sev;
static inline void cpu_sev(void)
{
    fake_sev++;
}

struct percpu;

// The CPU that a test plays; defined by the tests that need it.
struct percpu *cpu_local(void);
