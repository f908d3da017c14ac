// SPDX-License-Identifier: Apache-2.0
// Has the firmware take back what its variables' store has lost to values that were replaced, where
// Newel has left a note that there was no room (nvram/host_efi.h). EDK2 does so when a variable
// does not fit, before ExitBootServices(); so variables are written until one did not.
#include "boot/efi/loader.h"
#include "nvram/host_efi.h"

#include <string.h>

#define KEPT \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)
#define WRITES_MAX 64u

typedef efi_status get_variable_fn(const efi_char16 *name, const struct efi_guid *vendor,
                                   uint32_t *attributes, uint64_t *size, void *data);
typedef efi_status set_variable_fn(const efi_char16 *name, const struct efi_guid *vendor,
                                   uint32_t attributes, uint64_t size, const void *data);
typedef efi_status query_variable_info_fn(uint32_t attributes, uint64_t *all, uint64_t *left,
                                          uint64_t *largest);

static const struct efi_guid vendor = HOST_EFI_VENDOR;
static const efi_char16 name[] = HOST_EFI_NOTE;

static void *service(const struct loader *l, enum efi_service service)
{
    return (void *)(uintptr_t)l->system->runtime->function[service];
}

// A longer one is what a start has left that was cut: it says nothing any more.
static efi_status read_note(const struct loader *l, struct host_efi_note *note)
{
    get_variable_fn *get = (get_variable_fn *)service(l, EFI_GET_VARIABLE);
    uint64_t size = sizeof(*note);
    uint32_t attributes;
    efi_status status = get(name, &vendor, &attributes, &size, note);
    note->left = status == EFI_SUCCESS && size == sizeof(*note) ? note->left : UINT64_MAX;
    return status == EFI_BUFFER_TOO_SMALL ? EFI_SUCCESS : status;
}

static efi_status set(const struct loader *l, const void *data, uint64_t size)
{
    set_variable_fn *set_variable = (set_variable_fn *)service(l, EFI_SET_VARIABLE);
    return set_variable(name, &vendor, KEPT, size, data);
}

// Each time another value, since firmware need not write one that is there.
static efi_status use_up(const struct loader *l, uint64_t room, uint64_t largest, uint8_t *data)
{
    efi_status status = EFI_SUCCESS;
    uint64_t writes = room / largest + 1;
    for (uint64_t i = 0; i < writes && i < WRITES_MAX && status == EFI_SUCCESS; i++) {
        data[0] = (uint8_t)(i + 1);
        status = set(l, data, largest);
    }
    return status;
}

void efi_make_room(struct loader *l)
{
    struct host_efi_note note;
    struct mem_region pages;
    uint64_t all, left = 0, largest = 0;
    if (read_note(l, &note) != EFI_SUCCESS) {
        return;
    }
    query_variable_info_fn *query = (query_variable_info_fn *)service(l, EFI_QUERY_VARIABLE_INFO);
    efi_status status = query(KEPT, &all, &left, &largest);
    // Now firmware has to tell of more room than when it could not take any back: or it does not.
    if (status == EFI_SUCCESS && largest > sizeof(name) + 1 && left > note.left &&
        left - note.left > largest &&
        efi_pages(l, EFI_LOADER_DATA, largest, PAGE_SIZE, &pages) == EFI_SUCCESS) {
        uint8_t *data = (uint8_t *)(uintptr_t)pages.base;
        memset(data, 0, largest);
        efi_say(l, "has the firmware take back its variables' room");
        status = use_up(l, note.left, largest - sizeof(name), data);
        efi_free(l, &pages);
    }
    if (status != EFI_SUCCESS) {
        efi_fail(l, status, "the firmware's variables stay without room");
    }
    set(l, NULL, 0);
}
