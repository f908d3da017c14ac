// SPDX-License-Identifier: Apache-2.0
// UEFI's memory map, and what of it becomes Newel's RAM.
#pragma once

#include "boot/platform.h"

#include <stdint.h>

struct efi_memory_map {
    uint8_t *bytes; // 8-byte aligned
    uint64_t size;
    uint64_t distance; // between descriptors; a multiple of 8
};

// For struct acpi: context is a struct efi_memory_map. Reserved memory counts, as tables may lie
// there; MMIO and what is unusable do not.
const void *efi_map_memory(void *context, uint64_t address, uint64_t size);

// Sorts the map by address. ERR_INVALID if descriptors overlap, wrap, or are no descriptors.
int efi_map_sort(struct efi_memory_map *map);

// From a sorted map. p->ram: all that no firmware needs once boot services are gone, without pieces
// below 2 MiB; of more than EFI_RAM_REGIONS the largest. p->efi.region: what runtime services need;
// where there are more than EFI_RUNTIME_REGIONS there are no runtime services: system_table
// becomes 0.
#define EFI_RAM_REGIONS 32
void efi_map_take(const struct efi_memory_map *map, struct platform *p);

// Afterwards: p->efi.part, from the firmware's memory attributes table, at an address that has not
// been looked at yet (0: there is none); the map says what of it is memory. part_count becomes 0
// where the table contradicts itself or the map, does not cover all of the services' code, or would
// have a page written to and executed.
void efi_map_take_rights(const struct efi_memory_map *map, uint64_t table, struct platform *p);
