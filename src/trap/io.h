// SPDX-License-Identifier: Apache-2.0
// x86's I/O instructions, which a VM with guest-tools calls by one of three ways: MRS XZR,
// MDCCSR_EL0, HVC #0x86, BRK #0x86 (docs/guest-abi.md).
#pragma once

#include "call/io_insn.h"
#include "trap/trap.h"
#include "vm/vm.h"

// Has the VM ports at all?
static inline bool io_exists(const struct vcpu *v)
{
    return v->vm->tools != NULL;
}

// Is a read of MDCCSR_EL0 into XZR a call?
static inline bool io_is_called(const struct vcpu *v)
{
    return v->regs.x[7] >> 32 == IO_MAGIC && io_exists(v);
}

// What W7 says, io_exists(). The program counter is the calling instruction's.
enum trap_result io_call(struct vcpu *v);
// After an HVC, whose ELR is past it.
enum trap_result io_call_after(struct vcpu *v);
