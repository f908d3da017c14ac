// SPDX-License-Identifier: Apache-2.0
// The machine's NOR flash: one that answers to the Common Flash Interface (JEDEC JESD68.01) with
// Intel's command set (0001h; Intel StrataFlash data sheets), two chips of 16 bits side by side, as
// QEMU's virt has it.
#pragma once

#include "dev/nor.h"
#include "lib/addr.h"

// Asks the chips at base, of which EL2 has mapped size bytes as a device, what they are. NULL if
// there are none of this kind. Once.
struct nor *flash_host_probe(hpa_t base, uint64_t size);
