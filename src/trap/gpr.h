// SPDX-License-Identifier: Apache-2.0
// General registers by an instruction's number for them, where 31 is the zero register.
#pragma once

#include "cpu/vcpu.h"

static inline uint64_t gpr_read(const struct vcpu *v, unsigned n)
{
    return n == 31 ? 0 : v->regs.x[n];
}

static inline void gpr_write(struct vcpu *v, unsigned n, uint64_t value)
{
    if (n != 31) {
        v->regs.x[n] = value;
    }
}
