// SPDX-License-Identifier: Apache-2.0
// Random trees of EL1's tables, each scanned by the CPU's own AT and found by recursion. A
// difference is shown.
#pragma once

#include "mon/monitor.h"

void run_scan_check(const struct invocation *in);
