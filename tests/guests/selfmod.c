// SPDX-License-Identifier: Apache-2.0
// A guest that writes code and executes it, with the maintenance that the architecture asks of it
// (Arm ARM B2.4.4), on pages that Newel populates, makes executable and moves meanwhile. All is
// right on any machine; run on a model of caches that are not coherent it shows who forgot what.
// Words in the boot arguments ask for more: `fresh` leaves the maintenance of pages that were never
// executed to Newel, which promises it; `ports` has Newel write code (tests/el2/test_port.c);
// `careless` forgets its own.
#include "lib/mmu.h"
#include "lib/sysreg.h"
#include "lib/test.h"
#include "lib/timer.h"

#define PAGE       4096ul
#define BLOCK      0x200000ul
#define LINE       64ul
#define PAGES      (BLOCK / PAGE)
#define ROUNDS     200
#define FRESH      8
#define PTE_CODE   (PTE_NORMAL | PTE_UXN)
#define PTE_DATA   (PTE_NORMAL | PTE_PXN | PTE_UXN)
#define ALIAS      0x1000000000ul
#define MOVZ_X0(n) (0xd2800000u | (uint32_t)(n) << 5)
#define RET        0xd65f03c0u

#define IO_OUT_DWORD  0x0aul
#define IO_INS_DWORD  0x16ul
#define ODD_PORT      0x1235ul
#define CHOOSE_PORT   0x1230ul
#define RECORDED_PORT 0x1231ul

typedef uint64_t (*code_fn)(void);

/* Blocks of RAM that nothing else is in. */
static uint64_t block(unsigned n)
{
    return machine.ram_base + (4 + n) * BLOCK;
}

static void emit(uint64_t at, unsigned value)
{
    volatile uint32_t *code = (volatile uint32_t *)at;

    code[0] = MOVZ_X0(value & 0xffff);
    code[1] = RET;
}

static void maintain(uint64_t at)
{
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(at)
                     : "memory");
}

static void maintain_all(uint64_t at)
{
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ialluis\n\tdsb ish\n\tisb" ::"r"(at) : "memory");
}

static uint64_t call(uint64_t at)
{
    return ((code_fn)at)();
}

/* Before any other test turns the caches on. */
TEST(caches_off)
{
    uint64_t at = block(0);

    for (unsigned i = 0; i < 4; i++) {
        emit(at, i);
        __asm__ volatile("dsb sy\n\tic iallu\n\tdsb nsh\n\tisb" ::: "memory");
        EXPECT_EQ(call(at), i);
    }
    __asm__ volatile("dc ivac, %0\n\tdsb sy" ::"r"(at) : "memory");
}

TEST(own_code)
{
    uint64_t at = block(1);

    mmu_on();
    mmu_map_page(at, at, PTE_CODE);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t line = at + i % 8 * LINE;

        emit(line, i);
        (i & 1 ? maintain : maintain_all)(line);
        EXPECT_EQ(call(line), i);
    }
}

TEST(by_another_address)
{
    uint64_t at = block(1) + PAGE;

    mmu_map_page(at, at, PTE_CODE | PTE_RO);
    mmu_map_page(ALIAS, at, PTE_DATA);
    for (unsigned i = 0; i < ROUNDS; i++) {
        emit(ALIAS, i);
        maintain(ALIAS);
        EXPECT_EQ(call(at), i);
    }
}

static void set_way(void)
{
    __asm__ volatile("dc cisw, xzr\n\tdsb sy" ::: "memory");
}

/* A hypervisor may take everything away from its guest for this, and give it back when touched. */
TEST(by_set_and_way_meanwhile)
{
    uint64_t at = block(1) + 4 * PAGE;

    mmu_map_page(at, at, PTE_CODE);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t line = at + i % 8 * LINE;

        if (i & 1) {
            set_way();
        }
        emit(line, i);
        if (i & 2) {
            set_way();
        }
        maintain(line);
        if (i & 4) {
            set_way();
        }
        EXPECT_EQ(call(line), i);
    }
}

static volatile unsigned written, executed, wrong;
static volatile bool stop;

static void execute_after(uint64_t at)
{
    while (!stop) {
        unsigned n = written;

        if (n == executed) {
            continue;
        }
        isb();
        wrong += call(at) != n;
        executed = n;
    }
}

TEST(executed_by_another_cpu)
{
    uint64_t at = block(1) + 2 * PAGE;

    SKIP_UNLESS(cpu_count() > 1, "one CPU");
    mmu_map_page(at, at, PTE_CODE);
    EXPECT_EQ(cpu_start(1, execute_after, at), 0);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        emit(at, i);
        maintain(at);
        written = i;
        EXPECT(wait_for(executed == i, 5000000));
    }
    stop = true;
    EXPECT(cpu_join(1));
    EXPECT_EQ(wrong, 0);
}

static void execute_all(uint64_t base)
{
    for (unsigned turn = 0; !stop; turn++) {
        if (turn % 256 == 0) {
            set_way();
        }
        for (unsigned i = 0; i < written; i++) {
            wrong += call(base + i * PAGE) != i;
        }
    }
}

/* Page by page, each executed at once, by both CPUs: where pages are populated one by one, the last
 * of them makes Newel move them all. */
TEST(a_block_that_fills_up)
{
    uint64_t base = block(2);
    bool two = cpu_count() > 1;

    written = 0;
    stop = false;
    for (uint64_t at = base; at < base + BLOCK; at += PAGE) {
        mmu_map_page(at, at, PTE_CODE);
    }
    EXPECT(!two || cpu_start(1, execute_all, base) == 0);
    for (unsigned i = 0; i < PAGES; i++) {
        emit(base + i * PAGE, i);
        maintain(base + i * PAGE);
        EXPECT_EQ(call(base + i * PAGE), i);
        written = i + 1;
    }
    for (unsigned i = 0; i < PAGES; i++) {
        EXPECT_EQ(call(base + i * PAGE), i);
    }
    stop = true;
    EXPECT(!two || cpu_join(1));
    EXPECT_EQ(wrong, 0);
}

/* One page a block: of more Newel might make the whole block executable, so the rest would not be
 * fresh. */
TEST(fresh_pages)
{
    SKIP_UNLESS(arg_flag("fresh"), "against the rules elsewhere");
    for (unsigned i = 0; i < FRESH; i++) {
        uint64_t at = block(3 + i);

        mmu_map_page(at, at, PTE_CODE);
        emit(at + LINE, i);
        EXPECT_EQ(call(at + LINE), i);
    }
}

/* The hypervisor's emulation of x86's port instructions (docs/guest-abi.md). */
static void io(uint64_t what, uint64_t ax, uint64_t port, uint64_t to)
{
    register uint64_t x0 __asm__("x0") = ax;
    register uint64_t x2 __asm__("x2") = 1;
    register uint64_t x3 __asm__("x3") = port;
    register uint64_t x5 __asm__("x5") = to;
    register uint64_t x7 __asm__("x7") = what;

    __asm__ volatile("hvc #0x86" : "+r"(x0), "+r"(x2), "+r"(x5) : "r"(x3), "r"(x7) : "memory");
}

/* As a device does by DMA, of which the guest need not know: no maintenance of its own. */
TEST(written_by_newel)
{
    uint64_t at = block(1) + 5 * PAGE;
    uint32_t value = 0;

    SKIP_UNLESS(arg_flag("ports"), "no ports");
    mmu_map_page(at, at, PTE_CODE);
    emit(at, 0);
    maintain(at);
    EXPECT_EQ(call(at), 0);
    for (unsigned i = 1; i < 20; i++) {
        uint32_t rotated = value << 8 | value >> 24;

        value = MOVZ_X0(i);
        io(IO_OUT_DWORD, value ^ rotated, ODD_PORT, 0);
        io(IO_OUT_DWORD, ODD_PORT, CHOOSE_PORT, 0);
        io(IO_INS_DWORD, 0, RECORDED_PORT, at);
        EXPECT_EQ(call(at), i);
    }
}

TEST(no_maintenance)
{
    uint64_t at = block(1) + 3 * PAGE;

    SKIP_UNLESS(arg_flag("careless"), "against the rules");
    mmu_map_page(at, at, PTE_CODE);
    emit(at, 1);
    maintain(at);
    EXPECT_EQ(call(at), 1);
    emit(at, 2);
    EXPECT_EQ(call(at), 2);
}
