// SPDX-License-Identifier: Apache-2.0
#include "vm/flash_keeper.h"

#include "call/efi_vars.h"
#include "lib/bits.h"

#include <string.h>

static bool is_erased(const uint8_t *page)
{
    for (size_t i = 0; i < FLASH_PAGE; i++) {
        if (page[i] != 0xff) {
            return false;
        }
    }
    return true;
}

static void written(struct nvram_request *request, int err);

// The next page that is not as NVRAM has it, or the flash is ready. With the lock.
static void go_on(struct flash_keeper *k)
{
    for (uint32_t i = 0; i < FLASH_PAGES; i++) {
        if ((k->dirty[i / 64] & BIT(i % 64)) == 0) {
            continue;
        }
        k->dirty[i / 64] &= ~BIT(i % 64);
        k->key.kind = EFI_VARS_FLASH_PAGE;
        k->key.page = i;
        memcpy(k->page, k->flash->cells + (size_t)i * FLASH_PAGE, FLASH_PAGE);
        k->busy = true;
        bool erased = is_erased(k->page); // at most a note that there is nothing
        wear_add(&k->wear, erased ? 0 : FLASH_PAGE);
        k->request = (struct nvram_request){
            .item = {k->name, strlen(k->name), &k->key, sizeof(k->key), erased ? NULL : k->page,
                     FLASH_PAGE},
            .done = written,
        };
        nvram_submit(&k->request);
        return;
    }
    k->busy = k->flash->busy = false;
}

// These are called by NVRAM's work.
static void written(struct nvram_request *request, int err)
{
    struct flash_keeper *k = container_of(request, struct flash_keeper, request);
    spin_lock(&k->flash->lock);
    k->flash->failed |= err != 0;
    go_on(k);
    spin_unlock(&k->flash->lock);
}

static void load_one(struct nvram_request *request, const struct nv_item *item)
{
    struct flash_keeper *k = container_of(request, struct flash_keeper, request);
    if (item->key_size == sizeof(k->key) && item->value_size == FLASH_PAGE) {
        memcpy(&k->key, item->key, sizeof(k->key));
        if (k->key.kind == EFI_VARS_FLASH_PAGE && k->key.page < FLASH_PAGES) {
            memcpy(k->flash->cells + (size_t)k->key.page * FLASH_PAGE, item->value, FLASH_PAGE);
        }
    }
}

static void loaded(struct nvram_request *request, int err)
{
    struct flash_keeper *k = container_of(request, struct flash_keeper, request);
    (void)err;
    spin_lock(&k->flash->lock);
    k->loaded = true;
    k->busy = false;
    spin_unlock(&k->flash->lock);
}

void flash_keeper_init(struct flash_keeper *k, struct flash *flash, const char *name)
{
    *k = (struct flash_keeper){.flash = flash, .name = name, .loaded = !nvram_keeps_flash()};
}

bool flash_keeper_load(struct flash_keeper *k)
{
    spin_lock(&k->flash->lock);
    bool is_loaded = k->loaded, begin = !is_loaded && !k->busy;
    k->busy |= begin;
    spin_unlock(&k->flash->lock);
    if (begin) {
        k->request = (struct nvram_request){
            .item = {.owner = k->name, .owner_size = strlen(k->name)},
            .each = load_one,
            .done = loaded,
        };
        nvram_submit(&k->request);
    }
    return is_loaded;
}

bool flash_keeper_is_idle(struct flash_keeper *k)
{
    spin_lock(&k->flash->lock);
    bool idle = !k->busy;
    spin_unlock(&k->flash->lock);
    return idle;
}

bool flash_keeper_allows(struct flash *f)
{
    const struct flash_keeper *k = f->keeper;
    return wear_allows(&k->wear);
}

void flash_keeper_changed(struct flash *f, uint64_t first, uint64_t size)
{
    struct flash_keeper *k = f->keeper;
    for (uint64_t i = first / FLASH_PAGE; i <= (first + size - 1) / FLASH_PAGE; i++) {
        k->dirty[i / 64] |= BIT(i % 64);
    }
    f->busy = true;
    if (!k->busy) {
        go_on(k);
    }
}
