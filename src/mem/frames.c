// SPDX-License-Identifier: Apache-2.0
// RAM is kept in chunks of 2 MiB. A chunk whose pages all have one owner is described by that owner
// alone; only a chunk with several owners uses its array of one owner for each page. So taking over
// 16 GiB writes 8,192 words, and handing out a VM's RAM writes one word for each 2 MiB.
#include "mem/frames.h"

#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/spinlock.h"

#include <stdbool.h>

#define CHUNK_PAGES (BLOCK_SIZE / PAGE_SIZE)
#define OWNER_MIXED UINT16_MAX // each page has its own entry
#define PA_LIMIT    BIT(48)

struct chunk {
    owner_t owner;
    uint16_t free; // pages, when mixed
};

// Page numbers count from the chunk that holds the region's first page, so that page number and
// address are aligned alike up to 2 MiB.
struct region {
    uint64_t base;     // of page number 0; a multiple of 2 MiB
    size_t first, end; // the page numbers that are RAM
    struct chunk *chunk;
    owner_t (*owner_of)[CHUNK_PAGES];
};

static struct {
    struct spinlock lock;
    struct region region[FRAMES_MAX_REGIONS];
    size_t regions;
    size_t total;
} frames;

static size_t chunks_of(const struct region *r)
{
    return (r->end + CHUNK_PAGES - 1) / CHUNK_PAGES;
}

static hpa_t page_address(const struct region *r, size_t page)
{
    return hpa(r->base + page * PAGE_SIZE);
}

static owner_t owner_at(const struct region *r, size_t page)
{
    const struct chunk *c = &r->chunk[page / CHUNK_PAGES];

    return c->owner != OWNER_MIXED ? c->owner : r->owner_of[page / CHUNK_PAGES][page % CHUNK_PAGES];
}

static void make_mixed(struct region *r, size_t chunk)
{
    struct chunk *c = &r->chunk[chunk];

    for (size_t i = 0; i < CHUNK_PAGES; i++) {
        r->owner_of[chunk][i] = c->owner;
    }
    c->free = c->owner == OWNER_FREE ? CHUNK_PAGES : 0;
    c->owner = OWNER_MIXED;
}

static void set_in_chunk(struct region *r, size_t chunk, size_t first, size_t count, owner_t owner)
{
    struct chunk *c = &r->chunk[chunk];

    if (count == CHUNK_PAGES) {
        c->owner = owner;
        return;
    }
    if (c->owner != OWNER_MIXED) {
        make_mixed(r, chunk);
    }
    for (size_t i = first; i < first + count; i++) {
        owner_t *was = &r->owner_of[chunk][i];

        c->free = (uint16_t)(c->free + (owner == OWNER_FREE) - (*was == OWNER_FREE));
        *was = owner;
    }
    if (c->free == CHUNK_PAGES) {
        c->owner = OWNER_FREE;
    }
}

static void set_owner(struct region *r, size_t page, size_t count, owner_t owner)
{
    while (count > 0) {
        size_t n = MIN(count, CHUNK_PAGES - page % CHUNK_PAGES);

        set_in_chunk(r, page / CHUNK_PAGES, page % CHUNK_PAGES, n, owner);
        page += n;
        count -= n;
    }
}

// The region that holds the page at a, and its number there; NULL if it is not RAM.
static struct region *find_region(hpa_t a, size_t *page)
{
    for (size_t i = 0; i < frames.regions; i++) {
        struct region *r = &frames.region[i];
        uint64_t number = (a.v - r->base) >> PAGE_SHIFT;

        if (a.v >= r->base && number >= r->first && number < r->end) {
            *page = (size_t)number;
            return r;
        }
    }
    return NULL;
}

// ---- Taking over the machine's RAM

// Puts one RAM region in its place by address; joins it to the one below it that it touches.
static void add_region(uint64_t start, uint64_t end)
{
    size_t at = frames.regions;

    while (at > 0 && frames.region[at - 1].base + frames.region[at - 1].first * PAGE_SIZE > start) {
        frames.region[at] = frames.region[at - 1];
        at--;
    }
    uint64_t base = align_down(start, BLOCK_SIZE);

    frames.region[at] = (struct region){
        .base = base,
        .first = (start - base) >> PAGE_SHIFT,
        .end = (end - base) >> PAGE_SHIFT,
    };
    frames.regions++;
}

static int add_ram(const struct mem_region *ram, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ram[i].base + ram[i].size < ram[i].base) {
            return ERR_INVALID;
        }
        // Page 0 is left alone: its address would read as NULL.
        uint64_t start = MAX(align_up(MIN(ram[i].base, PA_LIMIT), PAGE_SIZE), PAGE_SIZE);
        uint64_t end = align_down(MIN(ram[i].base + ram[i].size, PA_LIMIT), PAGE_SIZE);

        if (start >= end) {
            continue;
        }
        if (frames.regions == FRAMES_MAX_REGIONS) {
            return ERR_RANGE;
        }
        add_region(start, end);
    }
    return frames.regions > 0 ? 0 : ERR_NOMEM;
}

// Regions are in order by now: refuse overlaps, and join what touches.
static int join_regions(void)
{
    size_t kept = 0;

    for (size_t i = 1; i < frames.regions; i++) {
        struct region *low = &frames.region[kept], *high = &frames.region[i];
        uint64_t low_end = low->base + low->end * PAGE_SIZE;
        uint64_t high_start = high->base + high->first * PAGE_SIZE;

        if (high_start < low_end) {
            return ERR_INVALID;
        }
        if (high_start == low_end) {
            low->end = (high->base - low->base) / PAGE_SIZE + high->end;
        } else {
            frames.region[++kept] = *high;
        }
    }
    frames.regions = kept + 1;
    return 0;
}

// The end of the reserved range that covers a, or a itself. Rounds the range outwards.
static uint64_t skip_reserved(uint64_t a, const struct mem_region *reserved, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t end = MIN(reserved[i].base + reserved[i].size, PA_LIMIT);

        if (reserved[i].base + reserved[i].size < reserved[i].base) {
            end = PA_LIMIT;
        }
        if (reserved[i].size != 0 && align_down(reserved[i].base, PAGE_SIZE) <= a && a < end) {
            return align_up(end, PAGE_SIZE);
        }
    }
    return a;
}

// Where the free gap that starts at a ends: at the next reserved range, or at limit.
static uint64_t gap_end(uint64_t a, uint64_t limit, const struct mem_region *reserved, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t base = align_down(reserved[i].base, PAGE_SIZE);

        if (reserved[i].size != 0 && base > a && base < limit) {
            limit = base;
        }
    }
    return limit;
}

// The next free gap of r at or above *a: *a becomes its start; returns its end, or 0.
static uint64_t next_gap(const struct region *r, uint64_t *a, const struct mem_region *reserved,
                         size_t count)
{
    uint64_t limit = r->base + r->end * PAGE_SIZE;

    for (uint64_t next = *a; next < limit; *a = next) {
        next = skip_reserved(*a, reserved, count);
        if (next == *a) {
            return gap_end(*a, limit, reserved, count);
        }
    }
    return 0;
}

// The smallest gap that can hold the owner table, so that large ones stay whole; 0 if there is
// none.
static uint64_t place_table(uint64_t bytes, const struct mem_region *reserved, size_t count)
{
    uint64_t best = 0, best_size = UINT64_MAX;

    for (size_t i = 0; i < frames.regions; i++) {
        const struct region *r = &frames.region[i];
        uint64_t a = r->base + r->first * PAGE_SIZE;

        for (uint64_t end; (end = next_gap(r, &a, reserved, count)) != 0; a = end) {
            if (end - a >= bytes && end - a < best_size) {
                best = a;
                best_size = end - a;
            }
        }
    }
    return best;
}

static uint64_t table_bytes(void)
{
    uint64_t chunks = 0;

    for (size_t i = 0; i < frames.regions; i++) {
        chunks += chunks_of(&frames.region[i]);
    }
    return align_up(chunks * (sizeof(owner_t[CHUNK_PAGES]) + sizeof(struct chunk)), PAGE_SIZE);
}

// Everything starts as Newel's; then the gaps are set free.
static void lay_table(uint64_t at, const struct mem_region *reserved, size_t count)
{
    char *p = hpa_ptr(hpa(at));

    for (size_t i = 0; i < frames.regions; i++) {
        struct region *r = &frames.region[i];
        size_t chunks = chunks_of(r);
        uint64_t a = r->base + r->first * PAGE_SIZE;

        r->owner_of = (owner_t(*)[CHUNK_PAGES])(void *)p;
        p += chunks * sizeof(*r->owner_of);
        r->chunk = (struct chunk *)(void *)p;
        p += align_up(chunks * sizeof(struct chunk), sizeof(uint64_t));
        for (size_t c = 0; c < chunks; c++) {
            r->chunk[c] = (struct chunk){.owner = OWNER_NEWEL};
        }
        for (uint64_t end; (end = next_gap(r, &a, reserved, count)) != 0; a = end) {
            set_owner(r, (a - r->base) / PAGE_SIZE, (end - a) / PAGE_SIZE, OWNER_FREE);
        }
    }
}

int frames_init(const struct mem_region *ram, size_t ram_count, const struct mem_region *reserved,
                size_t reserved_count)
{
    frames.regions = 0;
    frames.total = 0;
    int err = add_ram(ram, ram_count);

    if (err == 0) {
        err = join_regions();
    }
    if (err != 0) {
        frames.regions = 0;
        return err;
    }
    // One word a region of slack, for the alignment of its parts.
    uint64_t bytes = align_up(table_bytes() + frames.regions * sizeof(uint64_t), PAGE_SIZE);
    uint64_t at = place_table(bytes, reserved, reserved_count);

    if (at == 0) {
        frames.regions = 0;
        return ERR_NOMEM;
    }
    lay_table(at, reserved, reserved_count);

    size_t page = 0;
    struct region *r = find_region(hpa(at), &page);

    CHECK(r != NULL);
    set_owner(r, page, bytes / PAGE_SIZE, OWNER_NEWEL);
    frames.total = frames_owned_by(OWNER_FREE);
    return 0;
}

// ---- Finding free pages

// How many pages from page on, at most want, are free.
static size_t free_run(const struct region *r, size_t page, size_t want)
{
    size_t n = 0;

    while (n < want && page + n < r->end) {
        const struct chunk *c = &r->chunk[(page + n) / CHUNK_PAGES];

        if (c->owner == OWNER_FREE) {
            n += CHUNK_PAGES - (page + n) % CHUNK_PAGES;
        } else if (c->owner == OWNER_MIXED && owner_at(r, page + n) == OWNER_FREE) {
            n++;
        } else {
            break;
        }
    }
    return MIN(n, want);
}

// The next page at or above page whose address is aligned.
static size_t align_page(const struct region *r, size_t page, size_t align)
{
    uint64_t number = r->base / PAGE_SIZE + page;

    return (size_t)(align_up(number, align) - r->base / PAGE_SIZE);
}

// The first aligned page of a free run, from page on and below end; SIZE_MAX if there is none.
static size_t find_pages(const struct region *r, size_t page, size_t end, size_t want, size_t align)
{
    for (page = align_page(r, page, align); page + want <= end;) {
        const struct chunk *c = &r->chunk[page / CHUNK_PAGES];

        if (c->owner != OWNER_FREE && (c->owner != OWNER_MIXED || c->free == 0)) {
            page = align_page(r, (page / CHUNK_PAGES + 1) * CHUNK_PAGES, align);
            continue;
        }
        size_t n = free_run(r, page, want);

        if (n == want) {
            return page;
        }
        page = align_page(r, page + n + 1, align);
    }
    return SIZE_MAX;
}

// A run that lies in one chunk which has several owners already.
static struct region *find_in_mixed(size_t want, size_t align, size_t *page)
{
    for (size_t i = 0; i < frames.regions; i++) {
        struct region *r = &frames.region[i];

        for (size_t c = 0; c < chunks_of(r); c++) {
            if (r->chunk[c].owner != OWNER_MIXED || r->chunk[c].free < want) {
                continue;
            }
            *page = find_pages(r, c * CHUNK_PAGES, (c + 1) * CHUNK_PAGES, want, align);
            if (*page != SIZE_MAX) {
                return r;
            }
        }
    }
    return NULL;
}

// The length of the run of free chunks that starts at chunk.
static size_t chunk_run(const struct region *r, size_t chunk)
{
    size_t n = 0;

    while (chunk + n < chunks_of(r) && r->chunk[chunk + n].owner == OWNER_FREE) {
        n++;
    }
    return n;
}

// Whole free chunks, from the shortest run of them that can serve.
static struct region *find_in_chunks(size_t want, size_t align, size_t *page)
{
    size_t need = (want + CHUNK_PAGES - 1) / CHUNK_PAGES, best_length = SIZE_MAX;
    struct region *best = NULL;

    for (size_t i = 0; i < frames.regions; i++) {
        struct region *r = &frames.region[i];

        for (size_t c = 0, n; c < chunks_of(r); c += n + 1) {
            n = chunk_run(r, c);
            size_t first = align_page(r, c * CHUNK_PAGES, align) / CHUNK_PAGES;

            if (n < best_length && first + need <= c + n) {
                best = r;
                best_length = n;
                *page = first * CHUNK_PAGES;
            }
        }
    }
    return best;
}

static struct region *find_anywhere(size_t want, size_t align, size_t *page)
{
    for (size_t i = 0; i < frames.regions; i++) {
        struct region *r = &frames.region[i];

        *page = find_pages(r, r->first, r->end, want, align);
        if (*page != SIZE_MAX) {
            return r;
        }
    }
    return NULL;
}

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    CHECK(owner != OWNER_FREE && owner != OWNER_MIXED && pages > 0);
    CHECK(align_pages > 0 && is_aligned(align_pages, align_pages));
    size_t page = 0;
    struct region *r = NULL;

    spin_lock(&frames.lock);
    if (pages < CHUNK_PAGES && align_pages < CHUNK_PAGES) {
        r = find_in_mixed(pages, align_pages, &page);
    }
    if (r == NULL) {
        r = find_in_chunks(pages, align_pages, &page);
    }
    if (r == NULL) {
        r = find_anywhere(pages, align_pages, &page);
    }
    if (r != NULL) {
        set_owner(r, page, pages, owner);
        *out = page_address(r, page);
    }
    spin_unlock(&frames.lock);
    return r != NULL ? 0 : ERR_NOMEM;
}

static bool all_owned(const struct region *r, size_t page, size_t pages, owner_t owner)
{
    size_t end = page + pages;

    if (end > r->end) {
        return false;
    }
    while (page < end) {
        if (owner_at(r, page) != owner) {
            return false;
        }
        bool uniform = r->chunk[page / CHUNK_PAGES].owner != OWNER_MIXED;

        page = uniform ? (page / CHUNK_PAGES + 1) * CHUNK_PAGES : page + 1;
    }
    return true;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    size_t page = 0;
    struct region *r = find_region(base, &page);

    CHECK(r != NULL && is_aligned(base.v, PAGE_SIZE) && owner != OWNER_FREE);
    spin_lock(&frames.lock);
    CHECK(all_owned(r, page, pages, owner));
    set_owner(r, page, pages, OWNER_FREE);
    spin_unlock(&frames.lock);
}

// ---- Questions

owner_t frames_owner(hpa_t a)
{
    size_t page = 0;
    struct region *r = find_region(a, &page);
    owner_t owner = OWNER_NEWEL;

    if (r != NULL) {
        spin_lock(&frames.lock);
        owner = owner_at(r, page);
        spin_unlock(&frames.lock);
    }
    return owner;
}

size_t frames_total(void)
{
    return frames.total;
}

static size_t owned_in_chunk(const struct region *r, size_t chunk, owner_t owner)
{
    const struct chunk *c = &r->chunk[chunk];
    size_t first = chunk * CHUNK_PAGES, n = 0;

    if (c->owner == OWNER_MIXED) {
        for (size_t p = MAX(first, r->first); p < MIN(first + CHUNK_PAGES, r->end); p++) {
            n += owner_at(r, p) == owner;
        }
        return n;
    }
    // The first and the last chunk may hold less RAM than 2 MiB.
    return c->owner == owner ? MIN(first + CHUNK_PAGES, r->end) - MAX(first, r->first) : 0;
}

// Takes no lock: a sum over a table in motion would be no truer for one, and start-up uses it.
size_t frames_owned_by(owner_t owner)
{
    size_t n = 0;

    for (size_t i = 0; i < frames.regions; i++) {
        for (size_t c = 0; c < chunks_of(&frames.region[i]); c++) {
            n += owned_in_chunk(&frames.region[i], c, owner);
        }
    }
    return n;
}

size_t frames_largest_free_run(size_t align_pages)
{
    size_t best = 0;

    spin_lock(&frames.lock);
    for (size_t i = 0; i < frames.regions; i++) {
        const struct region *r = &frames.region[i];
        size_t page = r->first;

        while ((page = find_pages(r, page, r->end, 1, align_pages)) != SIZE_MAX) {
            size_t n = free_run(r, page, SIZE_MAX);

            best = MAX(best, n);
            page += n;
        }
    }
    spin_unlock(&frames.lock);
    return best;
}
