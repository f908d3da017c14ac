// SPDX-License-Identifier: Apache-2.0
// What Newel knows of a VM's EFI runtime: all the state that its services have, variables apart.
#pragma once

#include "vm/firmware/efi_tables.h"

#include <stdbool.h>

struct guest_efi {
    bool present;  // the guest has a system table
    bool busy;     // one of its vCPUs is in a call (call/efi_runtime.c); atomic
    bool moved;    // SetVirtualAddressMap() was called
    uint64_t base; // guest-physical, of FIRMWARE_SIZE bytes
    uint64_t data_address, code_address; // of the two parts, as the guest calls them by now
    int16_t time_zone;                   // as SetTime() had them (UEFI 2.10, 8.3)
    uint8_t daylight;
    struct {
        uint64_t day; // as call/efi_time.c counts them; 0: none yet
        uint16_t year;
        uint8_t month, day_of_month;
    } today;                    // what the last GetTime() said
    struct guest_efi_data data; // what was written into guest memory
};

// The VM starts anew.
void guest_efi_reset(struct guest_efi *e, uint64_t base, const struct guest_efi_data *data);
