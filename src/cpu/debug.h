// SPDX-License-Identifier: Apache-2.0
// A vCPU's self-hosted debug: breakpoints, watchpoints, single step. Its registers live in memory,
// since each access of a guest traps (MDCR_EL2.TDA); the machine holds them only as far as they can
// have an effect.
#pragma once

#include "arch/debug.h"

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct debug_regs {
    uint64_t mdscr; // as the guest sees it, with its TDCC
    uint64_t mdccint;
    uint64_t point[DEBUG_POINT_KINDS][DEBUG_POINTS];
    uint8_t claim; // tags
    bool os_lock;
};

// For calls by BRK (vcpu.brk_calls), MDCR_EL2.TDE sends debug exceptions to EL2, and with it EL1's
// PSTATE.D and MDSCR_EL1.KDE hold none of them back any more. So it is set only while BRK's is the
// one that there can be: a guest whose breakpoints, watchpoints or single step are enabled has them
// exactly as they are, and takes its BRKs itself.

// A CPU's cold reset: everything off, the OS lock locked.
void debug_reset(struct vcpu *v);

// At a switch to v, on its CPU: MDSCR_EL1, and the points where they are in use. Those that a vCPU
// without MDE finds in the machine are another's, and can neither fire nor be read.
void debug_load(struct vcpu *v);

// The guest's writes, on its CPU.
void debug_set_mdscr(struct vcpu *v, uint64_t value);
void debug_set_os_lock(struct vcpu *v, bool locked);
// n is less than features.breakpoints or watchpoints.
void debug_set_point(struct vcpu *v, enum debug_point kind, unsigned n, uint64_t value);
