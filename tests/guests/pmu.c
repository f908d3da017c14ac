// SPDX-License-Identifier: Apache-2.0
// Performance monitors of a VM that has them (Arm ARM D13, PMUv3): counting, the overflow
// interrupt, EL0's part, and that none of it meets another vCPU.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/numbered.h"
#include "lib/test.h"
#include "lib/timer.h"

#define PMU_PPI 23

#define PMCR_E  (1ul << 0)
#define PMCR_P  (1ul << 1)
#define PMCR_C  (1ul << 2)
#define PMCR_LC (1ul << 6)

#define CYCLES       (1ul << 31) /* the cycle counter's bit in sets of counters */
#define EVENT_SW     0x00ul
#define EVENT_CYCLES 0x11ul
#define EXCLUDE_EL0  (1ul << 30)

DEFINE_NUMBERED(evcntr, pm, _el0)
DEFINE_NUMBERED(evtyper, pm, _el0)

static unsigned counters(void)
{
    unsigned n = read_sysreg(pmcr_el0) >> 11 & 0x1f;

    return n < 16 ? n : 16;
}

static void all_off(void)
{
    write_sysreg(pmcr_el0, PMCR_P | PMCR_C | PMCR_LC);
    write_sysreg(pmcntenclr_el0, 0xffffffff);
    write_sysreg(pmintenclr_el1, 0xffffffff);
    write_sysreg(pmovsclr_el0, 0xffffffff);
    write_sysreg(pmuserenr_el0, 0);
    write_sysreg(pmccfiltr_el0, 0);
    for (unsigned n = 0; n < counters(); n++) {
        write_evtyper(n, EVENT_SW);
    }
}

static void spin(void)
{
    for (volatile unsigned i = 0; i < 20000; i++) {
    }
}

TEST(setup)
{
    uint64_t version = read_sysreg(id_aa64dfr0_el1) >> 8 & 0xf;

    EXPECT(version >= 1 && version < 0xf);
    EXPECT(!strict() || version <= 6);
    EXPECT(counters() >= 2);
    EXPECT_EQ(read_sysreg(pmcr_el0) & PMCR_E, 0);
    EXPECT(!strict() || read_sysreg(pmcntenset_el0) == 0);
    mmu_on();
    gic_init();
    all_off();
}

TEST(cycles)
{
    uint64_t before, after;

    all_off();
    write_sysreg(pmcr_el0, PMCR_E | PMCR_LC);
    spin();
    EXPECT_EQ(read_sysreg(pmccntr_el0), 0); /* enabled alone */
    write_sysreg(pmcntenset_el0, CYCLES);
    before = read_sysreg(pmccntr_el0);
    spin();
    after = read_sysreg(pmccntr_el0);
    EXPECT(after > before);
    write_sysreg(pmcr_el0, PMCR_LC);
    before = read_sysreg(pmccntr_el0);
    spin();
    EXPECT_EQ(read_sysreg(pmccntr_el0), before);
    write_sysreg(pmccntr_el0, 0x123456789ul);
    EXPECT_EQ(read_sysreg(pmccntr_el0), 0x123456789ul);
    all_off();
    EXPECT_EQ(read_sysreg(pmccntr_el0), 0);
}

/* What is filtered out does not count, for the counter of cycles as for an event's. */
TEST(filters)
{
    all_off();
    write_sysreg(pmccfiltr_el0, 1ul << 31); /* P: not EL1 */
    write_evtyper(0, EVENT_CYCLES | 1ul << 31);
    write_evtyper(1, EVENT_CYCLES | EXCLUDE_EL0);
    write_sysreg(pmcntenset_el0, CYCLES | 3);
    write_sysreg(pmcr_el0, PMCR_E | PMCR_LC);
    spin();
    write_sysreg(pmcr_el0, PMCR_LC);
    EXPECT_EQ(read_sysreg(pmccntr_el0), 0);
    EXPECT_EQ(read_evcntr(0), 0);
    EXPECT(read_evcntr(1) > 0);
    all_off();
}

TEST(event_registers)
{
    all_off();
    for (unsigned n = 0; n < counters(); n++) {
        write_evcntr(n, 0x1000 + n);
        write_evtyper(n, EVENT_CYCLES | EXCLUDE_EL0);
        write_sysreg(pmselr_el0, n);
        EXPECT_EQ(read_sysreg(pmxevcntr_el0), 0x1000 + n);
        EXPECT_EQ(read_sysreg(pmxevtyper_el0), EVENT_CYCLES | EXCLUDE_EL0);
        EXPECT_EQ(read_evtyper(n), EVENT_CYCLES | EXCLUDE_EL0);
    }
    write_sysreg(pmcr_el0, PMCR_P);
    EXPECT_EQ(read_evcntr(0), 0);
    all_off();
}

TEST(software_increments)
{
    all_off();
    write_sysreg(pmcntenset_el0, 3);
    write_sysreg(pmcr_el0, PMCR_E);
    for (unsigned i = 0; i < 5; i++) {
        write_sysreg(pmswinc_el0, i < 2 ? 3 : 1);
    }
    EXPECT_EQ(read_evcntr(0), 5);
    EXPECT_EQ(read_evcntr(1), 2);
    write_sysreg(pmcr_el0, 0);
    write_sysreg(pmswinc_el0, 3);
    EXPECT_EQ(read_evcntr(0), 5);
    all_off();
}

/* Counter 0 is one software increment from its overflow, which interrupts. */
static void arm_overflow(void)
{
    all_off();
    write_evcntr(0, 0xffffffff);
    write_sysreg(pmcntenset_el0, 1);
    write_sysreg(pmintenset_el1, 1);
    write_sysreg(pmcr_el0, PMCR_E);
}

TEST(overflow_interrupts)
{
    gic_setup(PMU_PPI);
    for (unsigned i = 0; i < 100; i++) {
        arm_overflow();
        EXPECT(!gic_bit_read(PMU_PPI, GICD_ISPENDR));
        write_sysreg(pmswinc_el0, 1);
        EXPECT_EQ(gic_poll(), PMU_PPI);
        EXPECT_EQ(read_sysreg(pmovsset_el0), 1);
        EXPECT_EQ((uint32_t)read_evcntr(0), 0);
        write_sysreg(pmovsclr_el0, 1);
        gic_eoi(PMU_PPI);
        EXPECT(!gic_bit_read(PMU_PPI, GICD_ISPENDR));
    }
    EXPECT(!gic_irq_signalled());
    gic_teardown(PMU_PPI);
    all_off();
}

/* A level: still high at its end, it interrupts again; low before it was taken, it does not. */
TEST(overflow_is_a_level)
{
    arm_overflow();
    gic_setup(PMU_PPI);
    write_sysreg(pmswinc_el0, 1);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(gic_poll(), PMU_PPI);
        gic_eoi(PMU_PPI);
    }
    EXPECT_EQ(gic_poll(), PMU_PPI);
    write_sysreg(pmintenclr_el1, 1);
    gic_eoi(PMU_PPI);
    EXPECT(!gic_irq_signalled());
    write_sysreg(pmintenset_el1, 1);
    EXPECT_EQ(gic_poll(), PMU_PPI);
    write_sysreg(pmovsclr_el0, 1);
    gic_eoi(PMU_PPI);
    EXPECT(!gic_irq_signalled());
    gic_bit_write(PMU_PPI, GICD_ICENABLER);
    arm_overflow();
    write_sysreg(pmswinc_el0, 1);
    EXPECT(wait_for(gic_bit_read(PMU_PPI, GICD_ISPENDR), 100000));
    write_sysreg(pmovsclr_el0, 1);
    EXPECT(wait_for(!gic_bit_read(PMU_PPI, GICD_ISPENDR), 100000));
    gic_bit_write(PMU_PPI, GICD_ISENABLER);
    EXPECT(!gic_irq_signalled());
    gic_teardown(PMU_PPI);
    all_off();
}

TEST(cycle_counter_overflows)
{
    all_off();
    gic_setup(PMU_PPI);
    write_sysreg(pmcr_el0, PMCR_LC);
    write_sysreg(pmccntr_el0, -5000000ul);
    write_sysreg(pmintenset_el1, CYCLES);
    write_sysreg(pmcntenset_el0, CYCLES);
    write_sysreg(pmcr_el0, PMCR_E | PMCR_LC);
    EXPECT_EQ(gic_poll(), PMU_PPI);
    EXPECT_EQ(read_sysreg(pmovsset_el0), CYCLES);
    write_sysreg(pmovsclr_el0, CYCLES);
    gic_eoi(PMU_PPI);
    EXPECT(!gic_irq_signalled());
    gic_teardown(PMU_PPI);
    all_off();
}

/* An overflow that is pending ends a WFI, be the counters stopped meanwhile. */
TEST(overflow_ends_wfi)
{
    arm_overflow();
    gic_setup(PMU_PPI);
    for (unsigned i = 0; i < 20; i++) {
        write_evcntr(0, 0xffffffff);
        write_sysreg(pmswinc_el0, 1);
        wfi();
        EXPECT_EQ(gic_poll(), PMU_PPI);
        write_sysreg(pmovsclr_el0, 1);
        gic_eoi(PMU_PPI);
    }
    gic_teardown(PMU_PPI);
    all_off();
}

static void read_cycles(uint64_t unused)
{
    (void)unused;
    (void)read_sysreg(pmccntr_el0);
}

TEST(el0_by_pmuserenr)
{
    struct exc_info info;

    all_off();
    EXPECT(el0_exception(&info, read_cycles, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_SYSREG);
    write_sysreg(pmuserenr_el0, 1);
    delay_us(20000); /* switched out and in meanwhile */
    EXPECT(!el0_exception(&info, read_cycles, 0));
    all_off();
    EXPECT(el0_exception(&info, read_cycles, 0));
}

static void read_absent(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("mrs xzr, s3_0_c9_c9_0"); /* PMSCR_EL1 */
}

static void read_counter30(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("mrs xzr, pmevcntr30_el0");
}

TEST(absent_registers_are_undefined)
{
    struct exc_info info;

    SKIP_UNLESS(strict(), "another's promises");
    EXPECT(expect_exception(&info, read_absent, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
    EXPECT(expect_exception(&info, read_counter30, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
}

static volatile unsigned strangers;

static void fill(uint64_t pattern)
{
    for (unsigned n = 0; n < counters(); n++) {
        write_evcntr(n, pattern + n);
        write_evtyper(n, (pattern >> 8 & 0xff) | EXCLUDE_EL0);
    }
    write_sysreg(pmselr_el0, pattern >> 8 & 1);
    write_sysreg(pmccntr_el0, pattern << 8);
    write_sysreg(pmovsset_el0, pattern >> 8 & 3);
}

static unsigned changed(uint64_t pattern)
{
    unsigned count = 0;

    for (unsigned n = 0; n < counters(); n++) {
        count += read_evcntr(n) != pattern + n;
        count += read_evtyper(n) != ((pattern >> 8 & 0xff) | EXCLUDE_EL0);
    }
    count += read_sysreg(pmselr_el0) != (pattern >> 8 & 1);
    count += read_sysreg(pmccntr_el0) != pattern << 8;
    count += read_sysreg(pmovsset_el0) != (pattern >> 8 & 3);
    count += read_sysreg(pmcntenset_el0) != 0;
    return count;
}

/* At rest, where accesses trap at each turn. */
static void keep(uint64_t pattern)
{
    uint64_t until = timer_now() + timer_us(500000);

    all_off();
    fill(pattern);
    while (timer_now() < until) {
        strangers += changed(pattern);
    }
    all_off();
}

/* Live: counter 0 is this vCPU's alone to move, by increments that lose nothing. */
static void keep_counting(uint64_t pattern)
{
    uint64_t until = timer_now() + timer_us(500000);
    uint64_t count = pattern;

    all_off();
    write_evcntr(0, count);
    write_evcntr(1, pattern);
    write_sysreg(pmcntenset_el0, 1);
    write_sysreg(pmcr_el0, PMCR_E);
    while (timer_now() < until) {
        write_sysreg(pmswinc_el0, 3);
        strangers += read_evcntr(0) != ++count;
        strangers += read_evcntr(1) != pattern;
        strangers += read_sysreg(pmcntenset_el0) != 1;
        strangers += (read_sysreg(pmcr_el0) & PMCR_E) == 0;
    }
    all_off();
}

static void on_both(void (*fn)(uint64_t))
{
    uint64_t pattern = arg_u64("pattern", 0x3000);

    strangers = 0;
    EXPECT_EQ(cpu_start(1, fn, pattern + 0x800), 0);
    fn(pattern);
    EXPECT(cpu_join(1));
    EXPECT_EQ(strangers, 0);
}

TEST(registers_are_a_vcpus_own)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    on_both(keep);
}

TEST(counts_are_a_vcpus_own)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    on_both(keep_counting);
}

static volatile bool busy;

static void hog(uint64_t unused)
{
    (void)unused;
    while (busy) {
        spin();
    }
}

/* QEMU's cycles are nanoseconds. Another vCPU has half of this one's CPU at least. */
TEST(others_time_is_not_counted)
{
    uint64_t start, ticks, cycles;

    SKIP_UNLESS(arg_flag("shared"), "a CPU of its own");
    busy = true;
    EXPECT_EQ(cpu_start(1, hog, 0), 0);
    delay_us(20000);
    all_off();
    write_sysreg(pmcntenset_el0, CYCLES);
    start = timer_now();
    write_sysreg(pmcr_el0, PMCR_E | PMCR_LC);
    delay_us(400000);
    cycles = read_sysreg(pmccntr_el0);
    ticks = timer_now() - start;
    busy = false;
    EXPECT(cpu_join(1));
    EXPECT(cycles > 0);
    EXPECT(cycles < ticks * (1000000000 / read_sysreg(cntfrq_el0)) * 8 / 10);
    all_off();
}
