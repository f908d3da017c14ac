// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mon/monitor.h"

// "walk SEED": the CPU's AT instruction against mem/walk.c, over random tables and registers. Says
// how many walks were compared and how many answers differ.
void run_walk_check(const struct invocation *in);
