// SPDX-License-Identifier: Apache-2.0
// The CPU's own walk of the loaded guest's stage 1 (Arm ARM C6.2, AT; D19.2.117, PAR_EL1).
#pragma once

#include <stdbool.h>
#include <stdint.h>

// PAR_EL1's fields
#define PAR_ADDRESS(par)    ((par)&UINT64_C(0x0000fffffffff000))
#define PAR_FST(par)        (((par) >> 1) & 0x3f)     // with PAR_F: as an abort's FSC
#define PAR_ATTRIBUTES(par) ((unsigned)((par) >> 56)) // without PAR_F: as a field of MAIR_EL1
#define PAR_STAGE2          (UINT64_C(1) << 9)        // with PAR_F: the walk was stopped by stage 2

// What PAR_EL1 says after AT S1E1R, S1E1W, S1E0R or S1E0W of va, by el0 and write. The guest's own
// PAR_EL1 is kept.
uint64_t at_stage1(uint64_t va, bool el0, bool write);
