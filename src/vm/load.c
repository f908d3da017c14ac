// SPDX-License-Identifier: Apache-2.0
#include "vm/load.h"

#include "lib/bits.h"
#include "lib/error.h"

// The ramdisk keeps this distance from RAM's base where there is room, as on QEMU's virt: a raw
// kernel's own bss and first allocations lie beyond its end, at a size that nothing tells.
// EDK2 for virt starts with less, and boots nothing.
#define UEFI_MEMORY_MIN UINT64_C(0x8000000)

#define RAMDISK_DISTANCE UINT64_C(0x8000000)

bool load_has_firmware(const struct vm_config *config)
{
    return config->firmware == FIRMWARE_EFI_RUNTIME || config->cpu_boot != CPU_BOOT_PSCI;
}

uint64_t load_kernel_size(const struct vm_config *config)
{
    return config->kernel_is_image ? config->image_size : config->kernel.size;
}

// Where the manifest wants it; room: RAM without the firmware's.
static int place_dtb(const struct vm_config *config, uint64_t kernel_size, uint64_t room,
                     struct load_plan *plan)
{
    uint64_t ramdisk_size = config->ramdisk.size;
    plan->dtb = config->dtb_offset;
    if (!range_fits(plan->dtb, DTB_SIZE, config->memory) ||
        (ramdisk_size != 0 && !range_fits(plan->ramdisk, ramdisk_size, room))) {
        return ERR_RANGE;
    }
    if (!range_fits(plan->dtb, DTB_SIZE, room)) {
        return ERR_EXISTS;
    }
    bool taken =
        ranges_overlap(plan->dtb, DTB_SIZE, plan->kernel, kernel_size) ||
        (ramdisk_size != 0 && ranges_overlap(plan->dtb, DTB_SIZE, plan->ramdisk, ramdisk_size));
    return taken ? ERR_EXISTS : 0;
}

int load_plan(const struct vm_config *config, struct load_plan *plan)
{
    if (config->firmware == FIRMWARE_UEFI) { // finds its device tree at RAM's base
        *plan = (struct load_plan){0};
        return config->memory >= UEFI_MEMORY_MIN ? 0 : ERR_RANGE;
    }
    uint64_t size = load_kernel_size(config);
    uint64_t room = config->memory - (load_has_firmware(config) ? FIRMWARE_SPAN : 0);
    plan->firmware = load_has_firmware(config) ? room : 0;
    plan->kernel = config->kernel_is_image ? config->image_text_offset : config->load_offset;
    if (!range_fits(plan->kernel, size, room)) {
        return ERR_RANGE;
    }
    uint64_t after = align_up(plan->kernel + size, BLOCK_SIZE);
    uint64_t distance = MIN(config->memory / 2, RAMDISK_DISTANCE);
    plan->ramdisk = MAX(after, align_down(distance, BLOCK_SIZE));
    if (config->ramdisk.size > config->memory) {
        return ERR_RANGE;
    }
    plan->dtb = align_up(plan->ramdisk + config->ramdisk.size, BLOCK_SIZE);
    if (config->dtb_offset != DTB_ANYWHERE) {
        return place_dtb(config, size, room, plan);
    }
    return range_fits(plan->dtb, DTB_MAX_SIZE, room) ? 0 : ERR_RANGE;
}
