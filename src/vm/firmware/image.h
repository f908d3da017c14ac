// SPDX-License-Identifier: Apache-2.0
// A part of the memory that a VM's firmware leaves to it, while it is being written: little-endian,
// without alignment of its own, one thing after the other.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    uint8_t *bytes; // zeroed
    uint32_t size, used;
    uint64_t address; // guest-physical, of bytes
    bool full;        // something did not fit: nothing is written any more, and used stays
};

// Where the next byte goes: as the guest sees it.
static inline uint64_t image_here(const struct image *m)
{
    return m->address + m->used;
}

// size bytes that are zero; NULL if they do not fit.
uint8_t *image_take(struct image *m, uint32_t size);
void image_align(struct image *m, uint32_t power_of_two);

void image_put(struct image *m, uint64_t value, unsigned size);
void image_bytes(struct image *m, const void *bytes, uint32_t size);

static inline void image_u8(struct image *m, uint8_t v)
{
    image_put(m, v, 1);
}

static inline void image_u16(struct image *m, uint16_t v)
{
    image_put(m, v, 2);
}

static inline void image_u32(struct image *m, uint32_t v)
{
    image_put(m, v, 4);
}

static inline void image_u64(struct image *m, uint64_t v)
{
    image_put(m, v, 8);
}

// Over what is there already, at < used.
void image_patch(struct image *m, uint32_t at, uint64_t value, unsigned size);

// What makes the bytes from..used add up to 0.
uint8_t image_checksum(const struct image *m, uint32_t from);
