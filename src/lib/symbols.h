// SPDX-License-Identifier: Apache-2.0
// Names of Newel's own functions, for backtraces. The table is made by tools/symbols from a first
// link and holds offsets from image_start, so that it is right wherever the image was loaded.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// The function that address lies in, and how far. False where that is none of Newel's, or there is
// no table. For a return address ask for the instruction before it, address - 4. Any CPU, any time;
// no lock.
bool symbol_find(uint64_t address, const char **name, uint64_t *offset);

// count, count offsets in rising order, count offsets into the names, then the names, each ending
// in NUL.
extern const uint32_t symbol_table[];
