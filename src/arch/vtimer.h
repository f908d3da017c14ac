// SPDX-License-Identifier: Apache-2.0
// The EL1 virtual timer's registers as EL2 switches them (Arm ARM D13.8).
#pragma once

#include "arch/sysreg.h"

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

// ISTATUS is to be read by what was written before.
static inline void cntv_sync(void)
{
    __asm__ volatile("isb" ::: "memory");
}
