// SPDX-License-Identifier: Apache-2.0
#include "vm/firmware/guest_efi.h"

void guest_efi_reset(struct guest_efi *e, uint64_t base, const struct guest_efi_data *data)
{
    *e = (struct guest_efi){
        .present = true,
        .base = base,
        .data_address = base + FIRMWARE_DATA,
        .code_address = base + FIRMWARE_CODE,
        .time = {.time_zone = EFI_UNSPECIFIED_TIMEZONE},
        .minute = EFI_NO_MINUTE,
        .data = *data,
    };
}
