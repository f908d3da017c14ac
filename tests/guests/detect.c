// SPDX-License-Identifier: Apache-2.0
// newel-detect without an operating system, at EL1 and EL0: a hundred times in quiet, under a timer
// of 10 kHz and beside a CPU that hammers memory, with never a wrong verdict. The boot argument
// expect=present, absent says which is right; without it, whatever the first run said is. With
// detect_shim.S beneath (argument shim), which register is trapped by which control of EL2.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#include "report.h"

#define RUNS    100
#define ROUNDS  16
#define PATTERN 0x5aa55aa5c33cc33cu

#define SCTLR_DZE   (1ul << 14)
#define SCTLR_UCT   (1ul << 15)
#define SCTLR_TRAPS (SCTLR_DZE | SCTLR_UCT)
#define CNTKCTL_EL0 0x303ul /* counters and timers */

/* At EL0, everything it touches has to be there; at EL1 the same serves. */
USER_DATA static struct newel_detect_cell cell;
USER_DATA static struct newel_detect result;
USER_DATA static bool legal[NEWEL_DETECT_ROWS_];
USER_DATA static newel_detect_try *asked;
USER_DATA static unsigned level;

static struct detect_signs signs;
static enum newel_detect_verdict right;

static void write_out(const char *text)
{
    print("%s", text);
}

/* ---- one run ---- */

static void attempt(uint64_t unused)
{
    (void)unused;
    (void)asked(&cell, NEWEL_DETECT_X);
}

static bool works(newel_detect_try *try_, struct newel_detect_cell *unused)
{
    struct exc_info info;

    (void)unused;
    asked = try_;
    return !expect_exception(&info, attempt, 0);
}

/* At EL0 there is nobody to ask. */
static bool is_legal(newel_detect_try *try_, struct newel_detect_cell *unused)
{
    (void)unused;
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        if (newel_detect_try_of(row) == try_) {
            return legal[row];
        }
    }
    return false;
}

static void run_el0(uint64_t unused)
{
    (void)unused;
    newel_detect_run(&result, &cell, 0, ROUNDS, is_legal);
}

static void run_once(void)
{
    struct exc_info info;

    memset(&result, 0, sizeof(result));
    cell.word = PATTERN;
    if (level == 1) {
        newel_detect_run(&result, &cell, 1, ROUNDS, works);
    } else if (el0_exception(&info, run_el0, 0)) {
        test_fail(__FILE_NAME__, __LINE__, "EL0: ESR 0x%lx ELR 0x%lx", info.esr, info.elr);
    }
}

/* Every form of exclusives says the same, and none has changed the cell. */
static void check_run(void)
{
    EXPECT_EQ(cell.word, PATTERN);
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        const uint32_t *stores = result.row[row].stores;

        if (newel_detect_state(&result, row) != NEWEL_DETECT_UNTRAPPED) {
            continue;
        }
        for (unsigned form = 0; form < NEWEL_DETECT_FORMS; form++) {
            if (stores[form] == 0) {
                test_fail(__FILE_NAME__, __LINE__, "%s: form %u never stores",
                          newel_detect_info(row)->name, form);
            }
        }
    }
}

static void report(bool json)
{
    uint64_t ticks[NEWEL_DETECT_ROWS_ + 1] = {0};

    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        if (level == 1 && result.row[row].tries != 0) {
            ticks[row] = newel_detect_ticks(&cell, row);
        }
    }
    ticks[NEWEL_DETECT_ROWS_] = newel_detect_ticks(&cell, NEWEL_DETECT_ROWS_);
    detect_report(&result, ticks, &signs, json, write_out);
}

static void run_many(void)
{
    for (unsigned run = 0; run < RUNS; run++) {
        run_once();
        check_run();
        if (newel_detect_verdict(&result) != right) {
            test_fail(__FILE_NAME__, __LINE__, "run %u: verdict %u, not %u", run,
                      newel_detect_verdict(&result), right);
            report(false);
            return;
        }
    }
}

/* ---- what the machine says of itself ---- */

struct call {
    uint32_t function, *answer;
};

static void make_call(uint64_t arg)
{
    const struct call *call = (const struct call *)arg;
    register uint64_t x0 __asm__("x0") = call->function;
    register uint64_t x1 __asm__("x1") = 0;
    register uint64_t x2 __asm__("x2") = 0;
    register uint64_t x3 __asm__("x3") = 0;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    call->answer[0] = (uint32_t)x0;
    call->answer[1] = (uint32_t)x1;
    call->answer[2] = (uint32_t)x2;
    call->answer[3] = (uint32_t)x3;
}

static bool by_hvc(uint32_t function, uint32_t answer[4])
{
    struct call call = {function, answer};
    struct exc_info info;

    return !expect_exception(&info, make_call, (uint64_t)&call);
}

static void read_signs(void)
{
    detect_ask_uid(signs.smccc, sizeof(signs.smccc), by_hvc);
    detect_copy(signs.device_tree, sizeof(signs.device_tree), machine.hypervisor,
                strlen(machine.hypervisor));
}

TEST(report)
{
    char expected[16] = "";

    mmu_on();
    gic_init();
    read_signs();
    level = 1;
    run_once();
    check_run();
    report(true);
    report(false);
    right = newel_detect_verdict(&result);
    if (arg_text("expect", expected, sizeof(expected))) {
        right = expected[0] == 'p' ? NEWEL_DETECT_PRESENT : NEWEL_DETECT_ABSENT;
    }
    EXPECT_EQ(newel_detect_verdict(&result), right);
    EXPECT(right != NEWEL_DETECT_INCONCLUSIVE);
}

TEST(hundred_runs)
{
    run_many();
}

/* ---- disturbance ---- */

static unsigned ticks_taken;

static void tick(void)
{
    unsigned intid = gic_ack();

    ticks_taken++;
    write_sysreg(cntv_tval_el0, timer_us(100));
    write_sysreg(cntv_ctl_el0, TIMER_ENABLE); /* Xen masks a timer that has fired */
    gic_eoi(intid);
}

TEST(hundred_runs_under_a_timer)
{
    ticks_taken = 0;
    gic_setup(TIMER_VIRT_PPI);
    exc_set_irq(tick);
    write_sysreg(cntv_tval_el0, timer_us(100));
    write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
    irq_enable();
    run_many();
    irq_disable();
    write_sysreg(cntv_ctl_el0, 0);
    exc_set_irq(NULL);
    gic_teardown(TIMER_VIRT_PPI);
    EXPECT(ticks_taken >= 10);
}

static volatile bool hammering;
static uint64_t anvil[4096];

static void hammer(uint64_t unused)
{
    (void)unused;
    while (hammering) {
        for (unsigned i = 0; i < sizeof(anvil) / sizeof(anvil[0]); i += 8) {
            __atomic_fetch_add(&anvil[i], 1, __ATOMIC_SEQ_CST);
        }
    }
}

TEST(hundred_runs_beside_a_hammer)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    hammering = true;
    EXPECT_EQ(cpu_start(1, hammer, 0), 0);
    EXPECT(wait_for(__atomic_load_n(&anvil[0], __ATOMIC_RELAXED) != 0, 1000000));
    run_many();
    hammering = false;
    EXPECT(cpu_join(1));
}

/* ---- EL0 ---- */

static void el0_begin(uint64_t sctlr)
{
    struct exc_info info;

    write_sysreg(cntkctl_el1, CNTKCTL_EL0);
    write_sysreg(sctlr_el1, (read_sysreg(sctlr_el1) & ~SCTLR_TRAPS) | sctlr);
    level = 0;
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        asked = newel_detect_try_of(row);
        legal[row] =
            newel_detect_info(row)->flags & NEWEL_DETECT_EL0 && !el0_exception(&info, attempt, 0);
    }
}

static void el0_end(void)
{
    level = 1;
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) & ~SCTLR_TRAPS);
    write_sysreg(cntkctl_el1, 0);
}

TEST(hundred_runs_at_el0)
{
    el0_begin(SCTLR_TRAPS);
    run_once();
    report(true);
    run_many();
    el0_end();
}

/* EL1 traps CTR_EL0 and DCZID_EL0 and goes on behind them, as systems do that emulate them. Where
 * nothing else traps, what may be the operating system's own is not counted. */
TEST(an_emulating_system_does_not_count)
{
    enum newel_detect_state state;

    SKIP_UNLESS(right == NEWEL_DETECT_ABSENT, "there is a hypervisor");
    el0_begin(SCTLR_DZE);
    legal[NEWEL_DETECT_ctr_el0] = true;
    exc_skip_mode(true);
    run_once();
    exc_skip_mode(false);
    el0_end();
    state = newel_detect_state(&result, NEWEL_DETECT_ctr_el0);
    EXPECT_EQ(state, NEWEL_DETECT_TRAPPED);
    EXPECT_EQ(newel_detect_verdict(&result), NEWEL_DETECT_ABSENT);
}

/* ---- which control traps which register ---- */

struct controls {
    uint64_t hcr, mdcr, cnthctl, cptr, ich;
};

/* Nothing traps. */
static const struct controls quiet = {
    .hcr = 3ul << 40, /* APK, API */
    .cnthctl = 3,     /* EL1PCTEN, EL1PCEN */
    .cptr = 0x32ff,
};

static void set_controls(const struct controls *c, uint64_t counters)
{
    register uint64_t x0 __asm__("x0") = c->hcr;
    register uint64_t x1 __asm__("x1") = c->mdcr | counters;
    register uint64_t x2 __asm__("x2") = c->cnthctl;
    register uint64_t x3 __asm__("x3") = c->cptr;
    register uint64_t x4 __asm__("x4") = c->ich;

    __asm__ volatile("hvc #1" ::"r"(x0), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
}

#define ROW(name) (1ul << NEWEL_DETECT_##name)

/* Arm ARM D19: HCR_EL2, MDCR_EL2, CNTHCTL_EL2, CPTR_EL2; IHI 0069: ICH_HCR_EL2. What is switched.
 * MDCR_EL2.TPMCR is not here: QEMU 10.0.2 does not know it. */
static const struct truth {
    const char *control;
    struct controls flip;
    uint64_t rows;
} truths[] = {
    {"none", {0}, 0},
    {"HCR_EL2.TID1", {.hcr = 1ul << 16}, ROW(revidr_el1) | ROW(aidr_el1)},
    {"HCR_EL2.TID2", {.hcr = 1ul << 17}, ROW(ctr_el0) | ROW(clidr_el1) | ROW(csselr_el1)},
    {"HCR_EL2.TID3",
     {.hcr = 1ul << 18},
     ROW(id_aa64pfr0_el1) | ROW(id_aa64isar0_el1) | ROW(id_aa64mmfr0_el1)},
    {"HCR_EL2.TIDCP", {.hcr = 1ul << 20}, 0},
    {"HCR_EL2.TACR", {.hcr = 1ul << 21}, ROW(actlr_el1)},
    {"HCR_EL2.TSW", {.hcr = 1ul << 22}, 0},
    {"HCR_EL2.TVM", {.hcr = 1ul << 26}, 0},
    {"HCR_EL2.TRVM", {.hcr = 1ul << 30}, ROW(sctlr_el1)},
    {"HCR_EL2.TLOR", {.hcr = 1ul << 35}, ROW(lorc_el1)},
    {"HCR_EL2.TERR", {.hcr = 1ul << 36}, ROW(erridr_el1)},
    {"HCR_EL2.APK", {.hcr = 1ul << 40}, ROW(apiakeylo_el1)},
    {"MDCR_EL2.TPM", {.mdcr = 1ul << 6}, ROW(pmcr_el0) | ROW(pmccntr_el0)},
    {"MDCR_EL2.TDA", {.mdcr = 1ul << 9}, ROW(mdscr_el1) | ROW(dbgbcr0_el1) | ROW(mdccsr_el0)},
    {"MDCR_EL2.TDOSA", {.mdcr = 1ul << 10}, ROW(oslsr_el1)},
    {"MDCR_EL2.TDRA", {.mdcr = 1ul << 11}, ROW(mdrar_el1)},
    {"CNTHCTL_EL2.EL1PCTEN", {.cnthctl = 1}, ROW(cntpct_el0)},
    {"CNTHCTL_EL2.EL1PCEN", {.cnthctl = 2}, ROW(cntp_ctl_el0)},
    {"CPTR_EL2.TZ", {.cptr = 1ul << 8}, ROW(zcr_el1)},
    {"CPTR_EL2.TFP", {.cptr = 1ul << 10}, ROW(fpcr)},
    {"CPTR_EL2.TCPAC", {.cptr = 1ul << 31}, ROW(cpacr_el1)},
    {"ICH_HCR_EL2.TC", {.ich = 1ul << 10}, ROW(icc_ctlr_el1)},
};

static void check_truth(const struct truth *t, uint64_t counters)
{
    struct controls c = {quiet.hcr ^ t->flip.hcr, quiet.mdcr ^ t->flip.mdcr,
                         quiet.cnthctl ^ t->flip.cnthctl, quiet.cptr ^ t->flip.cptr,
                         quiet.ich ^ t->flip.ich};
    uint64_t trapped = 0, there = 0;

    set_controls(&c, counters);
    run_once();
    set_controls(&quiet, counters);
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        enum newel_detect_state state = newel_detect_state(&result, row);

        there |= (uint64_t)(state != NEWEL_DETECT_FAULTS) << row;
        trapped |= (uint64_t)(state == NEWEL_DETECT_TRAPPED) << row;
    }
    if (trapped != (t->rows & there)) {
        test_fail(__FILE_NAME__, __LINE__, "%s: traps rows 0x%lx, not 0x%lx", t->control, trapped,
                  t->rows & there);
    }
    if ((newel_detect_verdict(&result) == NEWEL_DETECT_PRESENT) != ((t->rows & there) != 0)) {
        test_fail(__FILE_NAME__, __LINE__, "%s: verdict %u", t->control,
                  newel_detect_verdict(&result));
    }
}

TEST(truth_table)
{
    uint64_t version = read_sysreg(id_aa64dfr0_el1) >> 8 & 0xf;
    uint64_t counters = 0; /* MDCR_EL2.HPMN: all of them are EL1's */

    SKIP_UNLESS(arg_flag("shim"), "the controls are another's");
    if (version != 0 && version != 0xf) {
        counters = read_sysreg(pmcr_el0) >> 11 & 0x1f;
    }
    level = 1;
    for (unsigned i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
        check_truth(&truths[i], counters);
    }
}
