// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/random.h"

extern uint64_t fake_random_next, fake_random_last;
