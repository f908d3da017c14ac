// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone: random EL1 translation tables, of all shapes that the CPU
// has, scanned by its AT (mem/scan.c) and found by recursion (tests/scan_trees.h).
#include "scan_check.h"

#include "../scan_trees.h"
#include "arch/cache.h"
#include "con/console.h"
#include "cpu/features.h"
#include "el1_context.h"
#include "lib/bits.h"
#include "mem/frames.h"
#include "mem/scan.h"
#include "trap/walk.h"

#define RAM_SIZE  (UINT64_C(1) << 20)
#define RAM_PAGES (RAM_SIZE / PAGE_SIZE)
#define RAM_BASE  UINT64_C(0x40000000) // the guest's
#define IPA_BITS  36
#define MOST      8192 // runs of a tree
#define TCR_DS    BIT(59)
#define MAIR      UINT64_C(0x000000004404bbff)

static struct pool pool;
static struct stage2 s2;
static struct tree_memory memory = {.base = RAM_BASE, .size = RAM_SIZE};
static struct tree_shape shape[2];
static struct walk_regs regs;
static struct scan scan;
static struct tree_run expected[MOST];
static size_t expected_count;
static uint64_t leaves, unreadable, ats, entries, by_granule[3], with_ds;

// ---- Shapes

static unsigned pick_granule(void)
{
    const bool have[] = {features.granule_4k, features.granule_16k, features.granule_64k};
    unsigned n = (unsigned)tree_pick(3);

    while (!have[n]) {
        n = (n + 1) % 3;
    }
    return n;
}

// Fewer bits mostly, so that it does not take long.
static unsigned pick_bits(const struct walk_cpu *cpu, unsigned page_bits, bool ds)
{
    unsigned most = ds || (page_bits == 16 && cpu->lva) ? 52 : 48;
    unsigned least = cpu->small_tables ? page_bits + 5 : 25;

    return tree_pick(4) == 0 ? most : least + (unsigned)tree_pick(most - least + 1);
}

static uint64_t fields(unsigned granule, unsigned bits, bool high)
{
    static const uint8_t tg0[] = {0, 2, 1}, tg1[] = {2, 1, 3};

    return high ? (uint64_t)tg1[granule] << 30 | (uint64_t)(64 - bits) << 16 | UINT64_C(3) << 28
                : (uint64_t)tg0[granule] << 14 | (64 - bits) | UINT64_C(3) << 12;
}

// DS holds for both halves, and means nothing where the granule has no LPA2.
static void pick_shapes(void)
{
    struct walk_cpu cpu = walk_cpu_of(&features);
    unsigned granule = pick_granule(), page_bits = 12 + 2 * granule; // one tree is both halves'
    bool lpa2 = granule == 0 ? cpu.lpa2_4k : granule == 1 && cpu.lpa2_16k;
    bool ds = lpa2 && tree_pick(2) != 0;

    by_granule[granule]++;
    with_ds += ds;
    regs = (struct walk_regs){
        .cpu = cpu, .sctlr = UINT64_C(0x30500800) | 0x1005, .mair = MAIR, .el = 1};
    regs.tcr = UINT64_C(0x3500) | UINT64_C(0x35000000) | UINT64_C(6) << 32 | (ds ? TCR_DS : 0);
    for (unsigned high = 0; high < 2; high++) {
        unsigned most = page_bits == 16 || ds ? 52 : 48;

        shape[high] = (struct tree_shape){
            .page_bits = page_bits,
            .input_bits = pick_bits(&cpu, page_bits, ds),
            .output_bits = MIN(most, cpu.pa_bits),
            .high = high != 0,
            .ds = ds,
            .top_blocks = cpu.pa_bits == 52,
            .shareability = 3,
            .root = RAM_BASE + tree_pick(RAM_SIZE / TREE_TABLE) * TREE_TABLE,
            .mair = MAIR,
        };
        regs.tcr |= fields(granule, shape[high].input_bits, high != 0);
    }
    regs.ttbr0 = shape[0].root;
    regs.ttbr1 = shape[1].root;
}

// ---- The comparison

static void expect(void *arg, const struct tree_run *run)
{
    (void)arg;
    if (expected_count < MOST) {
        expected[expected_count] = *run;
    }
    expected_count++;
}

static bool same(const struct tree_run *e, const struct scan_run *r)
{
    if (e->va != r->va || e->last != r->last || e->unreadable != (r->kind == SCAN_UNREADABLE)) {
        return false;
    }
    return e->unreadable ||
           (e->ipa == r->ipa.v && e->el1 == r->rights.el1 && e->el0 == r->rights.el0 &&
            e->attributes == r->attributes && e->shareability == r->shareability);
}

static void show(unsigned round, size_t n, const struct scan_run *r)
{
    const struct tree_run *e = &expected[MIN(n, (size_t)MOST - 1)];

    console_printf("scan: tree %u run %zu: tcr 0x%lx: expected 0x%lx-0x%lx 0x%lx %u %u %x %u\n",
                   round, n, regs.tcr, e->va, e->last, e->ipa, e->el1, e->el0, e->attributes,
                   e->unreadable);
    console_printf("scan:   found 0x%lx-0x%lx 0x%lx %u %u %x %u\n", r->va, r->last, r->ipa.v,
                   r->rights.el1, r->rights.el0, r->attributes, r->kind);
}

// In slices of so many steps.
static bool scan_agrees(unsigned round, unsigned slice)
{
    struct scan_run run = {0};
    unsigned steps = slice;
    size_t n = 0;

    scan_start(&scan, &s2, &regs, gva(0), gva(UINT64_MAX));
    for (enum scan_status status = SCAN_PAUSED; status != SCAN_ENDED;) {
        status = scan_next(&scan, &steps, &run);
        steps = status == SCAN_PAUSED ? slice : steps;
        if (status == SCAN_FOUND && (n >= expected_count || !same(&expected[n++], &run))) {
            show(round, n - 1, &run);
            return false;
        }
    }
    return n == expected_count;
}

static bool check_tree(unsigned round)
{
    pick_shapes();
    zero_pages(memory.at, RAM_SIZE);
    tree_fill(&memory, shape[0].page_bits, shape[0].ds);
    expected_count = 0;
    uint64_t looked = tree_walk(&shape[0], &memory, expect, NULL);

    looked += tree_walk(&shape[1], &memory, expect, NULL);
    if (expected_count > MOST) {
        return true; // too large to compare
    }
    el1_enter(&s2);
    el1_load(&s2, &regs);
    bool agrees = scan_agrees(round, 1 + (unsigned)tree_pick(300)) && scan.ats <= looked;

    agrees = el1_leave(&s2) && agrees;
    leaves += scan.leaves;
    ats += scan.ats;
    entries += looked;
    for (size_t i = 0; i < expected_count; i++) {
        unreadable += expected[i].unreadable;
    }
    return agrees;
}

void run_scan_check(const struct invocation *in)
{
    unsigned seed = 0, trees = 0, different = 0;
    hpa_t ram;

    if (!monitor_arg_number(in, 0, 1u << 30, &seed) || !monitor_arg_number(in, 1, 10000, &trees)) {
        return;
    }
    tree_rng = UINT64_C(0x9e3779b97f4a7c15) * (seed + 1);
    leaves = unreadable = ats = entries = with_ds = 0;
    by_granule[0] = by_granule[1] = by_granule[2] = 0;
    if (frames_alloc(OWNER_NEWEL, RAM_PAGES, RAM_PAGES, &ram) != 0 ||
        pool_create(&pool, OWNER_NEWEL, 16) != 0 || stage2_init(&s2, &pool, IPA_BITS) != 0 ||
        stage2_map(&s2, gpa(RAM_BASE), ram, RAM_SIZE, S2_RW, S2_NORMAL) != 0) {
        console_printf("scan: no memory\n");
        return;
    }
    memory.at = hpa_ptr(ram);
    for (unsigned n = 0; n < trees; n++) {
        different += !check_tree(n);
    }
    pool_destroy(&pool);
    frames_free(OWNER_NEWEL, ram, RAM_PAGES);
    console_printf(
        "scan: %u trees, %lu of 4K, %lu of 16K, %lu of 64K, %lu of LPA2; %lu leaves, %lu "
        "unreadable runs, %lu AT of %lu entries\n",
        trees, by_granule[0], by_granule[1], by_granule[2], with_ds, leaves, unreadable, ats,
        entries);
    console_printf("scan: %u different\n", different);
}
