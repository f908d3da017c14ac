// SPDX-License-Identifier: Apache-2.0
// What the store's log is made of, byte by byte; little-endian, in lines of 32 bytes, of which none
// is programmed twice.
//
// A flash has two areas, of which one is in use: the one whose head is valid with the higher
// generation. An area is a head, the same head again, and records up to the first line that is
// none. A record is its header, owner, key, value and ones up to the next line. The last one of an
// owner's key counts.
//
// A record has its area's nonce, which no guest knows: so what looks like a record within a guest's
// value is none, wherever reading has to begin anew after a damaged one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NV_LINE       32u
#define NV_OWNER_MAX  31u // bytes, a VM's name
#define NV_KEY_MAX    1056u
#define NV_VALUE_MAX  32800u
#define NV_RECORD_MAX 33952u // the largest record, in whole lines
#define NV_HEADS      64u    // bytes of an area before its first record

// One owner's key, and its value. A deletion has none: value is NULL.
struct nv_item {
    const char *owner;
    size_t owner_size;
    const void *key;
    size_t key_size;
    const void *value;
    size_t value_size;
};

struct nv_head {
    uint64_t magic, generation, nonce;
    uint32_t version, crc; // of what is before it
};

struct nv_record {
    uint32_t magic;
    uint16_t is_deletion, key_size;
    uint64_t nonce;
    uint32_t owner_size, value_size;
    uint32_t payload_crc; // of owner, key and value
    uint32_t crc;         // of what is before it
};

void nv_head_make(struct nv_head *h, uint64_t generation, uint64_t nonce);
bool nv_head_is_valid(const struct nv_head *h);

void nv_record_make(struct nv_record *r, const struct nv_item *item, uint64_t nonce);
// The same record in another area.
void nv_record_move(struct nv_record *r, uint64_t nonce);
// Its sizes are within bounds as well.
bool nv_record_is_valid(const struct nv_record *r, uint64_t nonce);
// Of all of it, in bytes.
size_t nv_record_size(const struct nv_record *r);

// Of owner and key. Guests choose keys: with a point that they do not know, they find none that
// meet more often than by chance.
uint32_t nv_hash(uint64_t point, const struct nv_item *item);

// Random bits; without a source of them at least others than before a restart.
uint64_t nv_draw(void);
