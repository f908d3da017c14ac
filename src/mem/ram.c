// SPDX-License-Identifier: Apache-2.0
#include "mem/ram.h"

#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"

size_t ram_table_bytes(uint64_t size)
{
    return (size_t)(size / BLOCK_SIZE) * sizeof(struct ram_block);
}

// ---- The two lists

static uint32_t *head_for(struct ram *ram, const struct ram_block *b)
{
    return b->free == RAM_BLOCK_PAGES ? &ram->whole : b->free > 0 ? &ram->partial : NULL;
}

static void link_block(struct ram *ram, uint32_t n)
{
    struct ram_block *b = &ram->block[n];
    uint32_t *head = head_for(ram, b);

    if (head == NULL) {
        return;
    }
    b->previous = RAM_NONE;
    b->next = *head;
    if (*head != RAM_NONE) {
        ram->block[*head].previous = n;
    }
    *head = n;
}

static void unlink_block(struct ram *ram, uint32_t n)
{
    struct ram_block *b = &ram->block[n];
    uint32_t *head = head_for(ram, b);

    if (head == NULL) {
        return;
    }
    if (b->next != RAM_NONE) {
        ram->block[b->next].previous = b->previous;
    }
    if (b->previous != RAM_NONE) {
        ram->block[b->previous].next = b->next;
    } else {
        *head = b->next;
    }
}

// A block changes lists only when it becomes, or stops being, wholly free or wholly used.
static bool at_edge(uint16_t free_pages)
{
    return free_pages == 0 || free_pages == RAM_BLOCK_PAGES;
}

static void set_free(struct ram *ram, uint32_t n, uint16_t free_pages)
{
    struct ram_block *b = &ram->block[n];
    bool moves = at_edge(free_pages) || at_edge(b->free);

    ram->free_pages += free_pages;
    ram->free_pages -= b->free;
    if (moves) {
        unlink_block(ram, n);
    }
    b->free = free_pages;
    if (moves) {
        link_block(ram, n);
    }
}

// ---- Blocks

void ram_init(struct ram *ram, hpa_t base, uint64_t size, void *table)
{
    CHECK(is_aligned(base.v | size, BLOCK_SIZE));
    *ram = (struct ram){
        .base = base,
        .blocks = (uint32_t)(size / BLOCK_SIZE),
        .whole = RAM_NONE,
        .partial = RAM_NONE,
        .block = table,
    };
    // The list's first is the lowest, so that memory is used from its start.
    for (uint32_t n = ram->blocks; n-- > 0;) {
        ram->block[n] = (struct ram_block){0};
        set_free(ram, n, RAM_BLOCK_PAGES);
    }
}

static hpa_t address_of(const struct ram *ram, uint32_t block, unsigned page)
{
    return hpa_add(ram->base, block * BLOCK_SIZE + page * PAGE_SIZE);
}

static uint32_t number_of(const struct ram *ram, hpa_t a)
{
    CHECK(a.v >= ram->base.v && (a.v - ram->base.v) / BLOCK_SIZE < ram->blocks);
    return (uint32_t)((a.v - ram->base.v) / BLOCK_SIZE);
}

static void mark_all(struct ram_block *b, uint64_t bits)
{
    for (size_t i = 0; i < ARRAY_SIZE(b->used); i++) {
        b->used[i] = bits;
    }
    b->first = 0;
}

int ram_get_block(struct ram *ram, hpa_t *out)
{
    uint32_t n = ram->whole;

    if (n == RAM_NONE) {
        return ERR_NOMEM;
    }
    mark_all(&ram->block[n], UINT64_MAX);
    set_free(ram, n, 0);
    *out = address_of(ram, n, 0);
    return 0;
}

void ram_put_block(struct ram *ram, hpa_t block)
{
    uint32_t n = number_of(ram, block);

    CHECK(is_aligned(block.v, BLOCK_SIZE) && ram->block[n].free == 0);
    mark_all(&ram->block[n], 0);
    set_free(ram, n, RAM_BLOCK_PAGES);
}

// ---- Pages

int ram_get_page(struct ram *ram, hpa_t *out)
{
    uint32_t n = ram->partial != RAM_NONE ? ram->partial : ram->whole;

    if (n == RAM_NONE) {
        return ERR_NOMEM;
    }
    *out = ram_mark_page(ram, n);
    set_free(ram, n, (uint16_t)(ram->block[n].free - 1));
    return 0;
}

void ram_put_page(struct ram *ram, hpa_t page)
{
    uint32_t n = number_of(ram, page);
    struct ram_block *b = &ram->block[n];
    unsigned i = (unsigned)((page.v - ram->base.v) / PAGE_SIZE % RAM_BLOCK_PAGES);

    CHECK(is_aligned(page.v, PAGE_SIZE) && (b->used[i / 64] & BIT(i % 64)) != 0);
    b->used[i / 64] &= ~BIT(i % 64);
    b->first = MIN(b->first, (uint16_t)i);
    set_free(ram, n, (uint16_t)(b->free + 1));
}
