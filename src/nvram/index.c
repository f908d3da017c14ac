// SPDX-License-Identifier: Apache-2.0
#include "nvram/index.h"

#include <string.h>

void nv_index_init(struct nv_index *x, void *memory, uint32_t slots)
{
    *x = (struct nv_index){.slot = memory, .mask = slots - 1};
    memset(memory, 0, slots * sizeof(x->slot[0]));
}

struct nv_slot *nv_index_find(struct nv_index *x, uint32_t hash,
                              bool (*is)(void *context, uint32_t line), void *context)
{
    for (uint32_t i = hash & x->mask; x->slot[i].line != 0; i = (i + 1) & x->mask) {
        if (x->slot[i].hash == hash && is(context, x->slot[i].line)) {
            return &x->slot[i];
        }
    }
    return NULL;
}

bool nv_index_is_full(const struct nv_index *x)
{
    return x->used >= x->mask / 4 * 3;
}

void nv_index_add(struct nv_index *x, uint32_t hash, uint32_t line, uint32_t lines)
{
    uint32_t i = hash & x->mask;
    while (x->slot[i].line != 0) {
        i = (i + 1) & x->mask;
    }
    x->slot[i] = (struct nv_slot){hash, line, lines};
    x->used++;
    x->lines += lines;
}

void nv_index_change(struct nv_index *x, struct nv_slot *s, uint32_t line, uint32_t lines)
{
    x->lines = x->lines - s->lines + lines;
    s->line = line;
    s->lines = lines;
}

// Whoever would not be found any more, with a hole where it was, takes its place (Knuth, volume
// 3, 6.4, algorithm R).
void nv_index_remove(struct nv_index *x, struct nv_slot *s)
{
    uint32_t hole = (uint32_t)(s - x->slot);
    x->used--;
    x->lines -= s->lines;
    for (uint32_t i = (hole + 1) & x->mask; x->slot[i].line != 0; i = (i + 1) & x->mask) {
        uint32_t home = x->slot[i].hash & x->mask;
        if (((i - home) & x->mask) >= ((i - hole) & x->mask)) {
            x->slot[hole] = x->slot[i];
            hole = i;
        }
    }
    x->slot[hole].line = 0;
}
