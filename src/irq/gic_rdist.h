// SPDX-License-Identifier: Apache-2.0
// Which of a GICv3's redistributors is whose (IHI 0069, 12.10).
#pragma once

#include "irq/gic.h"

// The RD frame of the CPU with this MPIDR, in the regions of config, which are mapped; 0 if there
// is none.
uint64_t gic_find_rdist(const struct gic_config *config, uint64_t mpidr);
