// SPDX-License-Identifier: Apache-2.0
// The EFI system table of a VM and what it leads to (UEFI 2.10, chapter 4), as the guest sees them.
#pragma once

#include "lib/efi.h"
#include "vm/firmware/firmware.h"

// HVC's immediate: neither SMCCC's 0 nor the backdoor's.
#define EFI_UPCALL 0xef1

// Of a service's stub: it selects by the service's number in X9, which no caller expects to be
// kept.
#define EFI_STUB_SIZE 16u

// 4.5
struct guest_runtime_services {
    struct efi_table_header header;
    uint64_t service[EFI_SERVICES];
};

struct guest_configuration_table {
    struct efi_guid guid;
    uint64_t table;
};

#define GUEST_CONFIGURATION_TABLES 6

// What lies at FIRMWARE_DATA. Pointers are the guest's.
struct guest_efi_data {
    struct {
        struct efi_table_header header;
        uint64_t vendor;
        uint32_t revision, pad;
        uint64_t in_handle, in, out_handle, out, error_handle, error; // none of a runtime's
        uint64_t runtime, boot;
        uint64_t table_count, tables;
    } system;
    struct guest_runtime_services services;
    struct guest_configuration_table table[GUEST_CONFIGURATION_TABLES];
    efi_char16 vendor[8];
};

// Makes all pointers to the two parts those of a guest that has them at these addresses, and the
// headers' checksums right. base: FIRMWARE_SIZE bytes' guest-physical one.
void guest_efi_relocate(struct guest_efi_data *d, uint64_t data, uint64_t code);
