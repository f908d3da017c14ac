// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for a CPU's debug registers.
#pragma once

#include "arch/debug.h"

extern uint64_t fake_debug[DEBUG_KINDS][DEBUG_MAX];
extern bool fake_os_locked;
extern unsigned fake_debug_writes;
