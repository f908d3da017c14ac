// SPDX-License-Identifier: Apache-2.0
// A guest that turns its MMU and caches off and on, and maintains its caches by set and way, while
// its other CPUs fill memory and modify their own code.
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define PAGE   4096ul
#define CODE   (machine.ram_base + (6ul << 20)) /* a page a CPU */
#define REGION (machine.ram_base + (8ul << 20)) /* of all CPUs: each has every fourth page */
#define PAGES  1024u
#define CPUS   4u

#define RET       0xd65f03c0u
#define MOVZ(imm) (0xd2800000u | (uint32_t)((imm)&0xffff) << 5)

static uint64_t load(uint64_t at)
{
    return *(volatile uint64_t *)at;
}

static void store(uint64_t at, uint64_t value)
{
    *(volatile uint64_t *)at = value;
}

static uint64_t call(uint64_t at)
{
    return ((uint64_t(*)(void))at)();
}

/* A function that returns n, for fetches with caches on and off, written with them on or off. */
static void put_code(uint64_t at, uint64_t n)
{
    store(at, (uint64_t)RET << 32 | MOVZ(n));
    __asm__ volatile("dc civac, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(at)
                     : "memory");
}

static void by_set_and_way(unsigned times)
{
    while (times-- > 0) {
        __asm__ volatile("dc cisw, xzr" ::: "memory");
    }
    __asm__ volatile("dsb sy" ::: "memory");
}

/* All that the caches hold is in memory, the stack too. */
static void caches_off(void)
{
    by_set_and_way(30);
    mmu_off();
}

/* And what was written to memory is not hidden by them. */
static void caches_on(void)
{
    by_set_and_way(30);
    mmu_on();
}

static bool all_on(void)
{
    return (read_sysreg(sctlr_el1) & 0x1005) == 0x1005;
}

TEST(setup)
{
    mmu_on();
    for (unsigned i = 0; i < CPUS; i++) {
        mmu_map_page(CODE + i * PAGE, CODE + i * PAGE, PTE_NORMAL);
    }
    EXPECT(all_on());
}

/* Nothing is maintained by address. */
TEST(set_way_before_and_after_the_caches_are_off)
{
    for (uint64_t n = 1; n < 20; n++) {
        store(REGION, n);
        by_set_and_way(30);
        store(REGION + 16, n); /* in the midst of it */
        caches_off();
        EXPECT(!all_on());
        EXPECT_EQ(load(REGION), n);
        EXPECT_EQ(load(REGION + 16), n);
        store(REGION + 8, ~n);
        caches_on();
        EXPECT(all_on());
        EXPECT_EQ(load(REGION), n);
        EXPECT_EQ(load(REGION + 8), ~n);
    }
}

/* What the registers of the translation regime are given with the caches off is what they hold. */
TEST(registers_hold_what_was_written)
{
    uint64_t ttbr1 = read_sysreg(ttbr1_el1), id = read_sysreg(contextidr_el1);
    uint64_t far = read_sysreg(far_el1), esr = read_sysreg(esr_el1), mair = read_sysreg(mair_el1);

    caches_off();
    write_sysreg(ttbr1_el1, 0x123456780000);
    write_sysreg(contextidr_el1, 0xdeadbeef);
    write_sysreg(far_el1, 0xfedcba9876543210);
    write_sysreg(esr_el1, 0x96000045);
    write_sysreg(mair_el1, 0x0004440cff);
    EXPECT_EQ(read_sysreg(ttbr1_el1), 0x123456780000);
    EXPECT_EQ(read_sysreg(contextidr_el1), 0xdeadbeef);
    EXPECT_EQ(read_sysreg(far_el1), 0xfedcba9876543210);
    EXPECT_EQ(read_sysreg(esr_el1), 0x96000045);
    EXPECT_EQ(read_sysreg(mair_el1), 0x0004440cff);
    write_sysreg(ttbr1_el1, ttbr1);
    write_sysreg(contextidr_el1, id);
    write_sysreg(far_el1, far);
    write_sysreg(esr_el1, esr);
    write_sysreg(mair_el1, mair);
    caches_on();
}

TEST(code_runs_with_caches_off)
{
    for (uint64_t n = 0; n < 10; n++) {
        put_code(CODE, n);
        EXPECT_EQ(call(CODE), n);
        caches_off();
        EXPECT_EQ(call(CODE), n);
        put_code(CODE, n + 1000);
        EXPECT_EQ(call(CODE), n + 1000);
        caches_on();
        EXPECT_EQ(call(CODE), n + 1000);
    }
}

static volatile uint64_t seen;

static void call_it(uint64_t at)
{
    seen = call(at) + (mmu_is_on() ? 1 : 0);
    __asm__ volatile("dc civac, %0\n\tdsb sy" ::"r"(&seen) : "memory");
}

/* The others start with all off, and stay so. */
TEST(cpus_that_start_without_caches)
{
    for (unsigned i = 1; i < cpu_count(); i++) {
        put_code(CODE + i * PAGE, 0x100 * i);
        caches_off();
        cpu_start(i, call_it, CODE + i * PAGE);
        EXPECT(cpu_join(i));
        caches_on();
        EXPECT_EQ(seen, 0x100 * i);
    }
}

/* ---- All at once ---- */

static volatile uint64_t wrong;

static uint64_t expected(uint64_t at, uint64_t round)
{
    return (at + round) * 0x9e3779b97f4a7c15;
}

static void one_round(unsigned me, uint64_t round)
{
    uint64_t code = CODE + me * PAGE;
    unsigned end = round < 32 ? 32 * ((unsigned)round + 1) : PAGES; /* filled by and by */

    for (unsigned p = me; p < end; p += CPUS) {
        uint64_t at = REGION + p * PAGE + 8 * (round % 512);

        store(at, expected(at, round));
        wrong += load(at) != expected(at, round);
    }
    put_code(code, round + me);
    wrong += call(code) != round + me;
    if (round % 4 == me) {
        by_set_and_way(10);
    }
    if (round % 8 == me) {
        caches_off();
        bool bad = call(code) != round + me; /* nothing that others use with their caches on */
        caches_on();
        wrong += bad;
    }
}

static void rounds(uint64_t me)
{
    for (uint64_t round = 0; round < 64; round++) {
        one_round((unsigned)me, round);
    }
}

TEST(everybody_at_once)
{
    unsigned n = cpu_count() < CPUS ? cpu_count() : CPUS;

    for (unsigned i = 1; i < n; i++) {
        cpu_start(i, rounds, i);
    }
    rounds(0);
    for (unsigned i = 1; i < n; i++) {
        EXPECT(cpu_join(i));
    }
    EXPECT_EQ(wrong, 0);
    for (unsigned p = 0; p < PAGES; p++) {
        uint64_t at = REGION + p * PAGE + 8 * 63;

        EXPECT_EQ(load(at), p % CPUS < n ? expected(at, 63) : 0);
    }
}
