// SPDX-License-Identifier: Apache-2.0
// The guest's PSCI (DEN0022) as SMCCC calls; see call/smccc.h.
#pragma once

#include "cpu/vcpu.h"

// function: W0 of the call, one of PSCI's. Arguments and results in v->regs.x[0..3].
void psci_call(struct vcpu *v, uint32_t function);
