// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mon/monitor.h"

// "map": maps 1 GiB between marks 19 and 20 of the instruction-counting plugin, for tools/bench.
void run_map_cost(const struct invocation *in);
