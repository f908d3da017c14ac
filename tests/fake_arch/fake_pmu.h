// SPDX-License-Identifier: Apache-2.0
// The performance monitors of the machine that tests play.
#pragma once

#include "arch/pmu.h"

extern struct pmu_regs fake_pmu;
