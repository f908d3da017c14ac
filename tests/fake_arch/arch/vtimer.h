// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for src/arch/vtimer.h: one CPU's EL1 timers, driven by the fake counter.
#pragma once

#include "arch/sysreg_bits.h"
#include "arch/timer.h"

#include <stdbool.h>
#include <stdint.h>

struct fake_vtimer {
    uint64_t ctl, cval, offset;
    uint64_t phys_ctl, phys_cval;
    bool direct;
};

extern struct fake_vtimer fake_vtimer;

static inline uint64_t cntv_read_ctl(void)
{
    bool met = fake_timer.now - fake_vtimer.offset >= fake_vtimer.cval;
    return fake_vtimer.ctl | ((fake_vtimer.ctl & CNT_CTL_ENABLE) && met ? CNT_CTL_ISTATUS : 0);
}

static inline void cntv_write_ctl(uint64_t value)
{
    fake_vtimer.ctl = value & (CNT_CTL_ENABLE | CNT_CTL_IMASK);
}

static inline uint64_t cntv_read_cval(void)
{
    return fake_vtimer.cval;
}

static inline void cntv_write_cval(uint64_t value)
{
    fake_vtimer.cval = value;
}

static inline void cntv_write_offset(uint64_t value)
{
    fake_vtimer.offset = value;
}

static inline void cntp_set_direct(bool direct)
{
    fake_vtimer.direct = direct;
}

static inline uint64_t cntp_read_ctl(void)
{
    bool met = fake_timer.now >= fake_vtimer.phys_cval;
    return fake_vtimer.phys_ctl |
           ((fake_vtimer.phys_ctl & CNT_CTL_ENABLE) && met ? CNT_CTL_ISTATUS : 0);
}

static inline void cntp_write_ctl(uint64_t value)
{
    fake_vtimer.phys_ctl = value & (CNT_CTL_ENABLE | CNT_CTL_IMASK);
}

static inline uint64_t cntp_read_cval(void)
{
    return fake_vtimer.phys_cval;
}

static inline void cntp_write_cval(uint64_t value)
{
    fake_vtimer.phys_cval = value;
}

static inline void cntv_sync(void)
{
}
