// SPDX-License-Identifier: Apache-2.0
// Self-hosted debug: breakpoints, watchpoints and single step of this vCPU's own, not of another's
// that shares its CPU.
#include "lib/cpu.h"
#include "lib/mmu.h"
#include "lib/test.h"
#include "lib/timer.h"

#define MDSCR_KDE (1ul << 13)
#define MDSCR_MDE (1ul << 15)

#define BCR_EL1 0x1e3ul /* all bytes, EL1 alone, enabled */
#define BCR_EL0 0x1e5ul
#define WCR_EL1 0x1ffbul /* all bytes, load and store, EL1 alone, enabled */

static volatile uint64_t watched[2] __attribute__((aligned(16)));

__attribute__((noinline)) static void stop_here(uint64_t arg)
{
    __asm__ volatile("nop" ::"r"(arg));
}

static void touch(uint64_t arg)
{
    watched[arg] = watched[arg] + 1;
}

static void debug_exceptions(bool on)
{
    write_sysreg(mdscr_el1, on ? MDSCR_KDE | MDSCR_MDE : 0);
    if (on) {
        __asm__ volatile("msr daifclr, #8\n\tisb" ::: "memory");
    } else {
        __asm__ volatile("msr daifset, #8\n\tisb" ::: "memory");
    }
}

static unsigned breakpoints(void)
{
    return (read_sysreg(id_aa64dfr0_el1) >> 12 & 0xf) + 1;
}

TEST(setup)
{
    mmu_on();
    write_sysreg(oslar_el1, 0);
    EXPECT_EQ(read_sysreg(oslsr_el1), 8);
}

TEST(registers_keep_what_is_written)
{
    EXPECT(breakpoints() >= 2);
    write_sysreg(dbgbvr0_el1, 0x123450);
    write_sysreg(dbgbvr1_el1, 0x543210);
    write_sysreg(dbgwvr0_el1, 0x777770);
    write_sysreg(dbgwcr0_el1, 0xff8);
    EXPECT_EQ(read_sysreg(dbgbvr0_el1), 0x123450);
    EXPECT_EQ(read_sysreg(dbgbvr1_el1), 0x543210);
    EXPECT_EQ(read_sysreg(dbgwvr0_el1), 0x777770);
    EXPECT_EQ(read_sysreg(dbgwcr0_el1), 0xff8);
}

TEST(os_lock)
{
    write_sysreg(oslar_el1, 1);
    EXPECT_EQ(read_sysreg(oslsr_el1), 10);
    write_sysreg(oslar_el1, 0);
    EXPECT_EQ(read_sysreg(oslsr_el1), 8);
    write_sysreg(osdlr_el1, 1);
    EXPECT_EQ(read_sysreg(osdlr_el1), 0);
}

static void check_breakpoint(void)
{
    struct exc_info info;

    write_sysreg(dbgbvr0_el1, (uint64_t)stop_here);
    write_sysreg(dbgbcr0_el1, BCR_EL1);
    debug_exceptions(true);
    bool hit = expect_exception(&info, stop_here, 0);
    debug_exceptions(false);
    EXPECT(hit);
    EXPECT_EQ(ESR_EC(info.esr), EC_BREAKPOINT_CUR);
    EXPECT_EQ(info.elr, (uint64_t)stop_here);
    EXPECT(!expect_exception(&info, stop_here, 0));
}

TEST(breakpoint)
{
    check_breakpoint();
    write_sysreg(dbgbcr0_el1, 0);
    debug_exceptions(true);
    stop_here(0);
    debug_exceptions(false);
}

TEST(breakpoint_for_el0_alone)
{
    write_sysreg(dbgbvr0_el1, (uint64_t)stop_here);
    write_sysreg(dbgbcr0_el1, BCR_EL0);
    debug_exceptions(true);
    stop_here(0);
    debug_exceptions(false);
    write_sysreg(dbgbcr0_el1, 0);
}

TEST(no_breakpoint_under_the_os_lock)
{
    write_sysreg(dbgbvr0_el1, (uint64_t)stop_here);
    write_sysreg(dbgbcr0_el1, BCR_EL1);
    write_sysreg(oslar_el1, 1);
    debug_exceptions(true);
    stop_here(0);
    debug_exceptions(false);
    write_sysreg(oslar_el1, 0);
    write_sysreg(dbgbcr0_el1, 0);
}

TEST(watchpoint)
{
    struct exc_info info;

    write_sysreg(dbgwvr0_el1, (uint64_t)&watched[1]);
    write_sysreg(dbgwcr0_el1, WCR_EL1);
    debug_exceptions(true);
    touch(0);
    bool hit = expect_exception(&info, touch, 1);
    debug_exceptions(false);
    write_sysreg(dbgwcr0_el1, 0);
    EXPECT(hit);
    EXPECT_EQ(ESR_EC(info.esr), EC_WATCHPOINT_CUR);
    EXPECT_EQ(info.far, (uint64_t)&watched[1]);
}

/* Kept over the time that another vCPU, with breakpoints of its own, has the CPU. */
TEST(breakpoints_over_a_switch)
{
    struct exc_info info;

    write_sysreg(dbgbvr0_el1, (uint64_t)stop_here);
    write_sysreg(dbgbcr0_el1, BCR_EL1);
    debug_exceptions(true);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t until = timer_now() + timer_us(4000);

        while (timer_now() < until) {
        }
        if (!expect_exception(&info, stop_here, 0) || ESR_EC(info.esr) != EC_BREAKPOINT_CUR) {
            test_fail(__FILE_NAME__, __LINE__, "round %u: not hit", i);
            break;
        }
        __asm__ volatile("msr daifclr, #8\n\tisb" ::: "memory");
    }
    debug_exceptions(false);
    write_sysreg(dbgbcr0_el1, 0);
}

/* The other VM has its breakpoint where this one executes all the time: never hit here. */
TEST(no_breakpoint_of_another)
{
    uint64_t until = timer_now() + timer_us(200000);

    debug_exceptions(true);
    while (timer_now() < until) {
        stop_here(0);
    }
    debug_exceptions(false);
}

/* debug_asm.S: one instruction is stepped over, an HVC or a trapped read among them. */
uint64_t step_over_nop(void);
uint64_t step_over_trap(void);
uint64_t step_over_hvc(void);

static void step(uint64_t fn)
{
    ((uint64_t(*)(void))fn)();
}

static void check_step(uint64_t (*fn)(void))
{
    struct exc_info info;

    EXPECT(expect_exception(&info, step, (uint64_t)fn));
    write_sysreg(mdscr_el1, 0);
    EXPECT_EQ(ESR_EC(info.esr), EC_STEP_CUR);
    EXPECT_EQ(info.elr, read_sysreg(tpidr_el0)); /* where it must stop */
}

TEST(single_step)
{
    check_step(step_over_nop);
    check_step(step_over_trap);
    check_step(step_over_hvc);
}
