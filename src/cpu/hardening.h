// SPDX-License-Identifier: Apache-2.0
// detect-hardening: a vCPU for which no instruction comes to EL2 that a CPU could execute by
// itself, so that newel/detect.h finds nothing. It has the CPU's own ID, debug and performance
// monitor registers, ACTLR_EL1 and physical timer (irq/vtimer.h), switched with it, and its WFI
// waits on the CPU. A VM without it pays nothing for it.
#pragma once

#include "arch/direct.h"
#include "cpu/features.h"
#include "cpu/vcpu.h"

#include <stddef.h>

// False, with why, where something of the machine has to be hidden from guests and only a trap
// would do it, or is not switched and would be within the guest's reach. policy: what the VM's
// guest is to see.
bool hardening_possible(const struct features *f, const struct id_policy *policy,
                        const struct direct_facts *facts, char *why, size_t size);

// After switch_init_vcpu(). stays: there is one CPU that it may run on.
void hardening_init_vcpu(struct vcpu *v, bool stays);
// By vcpu_reset().
void hardening_reset(struct vcpu *v);

// At a switch.
void hardening_load(struct vcpu *v);
void hardening_save(struct vcpu *v);
