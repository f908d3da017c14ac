// SPDX-License-Identifier: Apache-2.0
// Stand-ins for trap/io.c, for tests of what leads to it: they count the calls of x86's I/O
// instructions.
#pragma once

#include "trap/trap.h"

static unsigned calls;

enum trap_result io_call(struct vcpu *which)
{
    (void)which;
    calls++;
    return TRAP_EMULATED;
}

enum trap_result io_call_after(struct vcpu *which)
{
    (void)which;
    calls++;
    return TRAP_RETRY;
}
