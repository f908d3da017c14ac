// SPDX-License-Identifier: Apache-2.0
// A source that gives 1, 2, 3... until it is told to run dry.
#include "fake_random.h"

uint64_t fake_random_next = 1;
uint64_t fake_random_last = UINT64_MAX;

bool random_read(uint64_t *value)
{
    *value = fake_random_next++;
    return *value <= fake_random_last;
}
