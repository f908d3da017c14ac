// SPDX-License-Identifier: Apache-2.0
// Every page of the machine's RAM and its one owner.
#pragma once

#include "lib/addr.h"

#include <stddef.h>
#include <stdint.h>

#define FRAMES_MAX_REGIONS 64

typedef uint16_t owner_t;

enum {
    OWNER_FREE = 0,
    OWNER_NEWEL = 1, // image, manifest, tables, everything that is not a VM's
    OWNER_VM = 2,    // OWNER_VM + n is VM number n
};

struct mem_region {
    // Bytes; any alignment, frames_init() rounds inwards (RAM) or outwards (reserved).
    uint64_t base, size;
};

// Takes over the machine's RAM: the given regions without the reserved ones; what lies above 2^48
// is left out. Called once, before any other CPU runs; takes no lock and makes aligned accesses
// only, but EL2 must be able to reach the RAM, and by the mapping it keeps. The owner table itself
// is placed in RAM found free and belongs to OWNER_NEWEL. ERR_NOMEM when no RAM is left,
// ERR_INVALID when RAM regions overlap or wrap, or ERR_RANGE when there are too many.
int frames_init(const struct mem_region *ram, size_t ram_count, const struct mem_region *reserved,
                size_t reserved_count);

// Contiguous pages, base aligned to align_pages (a power of two); contents undefined. A request of
// 2 MiB or more prefers memory that does not break up larger free runs.
// ERR_NOMEM when there is no such run. Any CPU, any time.
int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out);

// The pages must all belong to owner (a CHECK).
void frames_free(owner_t owner, hpa_t base, size_t pages);

// Who owns the page at a; OWNER_NEWEL for what is not RAM.
owner_t frames_owner(hpa_t a);

size_t frames_total(void);             // pages that were free when frames_init returned
size_t frames_owned_by(owner_t owner); // pages, of RAM only; OWNER_FREE gives the free ones
size_t frames_largest_free_run(size_t align_pages);
