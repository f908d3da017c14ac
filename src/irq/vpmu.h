// SPDX-License-Identifier: Apache-2.0
// The overflow interrupt of a vCPU's performance monitors: level PPI 23. The machine's comes to EL2
// and stays active there until its line is seen to have fallen, so that it fires once.
#pragma once

#include <stdbool.h>

struct vcpu;

// The machine has a PMUv3 that guests can be given: of a version whose registers are all switched,
// with a private interrupt. After gic_init() and once the feature table is whole.
bool vpmu_available(void);

// The machine's interrupt was acknowledged while the vCPU was loaded here. False if it is none of
// its doing: it is to be deactivated.
bool vpmu_interrupt(struct vcpu *v);

// For the virtual GIC, on the vCPU's CPU or while it is saved, with its lock, where the line was
// high: is it still? The machine's interrupt is let go if it is not.
bool vpmu_still_high(struct vcpu *v);
