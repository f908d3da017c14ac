// SPDX-License-Identifier: Apache-2.0
// The table of the first link, which has no names yet.
#include "lib/symbols.h"

__attribute__((weak)) const uint32_t symbol_table[1] = {0};
