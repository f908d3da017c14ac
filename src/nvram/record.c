// SPDX-License-Identifier: Apache-2.0
#include "nvram/record.h"

#include "arch/timer.h"
#include "cpu/drbg.h"
#include "lib/addr.h"
#include "lib/crc32.h"

#include <string.h>

#define HEAD_MAGIC   UINT64_C(0x31766e6c6577656e) // "newelnv1"
#define HEAD_VERSION 1u
#define RECORD_MAGIC UINT32_C(0x6365726e) // "nrec"

_Static_assert(sizeof(struct nv_head) == NV_LINE, "a line");
_Static_assert(sizeof(struct nv_record) == NV_LINE, "a line");
_Static_assert(NV_LINE + NV_OWNER_MAX + NV_KEY_MAX + NV_VALUE_MAX <= NV_RECORD_MAX, "its parts");
_Static_assert(NV_RECORD_MAX % NV_LINE == 0, "whole lines");

void nv_head_make(struct nv_head *h, uint64_t generation, uint64_t nonce)
{
    *h = (struct nv_head){HEAD_MAGIC, generation, nonce, HEAD_VERSION, 0};
    h->crc = crc32(0, h, offsetof(struct nv_head, crc));
}

bool nv_head_is_valid(const struct nv_head *h)
{
    return h->magic == HEAD_MAGIC && h->version == HEAD_VERSION &&
           h->crc == crc32(0, h, offsetof(struct nv_head, crc));
}

static void seal(struct nv_record *r)
{
    r->crc = crc32(0, r, offsetof(struct nv_record, crc));
}

void nv_record_make(struct nv_record *r, const struct nv_item *item, uint64_t nonce)
{
    size_t value_size = item->value != NULL ? item->value_size : 0;
    uint32_t crc = crc32(0, item->owner, item->owner_size);
    crc = crc32(crc, item->key, item->key_size);
    *r = (struct nv_record){
        .magic = RECORD_MAGIC,
        .is_deletion = item->value == NULL,
        .key_size = (uint16_t)item->key_size,
        .nonce = nonce,
        .owner_size = (uint32_t)item->owner_size,
        .value_size = (uint32_t)value_size,
        .payload_crc = crc32(crc, item->value, value_size),
    };
    seal(r);
}

void nv_record_move(struct nv_record *r, uint64_t nonce)
{
    r->nonce = nonce;
    seal(r);
}

bool nv_record_is_valid(const struct nv_record *r, uint64_t nonce)
{
    return r->magic == RECORD_MAGIC && r->nonce == nonce && r->is_deletion <= 1 &&
           r->owner_size <= NV_OWNER_MAX && r->key_size <= NV_KEY_MAX &&
           r->value_size <= NV_VALUE_MAX && r->crc == crc32(0, r, offsetof(struct nv_record, crc));
}

size_t nv_record_size(const struct nv_record *r)
{
    return align_up(sizeof(*r) + r->owner_size + r->key_size + r->value_size, NV_LINE);
}

// A polynomial of the bytes at a point, modulo 2^61-1.
static uint64_t hash_bytes(uint64_t h, uint64_t point, const void *bytes, size_t size)
{
    const uint64_t prime = (UINT64_C(1) << 61) - 1;
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++) {
        unsigned __int128 product = (unsigned __int128)(h + p[i] + 1) * point;
        h = (uint64_t)(product & prime) + (uint64_t)(product >> 61);
        h = (h & prime) + (h >> 61);
    }
    return h;
}

uint32_t nv_hash(uint64_t point, const struct nv_item *item)
{
    point = (point & ((UINT64_C(1) << 61) - 1)) | 1;
    uint64_t h = hash_bytes(0, point, item->owner, item->owner_size);
    return (uint32_t)hash_bytes(h, point, item->key, item->key_size);
}

uint64_t nv_draw(void)
{
    uint64_t bits;
    return drbg_read(&bits, sizeof(bits)) ? bits : counter_read() * UINT64_C(0x9e3779b97f4a7c15);
}
