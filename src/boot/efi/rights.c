// SPDX-License-Identifier: Apache-2.0
// What of the runtime services' memory is code, constants and data (UEFI 2.10, 4.6.4).
#include "boot/efi/efi.h"
#include "boot/efi/memory_map.h"
#include "boot/platform_build.h"
#include "lib/error.h"

struct attributes {
    const char *descriptors;
    uint64_t count, distance;
};

static const struct efi_memory_descriptor *entry(const struct attributes *a, uint64_t n)
{
    return (const struct efi_memory_descriptor *)(const void *)(a->descriptors + n * a->distance);
}

// NULL if it is not all in memory.
static bool find_table(const struct efi_memory_map *map, uint64_t at, struct attributes *out)
{
    const struct efi_memory_attributes *t = NULL;
    if (at != 0 && is_aligned(at, 8)) {
        t = efi_map_memory((void *)(uintptr_t)map, at, sizeof(*t));
    }
    if (t == NULL || t->distance < sizeof(struct efi_memory_descriptor) ||
        !is_aligned(t->distance, 8) || t->entries > EFI_RUNTIME_PARTS ||
        efi_map_memory((void *)(uintptr_t)map, at,
                       sizeof(*t) + (uint64_t)t->entries * t->distance) == NULL) {
        return false;
    }
    *out = (struct attributes){(const char *)(t + 1), t->entries, t->distance};
    return true;
}

static int add_part(struct platform *p, uint64_t base, uint64_t size, enum el2_attrs attrs)
{
    for (size_t i = 0; i < p->efi.part_count; i++) {
        const struct efi_part *other = &p->efi.part[i];
        if (base < other->base + other->size && other->base < base + size) {
            return ERR_INVALID;
        }
    }
    if (p->efi.part_count == EFI_RUNTIME_PARTS || !range_fits(base, size, PA_LIMIT)) {
        return ERR_RANGE;
    }
    p->efi.part[p->efi.part_count++] = (struct efi_part){base, size, attrs};
    return 0;
}

static bool is_code(const struct efi_region *r)
{
    return r->type == EFI_RUNTIME_SERVICES_CODE;
}

// What is neither told to be code nor to be constant is data, and not executed.
static enum el2_attrs attrs_of(uint64_t attribute)
{
    if ((attribute & EFI_MEMORY_RO) == 0) {
        return EL2_NORMAL_RW;
    }
    return (attribute & EFI_MEMORY_XP) != 0 ? EL2_NORMAL_RO : EL2_TEXT_RX;
}

// Those of the table's entries that begin in the region. covered: bytes, of the region.
static int add_entries(const struct attributes *a, const struct efi_region *r, struct platform *p,
                       uint64_t *covered)
{
    int err = 0;
    *covered = 0;
    for (uint64_t n = 0; n < a->count && err == 0; n++) {
        const struct efi_memory_descriptor *d = entry(a, n);
        if (d->physical < r->base || d->physical - r->base >= r->size || d->pages == 0) {
            continue;
        }
        uint64_t room = r->size - (d->physical - r->base);
        bool told = (d->attribute & (EFI_MEMORY_RO | EFI_MEMORY_XP)) != 0 || !is_code(r);
        if (!is_aligned(d->physical, PAGE_SIZE) || d->pages > room / PAGE_SIZE || !told) {
            return ERR_INVALID;
        }
        *covered += d->pages * PAGE_SIZE;
        err = add_part(p, d->physical, d->pages * PAGE_SIZE, attrs_of(d->attribute));
    }
    return err;
}

static int add_region(const struct attributes *a, const struct efi_region *r, struct platform *p)
{
    uint64_t covered;
    if ((r->attribute & EFI_MEMORY_WB) == 0) {
        return is_code(r) ? ERR_INVALID : add_part(p, r->base, r->size, EL2_DEVICE_RW);
    }
    int err = add_entries(a, r, p, &covered);
    if (err == 0 && covered == 0 && !is_code(r)) {
        return add_part(p, r->base, r->size, EL2_NORMAL_RW);
    }
    return err != 0 ? err : covered == r->size ? 0 : ERR_INVALID;
}

void efi_map_take_rights(const struct efi_memory_map *map, uint64_t table, struct platform *p)
{
    struct attributes a;
    int err = find_table(map, table, &a) ? 0 : ERR_NOENT;
    p->efi.part_count = 0;
    for (size_t i = 0; i < p->efi.region_count && err == 0; i++) {
        err = add_region(&a, &p->efi.region[i], p);
    }
    if (err != 0) {
        p->efi.part_count = 0;
    }
}
