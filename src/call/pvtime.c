// SPDX-License-Identifier: Apache-2.0
#include "call/pvtime.h"

#include "call/smccc.h"
#include "cpu/stolen.h"
#include "vm/vm.h"

static int64_t supported(uint32_t function)
{
    return function == PV_TIME_FEATURES || function == PV_TIME_ST ? 0 : SMCCC_NOT_SUPPORTED;
}

// From now on the scheduler keeps the caller's record.
static int64_t record_address(struct vcpu *v)
{
    v->stolen = &v->vm->stolen[v->index];
    return (int64_t)(PV_TIME_BASE + v->index * sizeof(struct stolen_time));
}

int64_t pvtime_call(struct vcpu *v, uint32_t function)
{
    return function == PV_TIME_ST ? record_address(v) : supported((uint32_t)v->regs.x[1]);
}
