// SPDX-License-Identifier: Apache-2.0
// The EL1 timers' registers as EL2 switches them (Arm ARM D13.8).
#pragma once

#include "arch/sysreg.h"

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t cntv_read_ctl(void)
{
    return read_sysreg(cntv_ctl_el0);
}

static inline void cntv_write_ctl(uint64_t value)
{
    write_sysreg(cntv_ctl_el0, value);
}

static inline uint64_t cntv_read_cval(void)
{
    return read_sysreg(cntv_cval_el0);
}

static inline void cntv_write_cval(uint64_t value)
{
    write_sysreg(cntv_cval_el0, value);
}

static inline void cntv_write_offset(uint64_t value)
{
    write_sysreg(cntvoff_el2, value);
}

// The physical timer, for a vCPU that has it to itself; direct: its registers do not trap.
static inline void cntp_set_direct(bool direct)
{
    write_sysreg(cnthctl_el2, CNTHCTL_EL1PCTEN | (direct ? CNTHCTL_EL1PCEN : 0));
}

static inline uint64_t cntp_read_ctl(void)
{
    return read_sysreg(cntp_ctl_el0);
}

static inline void cntp_write_ctl(uint64_t value)
{
    write_sysreg(cntp_ctl_el0, value);
}

static inline uint64_t cntp_read_cval(void)
{
    return read_sysreg(cntp_cval_el0);
}

static inline void cntp_write_cval(uint64_t value)
{
    write_sysreg(cntp_cval_el0, value);
}

// ISTATUS is to be read by what was written before.
static inline void cntv_sync(void)
{
    __asm__ volatile("isb" ::: "memory");
}
