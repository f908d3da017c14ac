// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mon/monitor.h"

// "move NAME ROUNDS": the pages that tests/guests/touch.c touches go elsewhere in the machine and
// back, one by one, while the VM runs; what they leave is overwritten.
void run_move_pages(const struct invocation *in);
