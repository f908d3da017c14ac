// SPDX-License-Identifier: Apache-2.0
// This CPU's breakpoint and watchpoint registers by number, and its OS lock (Arm ARM D19.3).
#pragma once

#include <stdint.h>

// As op2 of their encodings tells them apart, less 4.
enum debug_point { DEBUG_BVR, DEBUG_BCR, DEBUG_WVR, DEBUG_WCR, DEBUG_POINT_KINDS };
#define DEBUG_POINTS 16

// DBGBVR<n>_EL1 and so on; n is less than the number of those that this CPU has.
void debug_write_point(enum debug_point kind, unsigned n, uint64_t value);

// What EL1 may find enabled after a reset of the CPU: all of its points off, both OS locks open,
// MDSCR_EL1 zero.
void debug_init_cpu(void);
