// SPDX-License-Identifier: Apache-2.0
// The two NOR flashes of virt's machine, blank: an erased cell reads as ones, and nothing programs
// it. Firmware looks there for its variables, and for none of this would it go on.
#pragma once

#include "dev/device.h"

#define FLASH_BASE UINT64_C(0)
#define FLASH_SIZE UINT64_C(0x08000000)

// d is for bus_add(). Holds no state.
void flash_init(struct device *d);
