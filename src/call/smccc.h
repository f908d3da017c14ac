// SPDX-License-Identifier: Apache-2.0
// Calls that guests make by HVC #0 and SMC #0 (DEN0028).
#pragma once

#include "cpu/vcpu.h"

#include <stdbool.h>

#define SMCCC_SUCCESS       0L
#define SMCCC_NOT_SUPPORTED (-1L)

// And the workarounds, in cpu/spectre.h.
#define SMCCC_VERSION         0x80000000u
#define SMCCC_ARCH_FEATURES   0x80000001u
#define SMCCC_VENDOR_UID      0x8600ff01u
#define SMCCC_VENDOR_REVISION 0x8600ff03u

// x0..x17 are in v->regs; results go there, x4..x17 are kept. An unknown function gets
// NOT_SUPPORTED (-1) in x0. True when the vCPU goes on after the call; false when it does not come
// back from it (CPU_OFF, SYSTEM_OFF...) or goes on elsewhere (CPU_SUSPEND), its pc being set.
bool smccc_call(struct vcpu *v);
