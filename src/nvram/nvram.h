// SPDX-License-Identifier: Apache-2.0
// What survives the machine's restart: keys and values of owners, which are VMs by their names. Who
// wants to write or to read leaves a request, which Newel's own work carries out in steps, one
// after the other.
#pragma once

#include "dev/nor.h"
#include "lib/efi.h"
#include "lib/list.h"
#include "nvram/record.h"

#include <stdint.h>

// Where it is kept. One caller at a time: nvram.c's work.
struct nvram_backend {
    // As nv_log_put(), nv_log_step() and nv_log_next() (nvram/log.h).
    int (*put)(const struct nv_item *item);
    int (*step)(void);
    bool (*next)(uint32_t *cursor, uint32_t slots, void *buffer, struct nv_item *item);
    bool is_small;    // not for the pages of flashes that VMs' firmware programs
    unsigned only_on; // as struct work's (cpu/sched.h)
};

struct nvram_request {
    struct list link;
    // To be written; or of which owner all is to be read, where each is not NULL. What it points to
    // stays until done() is called.
    struct nv_item item;
    void (*each)(struct nvram_request *r, const struct nv_item *item);
    // The last that is done with the request. 0: it was read, or is written and stays; ERR_NOMEM:
    // there is no room; ERR_IO. Both are called by Newel's work, without a lock.
    void (*done)(struct nvram_request *r, int err);
};

// Once, before any VM is made: this flash (nvram/log.h), or the variables of the firmware that
// started Newel (nvram/host_efi.h), and says in the log what is there. owners: how many VMs will
// write, at least 1; only_on: as struct work's. Or anything else, or NULL for nothing. Without any,
// or where it cannot be used, nothing survives.
void nvram_use_flash(struct nor *nor);
void nvram_use_host_efi(efi_host_call_fn *run, unsigned owners, unsigned only_on);
void nvram_use(const struct nvram_backend *backend);

bool nvram_is_there(void);
// And for the pages of flashes too.
bool nvram_keeps_flash(void);

// Any CPU, with any lock of the VM's held. nvram_is_there(). The request is free, or done() was
// called.
void nvram_submit(struct nvram_request *r);
