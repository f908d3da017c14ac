// SPDX-License-Identifier: Apache-2.0
#include "vm/load.h"

#include "lib/bits.h"
#include "lib/error.h"

// The ramdisk keeps this distance from RAM's base where there is room, as on QEMU's virt: a raw
// kernel's own bss and first allocations lie beyond its end, at a size that nothing tells.
#define RAMDISK_DISTANCE UINT64_C(0x8000000)

// Where the manifest wants it.
static int place_dtb(const struct vm_config *config, uint64_t kernel_size, struct load_plan *plan)
{
    uint64_t ramdisk_size = config->ramdisk.size;
    plan->dtb = config->dtb_offset;
    if (!range_fits(plan->dtb, DTB_SIZE, config->memory) ||
        (ramdisk_size != 0 && !range_fits(plan->ramdisk, ramdisk_size, config->memory))) {
        return ERR_RANGE;
    }
    bool taken =
        ranges_overlap(plan->dtb, DTB_SIZE, plan->kernel, kernel_size) ||
        (ramdisk_size != 0 && ranges_overlap(plan->dtb, DTB_SIZE, plan->ramdisk, ramdisk_size));
    return taken ? ERR_EXISTS : 0;
}

int load_plan(const struct vm_config *config, struct load_plan *plan)
{
    uint64_t size = config->kernel_is_image ? config->image_size : config->kernel.size;
    plan->kernel = config->kernel_is_image ? config->image_text_offset : config->load_offset;
    if (!range_fits(plan->kernel, size, config->memory)) {
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
        return place_dtb(config, size, plan);
    }
    return range_fits(plan->dtb, DTB_MAX_SIZE, config->memory) ? 0 : ERR_RANGE;
}
