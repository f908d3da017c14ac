// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone.
#include "scan_cost.h"

#include "arch/at.h"
#include "arch/sysreg_bits.h"
#include "con/console.h"
#include "el1_context.h"
#include "lib/bits.h"
#include "mem/frames.h"
#include "mem/scan.h"
#include "trap/walk.h"

#include <string.h>

#define RAM_PAGES 8u // a root, and three tables below it for each of two addresses; of the guest's
#define RAM_BASE  UINT64_C(0x40000000)
#define IPA_BITS  36
#define HALF      (BIT(48) - 1)
#define GIB       BIT(30)
#define ONE       UINT64_C(0x123456789000) // the page that is mapped
#define MANY      UINT64_C(0x654321000000) // 2 MiB of pages, while they are measured

#define MARK(n) __asm__ volatile("orr x" #n ", x" #n ", x" #n ::: "memory")

static struct pool pool;
static struct stage2 s2;
static struct scan scan;
static uint64_t *tables;
static struct walk_regs regs;

static void map_pages(uint64_t va, unsigned first_table, unsigned count)
{
    uint64_t *table = tables;

    for (unsigned level = 0; level < 3; level++) {
        uint64_t next = first_table + level;

        table[bits_get(va, 47 - 9 * level, 39 - 9 * level)] = (RAM_BASE + next * PAGE_SIZE) | 3;
        table = tables + next * 512;
    }
    for (unsigned i = 0; i < count; i++) {
        table[bits_get(va, 20, 12) + i] = (RAM_BASE + i * PAGE_SIZE) | 0x703;
    }
}

static void by_at(uint64_t first, uint64_t last)
{
    struct scan_run run;
    unsigned steps = UINT32_MAX;

    MARK(19);
    scan_start(&scan, &s2, &regs, gva(first), gva(last));
    while (scan_next(&scan, &steps, &run) == SCAN_FOUND) {
    }
    MARK(20);
}

// The same skips, by the level at which the walk in software ends.
static unsigned by_walker(uint64_t first, uint64_t last)
{
    struct walk_rights rights;
    struct walk_result w;
    unsigned leaves = 0;

    MARK(19);
    for (uint64_t va = first; va <= last;) {
        walk_look(&s2, &regs, gva(va), &w, &rights);
        bool ok = w.fault == WALK_OK;
        uint64_t size = ok ? w.size : BIT(12 + 9 * (3 - w.level));

        leaves += ok;
        va = (va | (size - 1)) + 1;
    }
    MARK(20);
    return leaves;
}

static unsigned by_page(uint64_t first, uint64_t last)
{
    unsigned found = 0;

    MARK(19);
    for (uint64_t va = first; va <= last; va += PAGE_SIZE) {
        found += (at_stage1(va, false, false) & PAR_F) == 0;
    }
    MARK(20);
    return found;
}

static void measure(void)
{
    uint64_t gib = align_down(ONE, GIB);

    by_at(0, HALF);
    unsigned long ats = scan.ats, leaves = scan.leaves;
    unsigned walked = by_walker(0, HALF), paged = by_page(gib, gib + GIB - 1);

    map_pages(MANY, 4, 512);
    by_at(MANY, MANY + BLOCK_SIZE - 1);
    unsigned many = by_walker(MANY, MANY + BLOCK_SIZE - 1);

    console_printf("scancost: %lu AT; leaves %lu %u %u, %lu %u\n", ats, leaves, walked, paged,
                   scan.leaves, many);
}

void run_scan_cost(const struct invocation *in)
{
    hpa_t ram;

    (void)in;
    if (frames_alloc(OWNER_NEWEL, RAM_PAGES, 1, &ram) != 0 ||
        pool_create(&pool, OWNER_NEWEL, 16) != 0 || stage2_init(&s2, &pool, IPA_BITS) != 0 ||
        stage2_map(&s2, gpa(RAM_BASE), ram, RAM_PAGES * PAGE_SIZE, S2_RW, S2_NORMAL) != 0) {
        console_printf("scancost: no memory\n");
        return;
    }
    tables = hpa_ptr(ram);
    memset(tables, 0, RAM_PAGES * PAGE_SIZE);
    map_pages(ONE, 1, 1);
    walk_registers(&regs);
    regs.sctlr = UINT64_C(0x30500800) | 0x1005; // RES1; I, C, M
    regs.tcr = 16 | 16 << 16 | UINT64_C(0x3500) | BIT(23) | UINT64_C(2) << 30 | UINT64_C(2) << 32;
    regs.ttbr0 = RAM_BASE;
    regs.mair = 0xff;
    el1_enter(&s2);
    el1_load(&s2, &regs);
    measure();
    (void)el1_leave(&s2);
    pool_destroy(&pool);
    frames_free(OWNER_NEWEL, ram, RAM_PAGES);
}
