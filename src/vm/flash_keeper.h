// SPDX-License-Identifier: Apache-2.0
// Keeps the cells that a VM's firmware programs in NVRAM, by pages of 1 KiB: the flash is ready
// again when what was programmed or erased has been written.
#pragma once

#include "dev/flash.h"
#include "nvram/nvram.h"
#include "vm/wear.h"

#define FLASH_PAGE  1024u
#define FLASH_PAGES (FLASH_CELLS / FLASH_PAGE)

struct flash_keeper {
    struct nvram_request request;
    struct flash *flash; // its lock is for what follows, too
    const char *name;    // the VM's
    bool busy, loaded;
    struct wear wear;
    uint64_t dirty[FLASH_PAGES / 64];
    struct {
        uint32_t kind, page;
    } key;
    uint8_t page[FLASH_PAGE];
};

// Before the VM's first start; name stays.
void flash_keeper_init(struct flash_keeper *k, struct flash *flash, const char *name);
// Fills the cells from NVRAM, once; calls of it follow until it returns true.
bool flash_keeper_load(struct flash_keeper *k);
// Nothing is on its way, and nothing will be while the VM does not run.
bool flash_keeper_is_idle(struct flash_keeper *k);
// For flash_init(), where NVRAM keeps flashes.
flash_changed_fn flash_keeper_changed;
flash_allows_fn flash_keeper_allows;
