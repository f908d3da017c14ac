// SPDX-License-Identifier: Apache-2.0
#include "vm/firmware/image.h"

#include "lib/addr.h"

#include <string.h>

uint8_t *image_take(struct image *m, uint32_t size)
{
    if (m->full || size > m->size - m->used) {
        m->full = true;
        return NULL;
    }
    uint8_t *at = m->bytes + m->used;
    m->used += size;
    return at;
}

void image_align(struct image *m, uint32_t power_of_two)
{
    (void)image_take(m, (uint32_t)(align_up(image_here(m), power_of_two) - image_here(m)));
}

static void store(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

void image_put(struct image *m, uint64_t value, unsigned size)
{
    uint8_t *at = image_take(m, size);
    if (at != NULL) {
        store(at, value, size);
    }
}

void image_bytes(struct image *m, const void *bytes, uint32_t size)
{
    uint8_t *at = image_take(m, size);
    if (at != NULL) {
        memcpy(at, bytes, size);
    }
}

void image_patch(struct image *m, uint32_t at, uint64_t value, unsigned size)
{
    if (!m->full) {
        store(m->bytes + at, value, size);
    }
}

uint8_t image_checksum(const struct image *m, uint32_t from)
{
    uint8_t sum = 0;
    for (uint32_t i = from; i < m->used; i++) {
        sum = (uint8_t)(sum + m->bytes[i]);
    }
    return (uint8_t)-sum;
}
