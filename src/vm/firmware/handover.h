// SPDX-License-Identifier: Apache-2.0
// What /chosen of a VM's device tree says of its EFI (Linux, efi_get_fdt_params()).
#pragma once

#include <stdint.h>

struct firmware_handover {
    uint64_t system_table, map; // guest-physical
    uint32_t map_size, descriptor_size;
};
