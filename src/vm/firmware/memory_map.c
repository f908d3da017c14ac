// SPDX-License-Identifier: Apache-2.0
#include "vm/firmware/memory_map.h"

#include "lib/check.h"
#include "vm/guest_fdt.h"

#include <string.h>

static void insert(struct firmware_map *map, unsigned at, uint32_t type, uint64_t base,
                   uint64_t size, uint64_t attribute)
{
    if (size == 0) {
        return;
    }
    CHECK(map->count < FIRMWARE_MAP_MAX);
    memmove(&map->entry[at + 1], &map->entry[at], (map->count - at) * sizeof(map->entry[0]));
    map->count++;
    map->entry[at] = (struct efi_memory_descriptor){
        .type = type,
        .physical = base,
        .virtual = attribute & EFI_MEMORY_RUNTIME ? base : 0,
        .pages = size / PAGE_SIZE,
        .attribute = EFI_MEMORY_WB | attribute,
    };
}

// Takes a part out of what is free. What is there already stays, down to where it begins.
static void carve(struct firmware_map *map, uint32_t type, uint64_t base, uint64_t size,
                  uint64_t attribute)
{
    for (unsigned i = 0; i < map->count; i++) {
        struct efi_memory_descriptor e = map->entry[i];
        uint64_t end = e.physical + e.pages * PAGE_SIZE;
        if (e.type != EFI_CONVENTIONAL || base < e.physical || base >= end) {
            continue;
        }
        uint64_t part_end = base + size < end ? base + size : end;
        memmove(&map->entry[i], &map->entry[i + 1], (map->count - i - 1) * sizeof(map->entry[0]));
        map->count--;
        insert(map, i, EFI_CONVENTIONAL, part_end, end - part_end, 0);
        insert(map, i, type, base, part_end - base, attribute);
        insert(map, i, EFI_CONVENTIONAL, e.physical, base - e.physical, 0);
        return;
    }
}

static void carve_loaded(struct firmware_map *map, uint32_t type, uint64_t offset, uint64_t size)
{
    uint64_t base = VM_RAM_BASE + align_down(offset, PAGE_SIZE);
    uint64_t end = VM_RAM_BASE + align_up(offset + size, PAGE_SIZE);
    if (size != 0) {
        carve(map, type, base, end - base, 0);
    }
}

void firmware_map_build(struct firmware_map *map, const struct firmware_params *p)
{
    const struct vm_config *c = p->config;
    map->count = 0;
    insert(map, 0, EFI_CONVENTIONAL, VM_RAM_BASE, c->memory, 0);
    carve_loaded(map, EFI_LOADER_CODE, p->plan->kernel, load_kernel_size(c));
    carve_loaded(map, EFI_LOADER_DATA, p->plan->ramdisk, c->ramdisk.size);
    carve_loaded(map, EFI_LOADER_DATA, p->plan->dtb, DTB_SIZE);
    carve(map, EFI_ACPI_RECLAIM, p->base + FIRMWARE_ACPI, FIRMWARE_PART, 0);
    carve(map, EFI_LOADER_DATA, p->base + FIRMWARE_MAP, FIRMWARE_PART, 0);
    carve(map, EFI_RUNTIME_SERVICES_DATA, p->base + FIRMWARE_DATA, FIRMWARE_PART,
          EFI_MEMORY_RUNTIME);
    carve(map, EFI_RUNTIME_SERVICES_CODE, p->base + FIRMWARE_CODE, FIRMWARE_PART,
          EFI_MEMORY_RUNTIME);
    if (c->cpu_boot != CPU_BOOT_PSCI) {
        carve(map, EFI_RESERVED, p->base + FIRMWARE_MAILBOXES, FIRMWARE_PART, 0);
    }
}
