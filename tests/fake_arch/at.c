// SPDX-License-Identifier: Apache-2.0
// The guest's stage 1 is the identity, but where a test says otherwise.
#include "arch/at.h"
#include "fake_at.h"

uint64_t (*fake_at)(uint64_t va, bool el0, bool write);

uint64_t at_stage1(uint64_t va, bool el0, bool write)
{
    return fake_at != 0 ? fake_at(va, el0, write) : PAR_ADDRESS(va);
}
