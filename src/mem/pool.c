// SPDX-License-Identifier: Apache-2.0
#include "mem/pool.h"

#include "arch/cache.h"
#include "lib/check.h"

#define RUN_ALIGN \
    16 // pages; the largest concatenated root, so that a run from the base wastes none

int pool_create(struct pool *pool, owner_t owner, size_t pages)
{
    *pool = (struct pool){.owner = owner, .pages = pages};
    list_init(&pool->free);
    int err = frames_alloc(owner, pages, RUN_ALIGN, &pool->base);

    if (err != 0) {
        pool->pages = 0;
    }
    return err;
}

void pool_destroy(struct pool *pool)
{
    if (pool->pages > 0) {
        frames_free(pool->owner, pool->base, pool->pages);
    }
    pool->pages = pool->used = pool->fresh = 0;
    list_init(&pool->free);
}

static void count_used(struct pool *pool, size_t n)
{
    pool->used += n;
    pool->high_water = MAX(pool->high_water, pool->used);
}

static void *fresh_page(struct pool *pool, size_t n)
{
    return hpa_ptr(hpa_add(pool->base, n * PAGE_SIZE));
}

void *pool_get_dirty(struct pool *pool)
{
    void *page = NULL;

    spin_lock(&pool->lock);
    if (!list_empty(&pool->free)) {
        page = pool->free.next;
        list_remove(pool->free.next);
    } else if (pool->fresh < pool->pages) {
        page = fresh_page(pool, pool->fresh++);
    }
    if (page != NULL) {
        count_used(pool, 1);
    }
    spin_unlock(&pool->lock);
    return page;
}

void *pool_get(struct pool *pool)
{
    void *page = pool_get_dirty(pool);

    if (page != NULL) {
        zero_pages(page, PAGE_SIZE);
    }
    return page;
}

// With the lock held. The link is written into the page.
static void put_back(struct pool *pool, void *page)
{
    struct list *link = page;

    list_insert_before(pool->free.next, link);
}

void pool_put(struct pool *pool, void *page)
{
    uint64_t at = ptr_hpa(page).v;

    CHECK(is_aligned(at, PAGE_SIZE) && at >= pool->base.v);
    CHECK((at - pool->base.v) / PAGE_SIZE < pool->fresh);
    spin_lock(&pool->lock);
    CHECK(pool->used > 0);
    pool->used--;
    put_back(pool, page);
    spin_unlock(&pool->lock);
}

void *pool_get_run(struct pool *pool, size_t n)
{
    CHECK(n > 0 && is_aligned(n, n));
    void *run = NULL;

    spin_lock(&pool->lock);
    uint64_t first_number = pool->base.v / PAGE_SIZE;
    size_t at = (size_t)(align_up(first_number + pool->fresh, n) - first_number);

    if (at <= pool->pages && n <= pool->pages - at) {
        for (; pool->fresh < at; pool->fresh++) {
            put_back(pool, fresh_page(pool, pool->fresh));
        }
        pool->fresh = at + n;
        run = fresh_page(pool, at);
        count_used(pool, n);
    }
    spin_unlock(&pool->lock);
    if (run != NULL) {
        zero_pages(run, n * PAGE_SIZE);
    }
    return run;
}
