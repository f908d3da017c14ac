// SPDX-License-Identifier: Apache-2.0
#include "puppet/trees.h"

#include "../../scan_trees.h"
#include "lib/cpu.h"
#include "lib/machine.h"
#include "lib/mmu.h"
#include "lib/print.h"
#include "lib/test.h"
#include "lib/timer.h"

#define TREES_AT   0x40800000ul /* RAM that nothing else touches */
#define TREES_SIZE 0x100000ul
#define TCR_LOW    (0x3ful | 3ul << 14) /* T0SZ, TG0 */
#define TCR_EPD1   (1ul << 23)
#define TCR_HIGH   (0xfffful << 16) /* T1SZ to TG1 */

static const struct tree_memory memory = {(char *)TREES_AT, TREES_AT, TREES_SIZE};
static struct tree_shape shape;

static uint64_t seeded(uint64_t seed)
{
    return 0x9e3779b97f4a7c15ul * (seed + 1);
}

static unsigned output_bits(void)
{
    static const uint8_t bits[] = {32, 36, 40, 42, 44, 48};
    uint64_t range = read_sysreg(id_aa64mmfr0_el1) & 0xf;

    return bits[range > 5 ? 5 : range];
}

/* Shareable, write-back walks. */
static void use_high(void)
{
    static const uint8_t tg1[] = {2, 1, 3};
    uint64_t tcr = read_sysreg(tcr_el1) & ~(TCR_HIGH | TCR_EPD1);
    uint64_t granule = tg1[(shape.page_bits - 12) / 2];

    tcr |= (64ul - shape.input_bits) << 16 | 0x35ul << 24 | granule << 30;
    write_sysreg(ttbr1_el1, shape.root);
    write_sysreg(tcr_el1, tcr);
    __asm__ volatile("isb\n\ttlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
}

/* Its own map by level-2 blocks of a 16 or 64 KiB granule: the lower half's from then on. */
static uint64_t use_low(unsigned page_bits)
{
    static uint64_t level2[TREE_TABLE / 8] __attribute__((aligned(TREE_TABLE)));
    unsigned block = 2 * page_bits - 3, input_bits = block + page_bits - 3;
    uint64_t granule = page_bits == 14 ? 2 : 1;

    mmu_off(); /* the table may be in use */
    for (uint64_t i = 0; i < 1ul << (page_bits - 3); i++) {
        level2[i] = i << block | (i << block == machine.ram_base ? PTE_NORMAL : PTE_DEVICE);
    }
    mmu_on_by((uint64_t)level2,
              (read_sysreg(tcr_el1) & ~TCR_LOW) | (64 - input_bits) | granule << 14);
    return input_bits;
}

static uint64_t make(uint64_t seed, uint64_t what)
{
    tree_rng = seeded(seed);
    memset(memory.at, 0, TREES_SIZE);
    shape = (struct tree_shape){
        .page_bits = what & 0xff,
        .input_bits = what >> 8 & 0xff,
        .output_bits = output_bits(),
        .high = what >> 16 & 1,
        .root = TREES_AT + tree_pick(TREES_SIZE / TREE_TABLE) * TREE_TABLE,
        .mair = read_sysreg(mair_el1),
    };
    tree_fill(&memory, shape.page_bits, false);
    __asm__ volatile("dsb sy" ::: "memory");
    if (shape.high) {
        use_high();
    }
    return shape.root;
}

/* FNV-1a, by words. */
static void add(uint64_t *digest, uint64_t word)
{
    *digest = (*digest ^ word) * 0x100000001b3ul;
}

static void found(void *arg, const struct tree_run *r)
{
    add(arg, r->va);
    add(arg, r->last);
    if (!r->unreadable) {
        add(arg, r->ipa);
        add(arg,
            (uint64_t)r->el1 | r->el0 << 8 | r->attributes << 16 | (uint64_t)r->shareability << 24);
    }
}

static uint64_t digest(void)
{
    uint64_t sum = 0xcbf29ce484222325ul;

    tree_walk(&shape, &memory, found, &sum);
    return sum;
}

/* ---- Registers that a scan must leave alone ---- */

/* clang-format off */
#define REGISTERS(X) \
    X(par_el1) X(ttbr0_el1) X(ttbr1_el1) X(tcr_el1) X(mair_el1) X(sctlr_el1) \
    X(contextidr_el1) X(far_el1) X(esr_el1) X(elr_el1) X(spsr_el1) X(vbar_el1) \
    X(tpidr_el1) X(amair_el1) X(tpidr_el0) X(csselr_el1) X(cpacr_el1) X(cntkctl_el1)
/* clang-format on */

struct kept {
#define FIELD(r) uint64_t r;
    REGISTERS(FIELD)
};

static struct kept read_all(void)
{
#define READ(r) .r = read_sysreg(r),
    return (struct kept){REGISTERS(READ)};
}

static uint64_t keep(uint64_t ms)
{
    struct kept before, after;
    uint64_t end = timer_now() + timer_us(ms * 1000), changes = 0;

    write_sysreg(par_el1, 0x5a5a0000b4b4b801ul);
    write_sysreg(contextidr_el1, 0x1234567);
    isb();
    before = read_all();
    while (timer_now() < end) {
        after = read_all();
        changes += memcmp(&before, &after, sizeof(before)) != 0;
    }
    return changes;
}

/* ---- Another CPU at the tables ---- */

static volatile uint64_t storm_until, changed;

/* At two places of each table: more would grow without end. */
static void storm(uint64_t arg)
{
    (void)arg;
    while (timer_now() < storm_until) {
        uint64_t table = tree_pick(TREES_SIZE / TREE_TABLE) * TREE_TABLE;
        uint64_t i = table / TREE_TABLE * 5 + tree_pick(2);
        uint64_t *entry = (uint64_t *)(memory.at + table) + i;

        *(volatile uint64_t *)entry =
            tree_pick(3) == 0 ? 0 : tree_descriptor(&memory, shape.page_bits, false);
        changed++;
    }
}

static uint64_t storm_for(uint64_t ms)
{
    changed = 0;
    storm_until = timer_now() + timer_us(ms * 1000);
    cpu_start(1, storm, 0);
    while (timer_now() < storm_until) {
        cpu_relax();
    }
    cpu_join(1);
    return changed;
}

uint64_t trees_order(char what, const uint64_t *n)
{
    switch (what) {
    case 'T':
        return make(n[0], n[1]);
    case 'V':
        return digest();
    case 'K':
        return keep(n[0]);
    case 'M':
        return storm_for(n[0]);
    case 'G':
        return use_low((unsigned)n[0]);
    default:
        test_abort("no order: %c", what);
    }
}
