// SPDX-License-Identifier: Apache-2.0
// The ACPI tables that a VM is given (ACPI 6.4): hardware-reduced, static but for the names of its
// devices.
#pragma once

#include "vm/firmware/firmware.h"
#include "vm/firmware/image.h"

// Writes all of them. The guest-physical address of the RSDP; m->full if they do not fit.
uint64_t firmware_acpi(struct image *m, const struct firmware_params *p);
