// SPDX-License-Identifier: Apache-2.0
// UEFI's memory map of a VM's RAM (UEFI 2.10, 7.2, GetMemoryMap()).
#pragma once

#include "lib/efi.h"
#include "vm/firmware/firmware.h"

#define FIRMWARE_MAP_MAX 24

struct firmware_map {
    struct efi_memory_descriptor entry[FIRMWARE_MAP_MAX]; // ascending, without gaps
    unsigned count;
};

// Where runtime services are needed, their virtual address is the physical one: whoever takes this
// map and does not call SetVirtualAddressMap() has them there.
void firmware_map_build(struct firmware_map *map, const struct firmware_params *p);
