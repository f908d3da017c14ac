// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>
#include <stdint.h>

// What at_stage1() gives, as PAR_EL1 has it; NULL: the identity.
extern uint64_t (*fake_at)(uint64_t va, bool el0, bool write);
