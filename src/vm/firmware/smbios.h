// SPDX-License-Identifier: Apache-2.0
// What inventory tools are told of a VM (DMTF DSP0134, SMBIOS 3.3).
#pragma once

#include "vm/firmware/firmware.h"
#include "vm/firmware/image.h"

// Writes all of it. The guest-physical address of the entry point; m->full if it does not fit.
uint64_t firmware_smbios(struct image *m, const struct firmware_params *p);
