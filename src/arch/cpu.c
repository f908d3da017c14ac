// SPDX-License-Identifier: Apache-2.0
#include "arch/cpu.h"

// SMCCC 1.0 lets the callee clobber x4-x17 as well.
#define CALL(instruction)                                                                \
    register uint64_t x0 __asm__("x0") = function;                                       \
    register uint64_t x1 __asm__("x1") = a1;                                             \
    register uint64_t x2 __asm__("x2") = a2;                                             \
    register uint64_t x3 __asm__("x3") = a3;                                             \
    register uint64_t x4 __asm__("x4") = 0;                                              \
    register uint64_t x5 __asm__("x5") = 0;                                              \
    register uint64_t x6 __asm__("x6") = 0;                                              \
    register uint64_t x7 __asm__("x7") = 0;                                              \
    __asm__ volatile(                                                                    \
        #instruction " #0"                                                               \
        : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6), "+r"(x7) \
        :                                                                                \
        : "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory"); \
    return (struct smc_result)                                                           \
    {                                                                                    \
        {                                                                                \
            x0, x1, x2, x3                                                               \
        }                                                                                \
    }

struct smc_result smc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    CALL(smc);
}

struct smc_result hvc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    CALL(hvc);
}

noreturn void cpu_halt(void)
{
    for (;;) {
        cpu_wfi();
    }
}
