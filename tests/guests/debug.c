// SPDX-License-Identifier: Apache-2.0
// Self-hosted debug of a VM (Arm ARM D2): breakpoints, watchpoints, single step, the OS lock, and
// that none of it meets another vCPU.
#include "lib/mmu.h"
#include "lib/numbered.h"
#include "lib/test.h"
#include "lib/timer.h"

#define MDSCR_SS   (1ul << 0)
#define MDSCR_TDCC (1ul << 12)
#define MDSCR_KDE  (1ul << 13)
#define MDSCR_MDE  (1ul << 15)

#define POINTS    16
#define BCR_EL1   0x1e3ul  /* E, EL1, all four bytes */
#define BCR_EL0   0x1e5ul  /* E, EL0 */
#define WCR_WRITE 0x1ff3ul /* E, EL1, stores, all eight bytes */

void step_plain(void), step_idreg(void), step_hvc(void), break_here(void);
void step_at(uint64_t code), unmasked_call(uint64_t fn), unmasked_store(uint64_t address);
extern char the_store[];

DEFINE_NUMBERED(bvr, dbg, _el1)
DEFINE_NUMBERED(bcr, dbg, _el1)
DEFINE_NUMBERED(wvr, dbg, _el1)
DEFINE_NUMBERED(wcr, dbg, _el1)

static unsigned breakpoints(void)
{
    return (read_sysreg(id_aa64dfr0_el1) >> 12 & 0xf) + 1;
}

static unsigned watchpoints(void)
{
    return (read_sysreg(id_aa64dfr0_el1) >> 20 & 0xf) + 1;
}

static void all_off(void)
{
    write_sysreg(mdscr_el1, 0);
    write_sysreg(oslar_el1, 0);
    for (unsigned n = 0; n < breakpoints(); n++) {
        write_bcr(n, 0);
        write_bvr(n, 0);
    }
    for (unsigned n = 0; n < watchpoints(); n++) {
        write_wcr(n, 0);
        write_wvr(n, 0);
    }
}

TEST(setup)
{
    EXPECT_EQ(read_sysreg(mdscr_el1), 0);
    EXPECT_EQ(read_sysreg(oslsr_el1), 0xa); /* a cold reset locks */
    mmu_on();
    all_off();
    EXPECT_EQ(read_sysreg(oslsr_el1), 0x8);
    EXPECT(breakpoints() >= 2 && watchpoints() >= 2);
}

TEST(breakpoints_fire)
{
    struct exc_info info;

    for (unsigned n = 0; n < breakpoints(); n++) {
        all_off();
        write_sysreg(mdscr_el1, MDSCR_KDE | MDSCR_MDE);
        write_bvr(n, (uint64_t)break_here);
        EXPECT(!expect_exception(&info, unmasked_call, (uint64_t)break_here));
        write_bcr(n, BCR_EL1);
        EXPECT(expect_exception(&info, unmasked_call, (uint64_t)break_here));
        EXPECT_EQ(ESR_EC(info.esr), EC_BREAKPOINT_CUR);
        EXPECT_EQ(info.elr, break_here);
        write_bcr(n, BCR_EL1 & ~1ul);
        EXPECT(!expect_exception(&info, unmasked_call, (uint64_t)break_here));
    }
    all_off();
}

/* Programmed first, enabled by MDE, KDE and the OS lock afterwards. */
TEST(breakpoints_wait_for_mdscr)
{
    struct exc_info info;

    all_off();
    write_bvr(1, (uint64_t)break_here);
    write_bcr(1, BCR_EL1);
    EXPECT(!expect_exception(&info, unmasked_call, (uint64_t)break_here));
    write_sysreg(mdscr_el1, MDSCR_MDE);
    EXPECT(!expect_exception(&info, unmasked_call, (uint64_t)break_here));
    write_sysreg(mdscr_el1, MDSCR_MDE | MDSCR_KDE);
    EXPECT(expect_exception(&info, unmasked_call, (uint64_t)break_here));
    write_sysreg(oslar_el1, 1);
    /* QEMU itself does not mind the lock. */
    EXPECT(!strict() || !expect_exception(&info, unmasked_call, (uint64_t)break_here));
    write_sysreg(oslar_el1, 0);
    EXPECT(expect_exception(&info, unmasked_call, (uint64_t)break_here));
    write_sysreg(mdscr_el1, 0);
    EXPECT(!expect_exception(&info, unmasked_call, (uint64_t)break_here));
    all_off();
}

TEST(watchpoints_fire)
{
    static uint64_t watched[2];
    struct exc_info info;

    for (unsigned n = 0; n < watchpoints(); n++) {
        all_off();
        write_sysreg(mdscr_el1, MDSCR_KDE | MDSCR_MDE);
        write_wvr(n, (uint64_t)&watched[0]);
        write_wcr(n, WCR_WRITE);
        watched[0] = n + 1; /* masked by PSTATE.D */
        EXPECT(!expect_exception(&info, unmasked_store, (uint64_t)&watched[1]));
        EXPECT(expect_exception(&info, unmasked_store, (uint64_t)&watched[0]));
        EXPECT_EQ(ESR_EC(info.esr), EC_WATCHPOINT_CUR);
        EXPECT_EQ(info.far, &watched[0]);
        EXPECT_EQ(info.elr, the_store);
        EXPECT_EQ(watched[0], n + 1);
    }
    all_off();
}

/* A step ends after one instruction, be it one that Newel executes for the guest. */
TEST(single_step)
{
    static void (*const code[])(void) = {step_plain, step_idreg, step_hvc};
    struct exc_info info;

    all_off();
    write_sysreg(mdscr_el1, MDSCR_SS | MDSCR_KDE);
    for (unsigned i = 0; i < 3; i++) {
        SKIP_UNLESS(i < 2 || strict(), "no HVC");
        EXPECT(expect_exception(&info, step_at, (uint64_t)code[i]));
        EXPECT_EQ(ESR_EC(info.esr), EC_STEP_CUR);
        EXPECT_EQ(info.elr, (uint64_t)code[i] + 4);
        EXPECT_EQ(info.spsr >> 21 & 1, 0);
    }
    all_off();
}

static void call_el0(uint64_t fn)
{
    ((void (*)(void))fn)();
}

/* Debug exceptions of EL0 that go to EL1 are never masked by PSTATE.D, nor held back by KDE. */
TEST(breakpoint_at_el0)
{
    struct exc_info info;

    all_off();
    write_bvr(0, (uint64_t)break_here);
    write_bcr(0, BCR_EL0);
    write_sysreg(mdscr_el1, MDSCR_MDE);
    EXPECT(!expect_exception(&info, unmasked_call, (uint64_t)break_here));
    EXPECT(el0_exception(&info, call_el0, (uint64_t)break_here));
    EXPECT_EQ(ESR_EC(info.esr), EC_BREAKPOINT_CUR - 1);
    EXPECT_EQ(info.elr, break_here);
    EXPECT_EQ(info.vector, 8);
    all_off();
}

TEST(no_double_lock)
{
    write_sysreg(osdlr_el1, 1);
    EXPECT(!strict() || read_sysreg(osdlr_el1) == 0);
    write_sysreg(osdlr_el1, 0);
}

static void read_bvr15(uint64_t unused)
{
    (void)unused;
    read_bvr(15);
}

static void write_wcr15(uint64_t unused)
{
    (void)unused;
    write_wcr(15, 1);
}

TEST(absent_points_are_undefined)
{
    struct exc_info info;

    SKIP_UNLESS(breakpoints() < POINTS && watchpoints() < POINTS, "all sixteen are there");
    EXPECT(expect_exception(&info, read_bvr15, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
    EXPECT(expect_exception(&info, write_wcr15, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
}

static void read_channel(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("mrs xzr, mdccsr_el0");
}

/* MDSCR_EL1.TDCC sends EL0's look at the channel to EL1 (QEMU before 10 did not). */
TEST(tdcc)
{
    struct exc_info info;

    all_off();
    EXPECT(!el0_exception(&info, read_channel, 0));
    write_sysreg(mdscr_el1, MDSCR_TDCC);
    EXPECT_EQ(read_sysreg(mdscr_el1), MDSCR_TDCC);
    EXPECT(el0_exception(&info, read_channel, 0));
    EXPECT_EQ(info.esr, 0x6220c3e3);
    EXPECT(!expect_exception(&info, read_channel, 0));
    all_off();
}

static volatile unsigned strangers;

/* Addresses by the pattern, control registers (LBN) too; all of them are off. */
static void fill(uint64_t pattern)
{
    for (unsigned n = 0; n < breakpoints(); n++) {
        write_bvr(n, pattern + 8 * n);
        write_bcr(n, (pattern >> 11 & 0xf) << 16);
    }
    for (unsigned n = 1; n < watchpoints(); n++) {
        write_wvr(n, pattern + 8 * n);
        write_wcr(n, (pattern >> 11 & 0xf) << 16);
    }
}

static unsigned changed(uint64_t pattern)
{
    unsigned count = 0;

    for (unsigned n = 0; n < breakpoints(); n++) {
        count += read_bvr(n) != pattern + 8 * n || read_bcr(n) != (pattern >> 11 & 0xf) << 16;
    }
    for (unsigned n = 1; n < watchpoints(); n++) {
        count += read_wvr(n) != pattern + 8 * n || read_wcr(n) != (pattern >> 11 & 0xf) << 16;
    }
    return count;
}

/* Registers stay this vCPU's while others use theirs, and only its own points fire. */
static void keep(uint64_t pattern)
{
    uint64_t mine[2] = {0};
    struct exc_info info;
    uint64_t until = read_sysreg(cntvct_el0) + read_sysreg(cntfrq_el0) / 2;

    all_off();
    fill(pattern);
    write_wvr(0, (uint64_t)&mine[0]);
    write_wcr(0, WCR_WRITE);
    write_sysreg(mdscr_el1, MDSCR_KDE | MDSCR_MDE);
    while (read_sysreg(cntvct_el0) < until) {
        strangers += changed(pattern);
        strangers += expect_exception(&info, unmasked_store, (uint64_t)&mine[1]);
        strangers += !expect_exception(&info, unmasked_store, (uint64_t)&mine[0]);
        strangers += info.far != (uint64_t)&mine[0];
        strangers += read_sysreg(mdscr_el1) != (MDSCR_KDE | MDSCR_MDE);
    }
    all_off();
}

TEST(registers_are_a_vcpus_own)
{
    uint64_t pattern = arg_u64("pattern", 0x3000);

    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    strangers = 0;
    EXPECT_EQ(cpu_start(1, keep, pattern + 0x800), 0);
    keep(pattern);
    EXPECT(cpu_join(1));
    EXPECT_EQ(strangers, 0);
}
