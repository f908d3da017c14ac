// SPDX-License-Identifier: Apache-2.0
// What Newel as a UEFI application leaves to Newel at EL2: in x0 at the entry, where boot loaders
// give the device tree. Both are the same build.
#pragma once

#include "boot/platform.h"

// "newelefi", little-endian; no device tree begins with it.
#define HANDOVER_MAGIC UINT64_C(0x6966656c6577656e)

// In memory that may be used otherwise once it was read, cleaned to the point of coherency.
struct handover {
    uint64_t magic;
    struct platform platform;
};
