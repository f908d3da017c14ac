// SPDX-License-Identifier: Apache-2.0
// The self-hosted debug registers of this CPU, by number (Arm ARM D2, D19.3).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DEBUG_MAX 16 // breakpoints, and watchpoints, that the architecture has room for

// As op2 of their encodings is: DBGBVRn_EL1 4, DBGBCRn_EL1 5, DBGWVRn_EL1 6, DBGWCRn_EL1 7.
enum debug_kind { DEBUG_BVR, DEBUG_BCR, DEBUG_WVR, DEBUG_WCR, DEBUG_KINDS };

// n is below the number of breakpoints or watchpoints that the CPU has.
void debug_register_write(enum debug_kind kind, unsigned n, uint64_t value);

// OSLAR_EL1: while the OS lock is held there are no breakpoints, watchpoints and steps.
void debug_os_lock(bool locked);
