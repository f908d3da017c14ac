// SPDX-License-Identifier: Apache-2.0
// A VM's RAM that no page of the guest has been given yet, where memory is populated lazily: 2 MiB
// blocks and 4 KiB pages out of the run that was reserved when the VM was made. With the space's
// lock held.
#pragma once

#include "lib/addr.h"
#include "lib/bits.h"
#include "mem/frames.h"

#include <stdbool.h>

#define RAM_BLOCK_PAGES 512u

struct ram_block {
    uint16_t free;           // pages
    uint16_t first;          // none below it is free
    uint32_t next, previous; // in the list of blocks with as many free pages as that list is for
    uint64_t used[RAM_BLOCK_PAGES / 64];
};

struct ram {
    hpa_t base; // multiple of 2 MiB
    uint32_t blocks;
    uint32_t whole, partial; // lists: blocks all free; blocks some of whose pages are free
    uint64_t free_pages;
    struct ram_block *block;
};

// Bytes that ram_init() needs for its table.
size_t ram_table_bytes(uint64_t size);

// No block, where a block's number is.
#define RAM_NONE UINT32_MAX

// Everything is free. base and size are multiples of 2 MiB, the memory the caller's.
void ram_init(struct ram *ram, hpa_t base, uint64_t size, void *table);

// ERR_NOMEM. Contents are undefined: what was there before is for the caller to wipe.
int ram_get_block(struct ram *ram, hpa_t *out);
int ram_get_page(struct ram *ram, hpa_t *out); // from a block in use already, if there is one
// A CHECK that it is in use.
void ram_put_block(struct ram *ram, hpa_t block);
void ram_put_page(struct ram *ram, hpa_t page);

// Marks a free page of block n, which has one, as used; for the functions that take one.
static inline hpa_t ram_mark_page(struct ram *ram, uint32_t n)
{
    struct ram_block *b = &ram->block[n];
    unsigned word = b->first / 64;

    while (b->used[word] == UINT64_MAX) {
        word++;
    }
    unsigned page = word * 64 + bit_first(~b->used[word]);

    b->used[word] |= BIT(page % 64);
    b->first = (uint16_t)page;
    return hpa_add(ram->base, n * BLOCK_SIZE + page * PAGE_SIZE);
}

// ram_get_page(), in line, where that is enough: false if it is not.
static inline bool ram_get_page_fast(struct ram *ram, hpa_t *out)
{
    uint32_t n = ram->partial;

    if (n == RAM_NONE || ram->block[n].free == 1) {
        return false;
    }
    ram->block[n].free--;
    ram->free_pages--;
    *out = ram_mark_page(ram, n);
    return true;
}
