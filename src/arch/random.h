// SPDX-License-Identifier: Apache-2.0
// The CPU's random numbers (FEAT_RNG, Arm ARM D19.2.129).
#pragma once

#include <stdbool.h>
#include <stdint.h>

// 64 bits, fresh from the source of entropy (RNDRRS). False when it has none just now. Only where
// the feature table says that there is one.
bool random_read(uint64_t *value);
