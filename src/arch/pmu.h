// SPDX-License-Identifier: Apache-2.0
// This CPU's performance monitors as EL2 switches them (Arm ARM D13, D19.5).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PMU_COUNTERS 31 // event counters that the architecture has room for

struct pmu_regs {
    uint64_t pmcr, cntenset, intenset, ovsset, selr, userenr, ccntr, ccfiltr;
    uint64_t evcntr[PMU_COUNTERS], evtyper[PMU_COUNTERS];
};

// Everything off, and EL0 kept out. The event counters that this CPU has: 0..31, 0 also where it
// has no PMUv3.
unsigned pmu_machine_init(void);

// counters: no more than this CPU has. Saving stops all counting, takes the interrupt's line down
// and keeps EL0 out; nothing that was counted is lost.
void pmu_machine_save(struct pmu_regs *to, unsigned counters);
void pmu_machine_load(const struct pmu_regs *from, unsigned counters);

// After the overflow interrupt came: may its line be high still? An overflow flag that is enabled
// in PMINTENSET_EL1 (Arm ARM D13.3.1) is set. PMCR_EL0.E is left out: with it clear the line should
// be low, but in QEMU (10.0.2) it stays, and letting the interrupt go would bring it back for ever.
bool pmu_machine_line(void);
