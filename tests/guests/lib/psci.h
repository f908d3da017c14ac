// SPDX-License-Identifier: Apache-2.0
// SMCCC calls (Arm DEN 0028) and the PSCI functions (DEN 0022) a payload uses.
#pragma once

#include <stdint.h>

#define PSCI_VERSION           0x84000000u
#define PSCI_CPU_SUSPEND32     0x84000001u
#define PSCI_CPU_SUSPEND       0xc4000001u
#define PSCI_CPU_OFF           0x84000002u
#define PSCI_CPU_ON32          0x84000003u
#define PSCI_CPU_ON            0xc4000003u
#define PSCI_AFFINITY_INFO32   0x84000004u
#define PSCI_AFFINITY_INFO     0xc4000004u
#define PSCI_MIGRATE           0xc4000005u
#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_SYSTEM_OFF        0x84000008u
#define PSCI_SYSTEM_RESET      0x84000009u
#define PSCI_FEATURES          0x8400000au
#define PSCI_SYSTEM_RESET2     0xc4000012u

#define PSCI_SUCCESS            0
#define PSCI_NOT_SUPPORTED      (-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_DENIED             (-3)
#define PSCI_ALREADY_ON         (-4)
#define PSCI_ON_PENDING         (-5)
#define PSCI_INVALID_ADDRESS    (-9)

#define SMCCC_VERSION       0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_NOT_SUPPORTED (-1)

/* x0..x3 by HVC #0; returns x0. */
static inline int64_t hvc_call(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
    register uint64_t x0 __asm__("x0") = fn;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    return (int64_t)x0;
}

/* The same by SMC #0: undefined on a machine that has neither EL2 nor EL3. */
static inline int64_t smc_call(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
    register uint64_t x0 __asm__("x0") = fn;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;

    /* "smc #0", which the assembler keeps for CPUs that are said to have EL3 */
    __asm__ volatile(".inst 0xd4000003" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    return (int64_t)x0;
}

/* PSCI return codes are 32-bit signed whatever the calling convention. */
static inline int psci_call(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
    return (int)hvc_call(fn, a1, a2, a3);
}

_Noreturn void psci_system_off(void);
