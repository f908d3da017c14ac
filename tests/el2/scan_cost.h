// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mon/monitor.h"

// "scancost": each between the marks 19 and 20, for tools/bench. 48 bits with one page mapped by
// mem/scan.h, then by the walker in software alone; 1 GiB of that page by page, by AT; 512 pages
// that are mapped by mem/scan.h, and by the walker alone. Says how many AT the first took.
void run_scan_cost(const struct invocation *in);
