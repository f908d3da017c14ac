// SPDX-License-Identifier: Apache-2.0
#include "vm/guest_flash.h"

#include "arch/cache.h"
#include "lib/bits.h"
#include "lib/check.h"

#include <string.h>

static uint64_t image_size(const struct vm_config *config)
{
    return align_up(config->firmware_image.size, PAGE_SIZE);
}

int guest_flash_make(struct guest_flash *f, const struct vm_config *config, owner_t owner)
{
    size_t kept = FLASH_CELLS + image_size(config);
    size_t pages = (kept + align_up(sizeof(struct flash_keeper), PAGE_SIZE)) / PAGE_SIZE;
    int err = frames_alloc(owner, pages, 1, &f->memory);
    if (err) {
        return err;
    }
    f->pages = pages;
    f->filled = 0;
    f->device.cells = hpa_ptr(f->memory);
    f->keeper = hpa_ptr(hpa_add(f->memory, kept));
    flash_keeper_init(f->keeper, &f->device, config->name);
    return 0;
}

void guest_flash_free(struct guest_flash *f, owner_t owner)
{
    if (f->pages != 0) {
        frames_free(owner, f->memory, f->pages);
        f->pages = 0;
    }
}

void guest_flash_show(const struct guest_flash *f, const struct vm_config *config,
                      struct space *space)
{
    if (f->pages != 0) {
        int err = space_show(space, gpa(FLASH_BASE), hpa_add(f->memory, FLASH_CELLS),
                             image_size(config), S2_RX, S2_NORMAL);
        CHECK(err == 0); // the pool has room for its tables
    }
}

// Erased first; then the image, the rest of whose last page reads as erased. Nobody has executed
// from this memory since it was the VM's.
static void fill(struct guest_flash *f, const struct blob *image, uint64_t size)
{
    char *at = (char *)hpa_ptr(f->memory) + f->filled;
    memset(at, 0xff, size);
    if (f->filled >= FLASH_CELLS && f->filled - FLASH_CELLS < image->size) {
        uint64_t from = f->filled - FLASH_CELLS;
        memcpy(at, (const char *)image->data + from, MIN(size, image->size - from));
    }
    dcache_clean_inval_poc(at, size);
    f->filled += size;
}

bool guest_flash_fill_step(struct guest_flash *f, const struct vm_config *config)
{
    if (f->pages == 0) {
        return false;
    }
    uint64_t all = FLASH_CELLS + image_size(config);
    if (f->filled == all) {
        return !flash_keeper_load(f->keeper);
    }
    uint64_t end = f->filled < FLASH_CELLS ? FLASH_CELLS : all;
    fill(f, &config->firmware_image, MIN(end - f->filled, BLOCK_SIZE));
    if (f->filled == all) {
        icache_inval_all();
    }
    return true;
}

bool guest_flash_is_idle(const struct guest_flash *f)
{
    return f->pages == 0 || flash_keeper_is_idle(f->keeper);
}

void guest_flash_reset(struct guest_flash *f)
{
    bool lasts = nvram_keeps_flash();
    flash_init(&f->device, f->pages != 0 ? hpa_ptr(f->memory) : NULL,
               lasts ? flash_keeper_allows : NULL, lasts ? flash_keeper_changed : NULL, f->keeper);
}
