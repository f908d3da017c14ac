// SPDX-License-Identifier: Apache-2.0
// Where the store's records are that count: a hash table in one piece of memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nv_slot {
    uint32_t hash; // of owner and key
    uint32_t line; // of the flash, where the record begins; 0: free
    uint32_t lines;
};

struct nv_index {
    struct nv_slot *slot;
    uint32_t mask; // slots less one
    uint32_t used;
    uint64_t lines; // of all records
};

// memory: 4-byte aligned; slots: a power of two, of which 3/4 can be used.
void nv_index_init(struct nv_index *x, void *memory, uint32_t slots);

// The slot of this hash for which is() says that it is the one; NULL.
struct nv_slot *nv_index_find(struct nv_index *x, uint32_t hash,
                              bool (*is)(void *context, uint32_t line), void *context);
bool nv_index_is_full(const struct nv_index *x);
// It is not full.
void nv_index_add(struct nv_index *x, uint32_t hash, uint32_t line, uint32_t lines);
void nv_index_change(struct nv_index *x, struct nv_slot *s, uint32_t line, uint32_t lines);
// Moves others.
void nv_index_remove(struct nv_index *x, struct nv_slot *s);
