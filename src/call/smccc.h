// SPDX-License-Identifier: Apache-2.0
// Calls that guests make by HVC #0 and SMC #0 (DEN0028).
#pragma once

#include "cpu/vcpu.h"

// x0..x17 are in v->regs; results go there. An unknown function gets NOT_SUPPORTED (-1) in x0.
void smccc_call(struct vcpu *v);
