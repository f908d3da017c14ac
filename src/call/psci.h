// SPDX-License-Identifier: Apache-2.0
// The guest's PSCI (DEN0022) as SMCCC calls; see call/smccc.h.
#pragma once

#include "cpu/vcpu.h"

#include <stdbool.h>

// PSCI's functions have these numbers, with 0x40000000 for the 64-bit calling convention.
#define PSCI_FIRST 0x84000000u
#define PSCI_LAST  0x8400001fu

// function: W0 of the call, one of PSCI's. Arguments and results in v->regs.x[0..3]; the result as
// smccc_call()'s.
bool psci_call(struct vcpu *v, uint32_t function);

// What PSCI_FEATURES says of a function: 0 or flags, or PSCI_NOT_SUPPORTED.
int psci_features(uint32_t function);
