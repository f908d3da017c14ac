// SPDX-License-Identifier: Apache-2.0
#include "nvram/nvram.h"

#include "cpu/sched.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/spinlock.h"
#include "mem/frames.h"
#include "nvram/host_efi.h"
#include "nvram/log.h"

#include <string.h>

// 16 VMs of 512 variables, or of all pages of a flash (vm/flash_keeper.h), fit.
#define SLOTS        UINT32_C(32768)
#define SLOTS_A_STEP 64u

#define INDEX_SIZE  align_up(SLOTS * sizeof(struct nv_slot), PAGE_SIZE)
#define BUFFER_SIZE align_up(NV_RECORD_MAX, PAGE_SIZE)

static bool work_step(struct work *work);

static struct {
    struct spinlock lock; // of what follows
    struct list requests;
    bool working;
    // The work's own.
    struct work work;
    const struct nvram_backend *backend; // NULL: nothing survives
    struct nvram_request *current;
    uint32_t cursor;
    void *buffer; // of a record
} nvram;

// ---- On a flash ----

static struct nv_log flash_log;

static int flash_put(const struct nv_item *item)
{
    return nv_log_put(&flash_log, item);
}

static int flash_step(void)
{
    return nv_log_step(&flash_log);
}

static bool flash_next(uint32_t *cursor, uint32_t slots, void *buffer, struct nv_item *item)
{
    return nv_log_next(&flash_log, cursor, slots, buffer, item);
}

static const struct nvram_backend flash_backend = {flash_put, flash_step, flash_next, false, 0};

static void say_unusable(int err)
{
    log_warn("NVRAM: the flash %s: nothing survives a restart",
             err == ERR_EXISTS ? "holds something else" : "is too small");
}

void nvram_use_flash(struct nor *nor)
{
    hpa_t memory;
    if (frames_alloc(OWNER_NEWEL, INDEX_SIZE / PAGE_SIZE, 1, &memory) != 0) {
        log_warn("NVRAM: no memory for its index");
        return;
    }
    int err = nv_log_mount(&flash_log, nor, hpa_ptr(memory), SLOTS);
    if (err && err != ERR_NOMEM) {
        frames_free(OWNER_NEWEL, memory, INDEX_SIZE / PAGE_SIZE);
        say_unusable(err);
        return;
    }
    if (err) {
        log_warn("NVRAM: more values than Newel has room for: it is only read");
    }
    if (flash_log.damaged != 0) {
        log_warn("NVRAM: %u values were not whole", flash_log.damaged);
    }
    log_info("NVRAM: flash of %lu KiB, %u values, %lu KiB", nor->size >> 10, flash_log.index.used,
             flash_log.index.lines * NV_LINE >> 10);
    nvram_use(&flash_backend);
}

// ---- In the host firmware's variables ----

static struct host_efi host_efi;

static int host_efi_backend_put(const struct nv_item *item)
{
    return host_efi_put(&host_efi, item);
}

static int host_efi_backend_step(void)
{
    bool had_room = !host_efi.has_note;
    int err = host_efi_step(&host_efi);
    if (had_room && host_efi.has_note) {
        log_warn("NVRAM: there is no room for a VM's variable until the machine's restart");
    }
    return err;
}

static bool host_efi_backend_next(uint32_t *cursor, uint32_t slots, void *buffer,
                                  struct nv_item *item)
{
    return host_efi_next(&host_efi, cursor, slots, buffer, item);
}

void nvram_use_host_efi(efi_host_call_fn *run, unsigned owners, unsigned only_on)
{
    static struct nvram_backend backend = {host_efi_backend_put, host_efi_backend_step,
                                           host_efi_backend_next, true, 0};
    hpa_t memory;
    if (frames_alloc(OWNER_NEWEL, BUFFER_SIZE / PAGE_SIZE, 1, &memory) != 0) {
        log_warn("NVRAM: no memory for its buffer");
        return;
    }
    int err = host_efi_mount(&host_efi, run, hpa_ptr(memory), owners);
    if (err) {
        frames_free(OWNER_NEWEL, memory, BUFFER_SIZE / PAGE_SIZE);
        log_warn("NVRAM: the firmware's variables cannot be used: %s", error_text(err));
        return;
    }
    if (host_efi.damaged != 0) {
        log_warn("NVRAM: %u of the firmware's variables are Newel's and not whole",
                 host_efi.damaged);
    }
    log_info("NVRAM: the firmware's variables, %u values, %lu KiB; each VM can write %lu KiB more "
             "until the machine's restart",
             host_efi.used, host_efi.size >> 10, host_efi.budget >> 10);
    backend.only_on = only_on;
    nvram_use(&backend);
}

// ---- Requests ----

void nvram_use(const struct nvram_backend *backend)
{
    hpa_t memory;
    if (frames_alloc(OWNER_NEWEL, BUFFER_SIZE / PAGE_SIZE, 1, &memory) != 0) {
        log_warn("NVRAM: no memory for its buffer");
        return;
    }
    list_init(&nvram.requests);
    nvram.working = false;
    nvram.work.step = work_step;
    nvram.work.only_on = backend != NULL ? backend->only_on : 0;
    nvram.current = NULL;
    nvram.buffer = hpa_ptr(memory);
    nvram.backend = backend;
}

bool nvram_is_there(void)
{
    return nvram.backend != NULL;
}

bool nvram_keeps_flash(void)
{
    return nvram.backend != NULL && !nvram.backend->is_small;
}

void nvram_submit(struct nvram_request *r)
{
    spin_lock(&nvram.lock);
    list_insert_before(&nvram.requests, &r->link);
    bool start = !nvram.working;
    nvram.working = true;
    spin_unlock(&nvram.lock);
    if (start) {
        sched_work(&nvram.work);
    }
}

// The next one to be done, or NULL, with which the work ends.
static struct nvram_request *take(void)
{
    struct nvram_request *r = NULL;
    spin_lock(&nvram.lock);
    if (list_empty(&nvram.requests)) {
        nvram.working = false;
    } else {
        r = list_entry(nvram.requests.next, struct nvram_request, link);
        list_remove(&r->link);
    }
    spin_unlock(&nvram.lock);
    return r;
}

static bool is_of(const struct nv_item *item, const struct nvram_request *r)
{
    return item->owner_size == r->item.owner_size &&
           memcmp(item->owner, r->item.owner, item->owner_size) == 0;
}

static int read_step(struct nvram_request *r)
{
    struct nv_item item;
    if (nvram.backend->next(&nvram.cursor, SLOTS_A_STEP, nvram.buffer, &item) && is_of(&item, r)) {
        r->each(r, &item);
    }
    return nvram.cursor == UINT32_MAX ? 0 : ERR_BUSY;
}

static int begin(struct nvram_request *r)
{
    nvram.cursor = 0;
    int err = r->each != NULL ? 0 : nvram.backend->put(&r->item);
    return err ? err : ERR_BUSY;
}

static bool work_step(struct work *work)
{
    (void)work;
    struct nvram_request *r = nvram.current;
    int err;
    if (r == NULL) {
        r = take();
        if (r == NULL) {
            return false;
        }
        nvram.current = r;
        err = begin(r);
    } else {
        err = r->each != NULL ? read_step(r) : nvram.backend->step();
    }
    if (err != ERR_BUSY) {
        nvram.current = NULL;
        r->done(r, err);
    }
    return true;
}
