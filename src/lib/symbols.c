// SPDX-License-Identifier: Apache-2.0
#include "lib/symbols.h"

extern const char image_start[], image_text_end[]; // of the linker script

// The number of functions that start at or below offset.
static uint32_t count_below(const uint32_t *offsets, uint32_t count, uint64_t offset)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (offsets[middle] <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool symbol_find(uint64_t address, const char **name, uint64_t *offset)
{
    uint64_t start = (uint64_t)(uintptr_t)image_start;
    uint64_t end = (uint64_t)(uintptr_t)image_text_end;
    uint32_t count = symbol_table[0];
    const uint32_t *offsets = &symbol_table[1], *name_offsets = offsets + count;
    const char *names = (const char *)(name_offsets + count);

    if (address < start || address >= end) {
        return false;
    }
    uint32_t below = count_below(offsets, count, address - start);
    if (below == 0) {
        return false;
    }
    *name = names + name_offsets[below - 1];
    *offset = address - start - offsets[below - 1];
    return true;
}
