// SPDX-License-Identifier: Apache-2.0
#include "arch/at.h"

#include "arch/cpu.h"
#include "arch/sysreg.h"

uint64_t at_stage1(uint64_t va, bool el0, bool write)
{
    uint64_t guests = read_sysreg(par_el1);
    if (el0) {
        if (write) {
            __asm__ volatile("at s1e0w, %0" ::"r"(va) : "memory");
        } else {
            __asm__ volatile("at s1e0r, %0" ::"r"(va) : "memory");
        }
    } else if (write) {
        __asm__ volatile("at s1e1w, %0" ::"r"(va) : "memory");
    } else {
        __asm__ volatile("at s1e1r, %0" ::"r"(va) : "memory");
    }
    isb();
    uint64_t par = read_sysreg(par_el1);
    write_sysreg(par_el1, guests);
    return par;
}
