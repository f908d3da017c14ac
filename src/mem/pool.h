// SPDX-License-Identifier: Apache-2.0
// A VM's own supply of pages for what Newel keeps on its behalf (translation tables, vCPUs): a
// run reserved when the VM is made, so that a guest can exhaust nobody's memory but its own.
#pragma once

#include "lib/list.h"
#include "lib/spinlock.h"
#include "mem/frames.h"

struct pool {
    struct spinlock lock;
    owner_t owner;
    hpa_t base;
    size_t pages, used, high_water; // used: handed out and not given back
    struct list free;               // pages given back; their links lie in the pages
    size_t fresh;                   // pages from base on that were handed out at least once
};

// ERR_NOMEM. The struct must not move afterwards (it holds a list's head).
int pool_create(struct pool *pool, owner_t owner, size_t pages);
void pool_destroy(struct pool *pool); // every page goes back to the machine, in use or not

// A zeroed page, or NULL.
void *pool_get(struct pool *pool);
// A page whose contents are whatever they were, for a caller that writes all of it; or NULL.
void *pool_get_dirty(struct pool *pool);
void pool_put(struct pool *pool, void *page);
// n contiguous zeroed pages, aligned to n pages (n a power of two), for concatenated roots; NULL if
// there are none. Taken from what was never handed out. May be given back page by page.
void *pool_get_run(struct pool *pool, size_t n);
