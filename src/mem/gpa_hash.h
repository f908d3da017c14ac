// SPDX-License-Identifier: Apache-2.0
// From guest-physical page to host page and rights by hashing, in front of a space's tables, for
// Newel's own accesses. A hint only: what is not found here, or was found before the space last
// changed, is asked of the tables, which stay the authority, and written down. So nothing has to be
// removed.
#pragma once

#include "mem/stage2.h"

#define GPA_HASH_WAYS 3

// A cache line. An entry counts if its generation, spread over both words, is the space's.
struct gpa_bucket {
    uint32_t sequence; // odd while it is being written
    uint32_t turn;     // which way is overwritten next
    struct {
        uint64_t tag, value;
    } way[GPA_HASH_WAYS];
} __attribute__((aligned(64)));

struct gpa_hash {
    struct gpa_bucket *bucket;
    size_t mask; // number of buckets - 1
};

// memory: zeroed, 64-byte aligned, buckets (a power of two, 1 at least) times a struct gpa_bucket.
void gpa_hash_init(struct gpa_hash *h, void *memory, size_t buckets);

// The same answer as stage2_lookup(), with the same freedom: any CPU, no lock.
int gpa_hash_lookup(struct gpa_hash *h, const struct stage2 *s2, gpa_t at, struct s2_entry *out);
