// SPDX-License-Identifier: Apache-2.0
#include "boot/efi/memory_map.h"

#include "boot/efi/efi.h"
#include "boot/platform_build.h"
#include "lib/error.h"

#include <string.h>

static struct efi_memory_descriptor *descriptor(const struct efi_memory_map *map, uint64_t n)
{
    return (struct efi_memory_descriptor *)(void *)(map->bytes + n * map->distance);
}

static uint64_t descriptors(const struct efi_memory_map *map)
{
    return map->size / map->distance;
}

static uint64_t end_of(const struct efi_memory_descriptor *d)
{
    return d->physical + d->pages * PAGE_SIZE;
}

static bool is_memory(const struct efi_memory_descriptor *d)
{
    return d->type <= EFI_CONVENTIONAL || d->type == EFI_ACPI_RECLAIM || d->type == EFI_ACPI_NVS;
}

const void *efi_map_memory(void *context, uint64_t address, uint64_t size)
{
    const struct efi_memory_map *map = context;
    uint64_t next = address;
    for (uint64_t i = 0; i < descriptors(map); i++) {
        const struct efi_memory_descriptor *d = descriptor(map, i);
        if (is_memory(d) && next >= d->physical && next < end_of(d)) {
            next = end_of(d);
            if (size <= next - address) {
                return (const void *)(uintptr_t)address;
            }
        }
    }
    return NULL;
}

// Firmware hands the map over nearly sorted.
static void insert(const struct efi_memory_map *map, uint64_t n)
{
    uint64_t *later = (uint64_t *)(void *)descriptor(map, n);
    while (n > 0 &&
           descriptor(map, n - 1)->physical > ((struct efi_memory_descriptor *)later)->physical) {
        uint64_t *earlier = (uint64_t *)(void *)descriptor(map, n - 1);
        for (uint64_t i = 0; i < map->distance / 8; i++) {
            uint64_t word = earlier[i];
            earlier[i] = later[i];
            later[i] = word;
        }
        later = earlier;
        n--;
    }
}

int efi_map_sort(struct efi_memory_map *map)
{
    if (map->distance < sizeof(struct efi_memory_descriptor) || !is_aligned(map->distance, 8)) {
        return ERR_INVALID;
    }
    for (uint64_t n = 1; n < descriptors(map); n++) {
        insert(map, n);
    }
    for (uint64_t n = 0; n < descriptors(map); n++) {
        const struct efi_memory_descriptor *d = descriptor(map, n);
        if (!is_aligned(d->physical, PAGE_SIZE) || d->pages > UINT64_MAX / PAGE_SIZE ||
            (d->pages != 0 && !range_fits(d->physical, d->pages * PAGE_SIZE, UINT64_MAX)) ||
            (n > 0 && end_of(descriptor(map, n - 1)) > d->physical)) {
            return ERR_INVALID;
        }
    }
    return 0;
}

static bool is_ram(const struct efi_memory_descriptor *d)
{
    switch (d->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_SERVICES_CODE:
    case EFI_BOOT_SERVICES_DATA:
    case EFI_CONVENTIONAL:
        return (d->attribute & (EFI_MEMORY_WB | EFI_MEMORY_SP | EFI_MEMORY_RUNTIME)) ==
               EFI_MEMORY_WB;
    default:
        return false;
    }
}

static void remove_smallest(struct platform *p)
{
    size_t smallest = 0;
    for (size_t i = 1; i < p->ram_count; i++) {
        smallest = p->ram[i].size < p->ram[smallest].size ? i : smallest;
    }
    p->ram_count--;
    for (size_t i = smallest; i < p->ram_count; i++) {
        p->ram[i] = p->ram[i + 1];
    }
}

_Static_assert(EFI_RAM_REGIONS < FRAMES_MAX_REGIONS, "room for one more than are kept");

static void add_ram(struct platform *p, uint64_t base, uint64_t end)
{
    end = MIN(end, PA_LIMIT);
    if (base >= end || end - base < BLOCK_SIZE) {
        return;
    }
    p->ram[p->ram_count++] = (struct mem_region){base, end - base};
    if (p->ram_count > EFI_RAM_REGIONS) {
        remove_smallest(p);
    }
}

static void take_ram(const struct efi_memory_map *map, struct platform *p)
{
    uint64_t base = 0, end = 0; // the run being gathered
    p->ram_count = 0;
    for (uint64_t n = 0; n < descriptors(map); n++) {
        const struct efi_memory_descriptor *d = descriptor(map, n);
        if (!is_ram(d)) {
            continue;
        }
        if (d->physical != end) {
            add_ram(p, base, end);
            base = d->physical;
        }
        end = end_of(d);
    }
    add_ram(p, base, end);
}

static void take_runtime(const struct efi_memory_map *map, struct platform *p)
{
    p->efi.region_count = 0;
    for (uint64_t n = 0; n < descriptors(map); n++) {
        const struct efi_memory_descriptor *d = descriptor(map, n);
        if ((d->attribute & EFI_MEMORY_RUNTIME) == 0) {
            continue;
        }
        if (p->efi.region_count == EFI_RUNTIME_REGIONS) {
            p->efi.system_table = hpa(0);
            return;
        }
        p->efi.region[p->efi.region_count++] = (struct efi_region){
            d->physical, d->pages * PAGE_SIZE, d->attribute & ~EFI_MEMORY_RUNTIME, d->type};
    }
}

void efi_map_take(const struct efi_memory_map *map, struct platform *p)
{
    take_ram(map, p);
    take_runtime(map, p);
}
