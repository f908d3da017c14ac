// SPDX-License-Identifier: Apache-2.0
// The flashes of a VM: blank, or, with firmware of its own, an image in the first and cells in the
// second (dev/flash.h), in memory of the VM's.
#pragma once

#include "dev/flash.h"
#include "mem/space.h"
#include "vm/flash_keeper.h"
#include "vm/manifest.h"

struct guest_flash {
    struct flash device;
    hpa_t memory; // cells, then the image, then the keeper
    size_t pages; // 0: none, the flashes are blank
    struct flash_keeper *keeper;
    uint64_t filled; // bytes of cells and image that hold what they should
};

// Takes the memory, for config->firmware_image. ERR_NOMEM. The VM's lock is held; config stays.
int guest_flash_make(struct guest_flash *f, const struct vm_config *config, owner_t owner);
// Nothing where there is none.
void guest_flash_free(struct guest_flash *f, owner_t owner);
// Lets the guest execute the image where it is. Before anybody runs.
void guest_flash_show(const struct guest_flash *f, const struct vm_config *config,
                      struct space *space);

// Of the VM's building work: fills some of the memory, and then the cells from NVRAM. False, for
// good, when all of it is there.
bool guest_flash_fill_step(struct guest_flash *f, const struct vm_config *config);
// Nothing is on its way to NVRAM.
bool guest_flash_is_idle(const struct guest_flash *f);

// The device anew, for bus_add().
void guest_flash_reset(struct guest_flash *f);
