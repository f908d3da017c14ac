// SPDX-License-Identifier: Apache-2.0
// Where a VM's kernel, ramdisk and device tree go in its RAM.
#pragma once

#include "lib/addr.h"
#include "vm/manifest.h"

// The room that the device tree has where Newel chooses its place: the boot protocol's largest
// (Documentation/arch/arm64/booting.rst). What Newel writes is never larger than DTB_SIZE: bootargs
// are bounded.
#define DTB_MAX_SIZE UINT64_C(0x200000)
#define DTB_SIZE     UINT64_C(0x10000)

// At RAM's end, where the manifest asks for firmware (vm/firmware/firmware.h): a block of its own.
#define FIRMWARE_SPAN BLOCK_SIZE

struct load_plan {
    // Offsets from the VM's RAM base, bytes.
    uint64_t kernel, ramdisk, dtb;
    uint64_t firmware; // 0: there is none
};

// Has the VM memory of its firmware's?
bool load_has_firmware(const struct vm_config *config);

// The kernel's bytes as it runs, as far as that is known.
uint64_t load_kernel_size(const struct vm_config *config);

// ERR_RANGE if they do not fit into the VM's memory, ERR_EXISTS if the device tree is wanted where
// kernel, ramdisk or firmware is. Pure.
int load_plan(const struct vm_config *config, struct load_plan *plan);
