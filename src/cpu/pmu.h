// SPDX-License-Identifier: Apache-2.0
// A vCPU's performance monitors (Arm ARM D13, PMUv3). Accesses trap (MDCR_EL2.TPM) until the guest
// makes one; then the machine's PMU is the vCPU's own while it runs. Nothing counts while it does
// not, and once nothing would count in any case, accesses trap again and a switch costs nothing.
#pragma once

#include "arch/pmu.h"

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct pmu {
    struct pmu_regs regs; // while not live
    bool live;            // the machine holds the vCPU's registers
    bool held;            // the machine's overflow interrupt is active here for this vCPU
};

// The overflow interrupt's line as saved registers have it.
bool pmu_saved_line(const struct pmu_regs *r);

// Once on each CPU: its PMU is off and keeps EL0 out.
void pmu_init_cpu(void);

// MDCR_EL2's part of the PMU, the same for all vCPUs: all counters are the guest's, and EL2 is not
// counted where that can be had (FEAT_PMUv3p1 for events, FEAT_PMUv3p5 for cycles).
uint64_t pmu_mdcr(void);

// An access trapped on the vCPU's CPU, of a VM that has a PMU: from here on it does not. False if
// it does not trap as a PMU's, since they do not trap any more.
bool pmu_enable(struct vcpu *v);

// At a switch, for a vCPU with pmu_used.
void pmu_save(struct vcpu *v);
void pmu_load(struct vcpu *v);
