// SPDX-License-Identifier: Apache-2.0
// What Newel knows of a VM's EFI runtime: all the state that its services have, variables apart.
#pragma once

#include "vm/firmware/efi_tables.h"

#include <stdbool.h>

#define EFI_NO_MINUTE INT64_MAX

struct guest_efi {
    bool present;  // the guest has a system table
    bool busy;     // one of its vCPUs is in a call (call/efi_runtime.c); atomic
    bool moved;    // SetVirtualAddressMap() was called
    uint64_t base; // guest-physical, of FIRMWARE_SIZE bytes
    uint64_t data_address, code_address; // of the two parts, as the guest calls them by now
    // What the last GetTime() said, and when that minute began by the clock (UTC, seconds since
    // 1970); time zone and daylight as SetTime() had them (UEFI 2.10, 8.3).
    struct efi_time time __attribute__((aligned(8)));
    int64_t minute;             // or EFI_NO_MINUTE
    struct guest_efi_data data; // what was written into guest memory
};

// The VM starts anew.
void guest_efi_reset(struct guest_efi *e, uint64_t base, const struct guest_efi_data *data);
