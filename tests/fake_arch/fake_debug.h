// SPDX-License-Identifier: Apache-2.0
// The breakpoint and watchpoint registers of the machine that tests play.
#pragma once

#include "arch/debug.h"

extern uint64_t fake_points[DEBUG_POINT_KINDS][DEBUG_POINTS];
extern unsigned fake_point_writes;
