// SPDX-License-Identifier: Apache-2.0
// SetVirtualAddressMap() and ConvertPointer() (UEFI 2.10, 8.4). Newel's services have nothing that
// moves: what the map says goes into the tables in the guest's memory, by which its callers find
// the stubs, and is of no consequence to anything here.
#include "call/efi_call.h"
#include "lib/bits.h"
#include "mem/guest.h"

#define MAP_MAX 0x4000u // bytes: 400 descriptors

#define DESCRIPTOR_VERSION 1

// One of the two regions that runtime services have.
struct region {
    uint64_t physical, virtual;
    bool known;
};

static bool has(const struct efi_memory_descriptor *d, uint64_t address)
{
    return address >= d->physical && (address - d->physical) / PAGE_SIZE < d->pages;
}

// EFI_NOT_FOUND: there is nothing to be moved where the map says so.
static efi_status apply(const struct efi_memory_descriptor *d, struct region *regions)
{
    bool found = false;
    for (unsigned i = 0; i < 2; i++) {
        struct region *r = &regions[i];
        if (!has(d, r->physical) || !has(d, r->physical + FIRMWARE_PART - 1)) {
            continue;
        }
        r->virtual = d->virtual + (r->physical - d->physical);
        r->known = found = true;
        if (!is_aligned(d->virtual, PAGE_SIZE) || r->virtual + FIRMWARE_PART < r->virtual) {
            return EFI_INVALID_PARAMETER;
        }
    }
    return found ? EFI_SUCCESS : EFI_NOT_FOUND;
}

// Each descriptor is read once.
static efi_status read_map(struct efi_call *c, struct region *regions)
{
    uint64_t size = c->x[0], distance = c->x[1], at = c->x[3];
    struct efi_memory_descriptor d;
    efi_status status = EFI_SUCCESS;
    for (uint64_t done = 0; status == EFI_SUCCESS && done < size; done += distance) {
        status = efi_in(c, &d, at + done, sizeof(d));
        if (status == EFI_SUCCESS && (d.attribute & EFI_MEMORY_RUNTIME)) {
            status = apply(&d, regions);
        }
    }
    return status;
}

static bool is_map(const uint64_t *x)
{
    uint64_t size = x[0], distance = x[1];
    return (uint32_t)x[2] == DESCRIPTOR_VERSION &&
           distance >= sizeof(struct efi_memory_descriptor) && distance <= MAP_MAX &&
           is_aligned(distance, 8) && size != 0 && size <= MAP_MAX && size % distance == 0;
}

static efi_status move(struct efi_call *c, const struct region *data, const struct region *code)
{
    struct guest_efi_data tables = c->efi->data;
    guest_efi_relocate(&tables, data->virtual, code->virtual);
    if (guest_write(&c->vm->space.s2, gpa(data->physical), &tables, sizeof(tables)) != 0) {
        return EFI_NO_MAPPING; // the operator forbids it
    }
    c->efi->data = tables;
    c->efi->data_address = data->virtual;
    c->efi->code_address = code->virtual;
    c->efi->moved = true;
    return EFI_SUCCESS;
}

// SetVirtualAddressMap(IN map size, IN descriptor size, IN descriptor version, IN *map)
efi_status efi_set_virtual_address_map(struct efi_call *c)
{
    struct region regions[2] = {{.physical = c->efi->base + FIRMWARE_DATA},
                                {.physical = c->efi->base + FIRMWARE_CODE}};
    if (c->efi->moved) {
        return EFI_UNSUPPORTED;
    }
    if (!is_map(c->x)) {
        return EFI_INVALID_PARAMETER;
    }
    efi_status status = read_map(c, regions);
    if (status != EFI_SUCCESS) {
        return status;
    }
    return regions[0].known && regions[1].known ? move(c, &regions[0], &regions[1])
                                                : EFI_NO_MAPPING;
}

#define OPTIONAL_POINTER BIT(0)

static bool convert(const struct guest_efi *e, uint64_t *pointer)
{
    const uint64_t physical[] = {e->base + FIRMWARE_DATA, e->base + FIRMWARE_CODE};
    const uint64_t now[] = {e->data_address, e->code_address};
    for (unsigned i = 0; i < ARRAY_SIZE(now); i++) {
        if (*pointer - physical[i] < FIRMWARE_PART) {
            *pointer += now[i] - physical[i];
            return true;
        }
    }
    return false;
}

// ConvertPointer(IN disposition, IN OUT **pointer): by the map, once there is one.
efi_status efi_convert_pointer(struct efi_call *c)
{
    uint64_t pointer;
    if (!c->efi->moved) {
        return EFI_UNSUPPORTED;
    }
    efi_status status = efi_in(c, &pointer, c->x[1], sizeof(pointer));
    if (status != EFI_SUCCESS) {
        return status;
    }
    if (pointer == 0) {
        return c->x[0] & OPTIONAL_POINTER ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
    }
    if (!convert(c->efi, &pointer)) {
        return EFI_NOT_FOUND;
    }
    status = efi_writable(c, c->x[1], sizeof(pointer));
    return status == EFI_SUCCESS ? efi_out_last(c, c->x[1], &pointer, sizeof(pointer)) : status;
}
