// SPDX-License-Identifier: Apache-2.0
// A NOR flash in memory whose power can be cut in the middle of any operation.
#pragma once

#include "arena.h"
#include "dev/nor.h"
#include "lib/error.h"

#include <stdbool.h>
#include <string.h>

struct nor_sim {
    struct nor nor;
    uint8_t *bytes;
    uint64_t random;
    uint64_t operations; // so far
    uint64_t cut_at;     // during this one; 0: never
    uint64_t fail_at;    // this one fails, as a worn flash's would; 0: none
    bool dead, failing;
    bool programmed_twice; // a byte that was not erased; not the store's way
    unsigned delay;        // polls until an operation is done
    unsigned busy;
};

static inline struct nor_sim *nor_sim_of(struct nor *nor)
{
    return (struct nor_sim *)nor;
}

static inline void nor_sim_read(struct nor *nor, uint64_t offset, void *to, size_t size)
{
    struct nor_sim *s = nor_sim_of(nor);
    if (offset > nor->size || size > nor->size - offset || s->busy != 0) {
        abort();
    }
    memcpy(to, s->bytes + offset, size);
}

// True if the operation is to be done in part only, or not at all.
static inline bool nor_sim_begin(struct nor_sim *s)
{
    s->operations++;
    s->busy = s->delay;
    if (s->operations == s->cut_at) {
        s->dead = true;
    }
    s->failing = s->operations == s->fail_at;
    return s->dead || s->failing;
}

static inline void nor_sim_program(struct nor *nor, uint64_t offset, const void *from, size_t size)
{
    struct nor_sim *s = nor_sim_of(nor);
    const uint8_t *p = from;
    if (s->dead) {
        return;
    }
    if (offset % 4 != 0 || size % 4 != 0 || size == 0 || size > NOR_UNIT ||
        offset % NOR_UNIT + size > NOR_UNIT || offset + size > nor->size) {
        abort();
    }
    bool part = nor_sim_begin(s);
    // Either a prefix is there, or of each byte some bits.
    size_t prefix = part ? arena_random(&s->random) % (size + 1) : size;
    bool scattered = part && arena_random(&s->random) % 2 == 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t keep = i < prefix ? 0 : scattered ? (uint8_t)arena_random(&s->random) : 0xff;
        s->programmed_twice |= s->bytes[offset + i] != 0xff;
        s->bytes[offset + i] &= p[i] | keep;
    }
}

static inline void nor_sim_erase(struct nor *nor, uint64_t offset)
{
    struct nor_sim *s = nor_sim_of(nor);
    if (s->dead) {
        return;
    }
    if (offset % nor->block != 0 || offset >= nor->size) {
        abort();
    }
    bool part = nor_sim_begin(s);
    size_t prefix = part ? arena_random(&s->random) % (nor->block + 1) : nor->block;
    bool scattered = part && arena_random(&s->random) % 2 == 0;
    for (size_t i = 0; i < nor->block; i++) {
        uint8_t ones = i < prefix ? 0xff : scattered ? (uint8_t)arena_random(&s->random) : 0;
        s->bytes[offset + i] |= ones;
    }
}

static inline int nor_sim_poll(struct nor *nor)
{
    struct nor_sim *s = nor_sim_of(nor);
    if (s->dead) {
        return ERR_BUSY;
    }
    if (s->busy != 0) {
        s->busy--;
        return ERR_BUSY;
    }
    bool failed = s->failing;
    s->failing = false;
    return failed ? ERR_IO : 0;
}

// Blank, with the power on. size is a multiple of block.
static inline void nor_sim_init(struct nor_sim *s, uint64_t size, uint32_t block)
{
    static const struct nor_ops ops = {nor_sim_read, nor_sim_program, nor_sim_erase, nor_sim_poll};
    free(s->bytes);
    *s = (struct nor_sim){.nor = {&ops, size, block}, .random = 0x1234567};
    s->bytes = malloc(size);
    memset(s->bytes, 0xff, size);
}

static inline void nor_sim_power_up(struct nor_sim *s)
{
    s->dead = s->failing = false;
    s->busy = 0;
    s->cut_at = s->fail_at = 0;
}
