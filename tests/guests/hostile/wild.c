// SPDX-License-Identifier: Apache-2.0
#include "hostile/wild.h"

#include "lib/gic.h"
#include "lib/machine.h"
#include "lib/mmu.h"
#include "lib/test.h"

/* What is where in RAM; the payload is below ENTRIES. */
#define ENTRIES      0x41000000ul
#define ENTRIES_SIZE 0x100000ul
#define KEEP_END     0x42000000ul
#define SCRATCH      0x42200000ul
#define TABLES       0x42400000ul
#define TABLE_COUNT  8

#define IMAGE_START 0x40080000ul
#define REACH       0x20000ul /* of offsets and write-back, at most */

#define GIB          (1ul << 30)
#define BLOCK        (1ul << 21)
#define TABLE_SIZE   512
#define PTE_PA(pa)   ((pa)&0xfffffffff000ul)
#define PTE_CONTIG   (1ul << 52)
#define ROOT_CHANGES 4

static uint64_t roots[HOSTILES][TABLE_SIZE] __attribute__((aligned(4096)));
static uint64_t ram[TABLE_SIZE] __attribute__((aligned(4096)));

/* Of the low 32 bits too, for AArch32. */
static bool keeps_clear(uint64_t addr)
{
    uint64_t low = addr & 0xffffffff;

    return low < IMAGE_START - REACH || low >= KEEP_END + REACH;
}

static uint64_t somewhere(struct random *r)
{
    uint64_t any = random_next(r);
    uint64_t end = machine.ram_base + machine.ram_size;

    switch (random_below(r, 12)) {
    case 0:
    case 1:
        return machine.gicd + any % 0x10000;
    case 2:
    case 3:
        return machine.gicr + any % (8 * GICR_STRIDE);
    case 4:
        return machine.uart + 0x18 + any % 0xfe8;
    case 5:
        return machine.rtc + any % 0x1000;
    case 6:
        return SCRATCH + any % 0x400000;
    case 7:
        return end - 64 + any % 128;
    case 8:
        return machine.ram_base - 64 + any % 128;
    case 9:
        return any % 0x40000000;
    case 10:
        return any >> (16 + any % 24);
    default:
        return any;
    }
}

uint64_t wild_pa(struct random *r)
{
    uint64_t addr;

    do {
        addr = somewhere(r);
        if (random_below(r, 4)) {
            addr &= ~15ul;
        }
    } while (!keeps_clear(addr));
    return addr;
}

uint64_t wild_va(struct random *r)
{
    uint64_t any = random_next(r);

    switch (random_below(r, 8)) {
    case 0:
        return any;
    case 1:
        return any | 0xffffff8000000000;
    case 2:
        return machine.ram_base + any % machine.ram_size;
    case 3:
        return SCRATCH + any % BLOCK;
    default:
        return (any & 0x7fffffffff) & (any >> 60 ? ~15ul : ~0ul);
    }
}

uint64_t wild_entry(struct random *r)
{
    return ENTRIES + (random_next(r) % ENTRIES_SIZE & ~3ul);
}

uint64_t wild_bad_entry(struct random *r)
{
    uint64_t addr;

    do {
        addr = somewhere(r);
    } while (addr - machine.ram_base < machine.ram_size && (addr & 3) == 0);
    return addr;
}

/* Not writable where it could reach the payload. */
static uint64_t wild_leaf(struct random *r, uint64_t size)
{
    uint64_t flags = random_next(r) & ~(0xffffffffffful << 8 | PTE_CONTIG);
    uint64_t pa = somewhere(r) & ~(size - 1) & 0xffffffffffff;

    flags = (flags & ~3ul) | PTE_PA(pa) | (random_next(r) & 0xf00) | PTE_VALID;
    flags |= size == 4096 ? PTE_PAGE : 0;
    flags |= random_below(r, 8) ? PTE_AF : 0;
    return pa < KEEP_END && pa + size > machine.ram_base ? flags | PTE_RO : flags;
}

static uint64_t wild_table(struct random *r)
{
    uint64_t pa = random_below(r, 2) ? TABLES + random_below(r, TABLE_COUNT) * 4096 : wild_pa(r);

    return PTE_PA(pa) | (random_next(r) & 0xf8000000000007fc) | PTE_VALID | PTE_TABLE;
}

static uint64_t wild_descriptor(struct random *r, uint64_t size)
{
    unsigned kind = (unsigned)random_below(r, 8);

    if (kind == 0) {
        return random_next(r) & ~1ul;
    }
    return kind < 4 && size > 4096 ? wild_table(r) : wild_leaf(r, size);
}

static void fill_ram_table(void)
{
    for (uint64_t i = 0; i < TABLE_SIZE; i++) {
        uint64_t pa = GIB + i * BLOCK;

        ram[i] = pa | PTE_NORMAL | PTE_RO | PTE_USER;
        if (pa >= SCRATCH) {
            ram[i] = pa | PTE_NORMAL | PTE_USER | PTE_PXN | PTE_UXN;
        }
    }
}

void wild_prepare(void)
{
    uint32_t *entry = (uint32_t *)ENTRIES;
    struct random r = {42};

    for (unsigned i = 0; i < ENTRIES_SIZE / 4; i++) {
        int64_t words = ((int64_t)hostile_landing - (int64_t)&entry[i]) / 4;

        *(volatile uint32_t *)&entry[i] = 0x14000000 | ((uint32_t)words & 0x3ffffff); /* B */
    }
    __asm__ volatile("dsb sy\n\tic ialluis\n\tdsb sy\n\tisb" ::: "memory");
    fill_ram_table();
    for (unsigned i = 0; i < TABLE_COUNT * TABLE_SIZE; i++) {
        ((volatile uint64_t *)TABLES)[i] = wild_descriptor(&r, i % 2 ? 4096 : BLOCK);
    }
    for (unsigned i = 0; i < HOSTILES * TABLE_SIZE; i++) {
        (&roots[0][0])[i] = wild_descriptor(&r, GIB);
    }
}

/* T0SZ = T1SZ = 25, 4 KiB; what walks and attributes are is open. */
static uint64_t wild_tcr(struct random *r)
{
    return 25 | 25ul << 16 | 2ul << 30 | 5ul << 32 | (random_next(r) & 0x7f003f00);
}

void wild_translation(struct random *r, struct shot *s, unsigned cpu)
{
    volatile uint64_t *root = roots[cpu];
    volatile uint64_t *tables = (volatile uint64_t *)TABLES;

    for (unsigned i = 0; i < ROOT_CHANGES; i++) {
        root[random_below(r, TABLE_SIZE)] = wild_descriptor(r, GIB);
        tables[random_below(r, TABLE_COUNT * TABLE_SIZE)] =
            wild_descriptor(r, random_below(r, 2) ? 4096 : BLOCK);
    }
    root[1] = (uint64_t)ram | PTE_TABLE | PTE_VALID;
    s->ttbr0 = (uint64_t)root;
    s->ttbr1 = random_below(r, 2) ? TABLES : wild_pa(r);
    s->tcr = wild_tcr(r);
    s->mair = 0x4400ff; /* the payload's own; the rest is strongly ordered */
    __asm__ volatile("dsb sy\n\tisb" ::: "memory");
}
