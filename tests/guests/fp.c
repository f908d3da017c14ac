// SPDX-License-Identifier: Apache-2.0
// FP/SIMD, SVE, pointer-authentication keys and EL1's system registers belong to each vCPU alone:
// every CPU of every VM that runs this payload fills them with its own `pattern=` and checks them
// across whatever switches it.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

/* fp_asm.S */
void fp_fill(uint64_t seed);
uint64_t fp_check(uint64_t seed); /* 0, or 1 + the first register that differs */
void sve_fill(uint64_t seed);
uint64_t sve_check(uint64_t seed);
uint64_t sve_check_above(void); /* is there anything beyond bit 127? */
void sys_fill(uint64_t seed);
uint64_t sys_check(uint64_t seed);

static volatile uint64_t failures[CPU_MAX];
static volatile unsigned rounds_done[CPU_MAX];

static uint64_t seed_of(unsigned cpu)
{
    return arg_u64("pattern", 0x1111) * 1000 + cpu * 77;
}

/* Ways to be away from the CPU for a while. */
static void go_away(unsigned how)
{
    switch (how % 4) {
    case 0:
        psci_call(PSCI_VERSION, 0, 0, 0);
        break;
    case 1:
        mmio_read32(machine.gicd + GICD_TYPER);
        break;
    case 2:
        write_sysreg(cntv_cval_el0, timer_now() + timer_us(500));
        write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
        wfi();
        write_sysreg(cntv_ctl_el0, 0);
        break;
    default:
        delay_us(300);
    }
}

struct bank {
    void (*fill)(uint64_t);
    uint64_t (*check)(uint64_t);
};

static void churn(uint64_t bank_addr)
{
    const struct bank *bank = (const struct bank *)bank_addr;
    unsigned self = cpu_index();
    uint64_t rounds = arg_u64("rounds", 200);

    gic_init();
    gic_setup(TIMER_VIRT_PPI);
    failures[self] = 0;
    rounds_done[self] = 0;
    for (unsigned i = 0; i < rounds && !failures[self]; i++) {
        bank->fill(seed_of(self) + i);
        go_away(i);
        failures[self] = bank->check(seed_of(self) + i);
        rounds_done[self] = i + 1;
    }
    gic_teardown(TIMER_VIRT_PPI);
}

static void churn_everywhere(const struct bank *bank)
{
    unsigned cpus = cpu_count();

    for (unsigned i = 1; i < cpus; i++) {
        EXPECT_EQ(cpu_start(i, churn, (uint64_t)bank), 0);
    }
    churn((uint64_t)bank);
    for (unsigned i = 1; i < cpus; i++) {
        EXPECT(wait_for(rounds_done[i] == arg_u64("rounds", 200) || failures[i], 20000000));
        EXPECT(cpu_join(i));
    }
    for (unsigned i = 0; i < cpus; i++) {
        EXPECT_EQ(failures[i], 0);
        EXPECT_EQ(rounds_done[i], arg_u64("rounds", 200));
    }
}

TEST(setup)
{
    mmu_on();
    gic_init();
}

TEST(registers_begin_clean)
{
    SKIP_UNLESS(strict(), "a bare CPU begins as it likes");
    EXPECT_EQ(fp_check(0), 0);
}

TEST(simd)
{
    static const struct bank bank = {fp_fill, fp_check};

    churn_everywhere(&bank);
}

static bool has_sve(void)
{
    return read_sysreg(id_aa64pfr0_el1) >> 32 & 0xf;
}

/* Every CPU has its own vector length, so that ZCR_EL1 (s3_0_c1_c2_0) is seen to be its own. */
static unsigned zcr_of(uint64_t seed)
{
    return 15 - seed / 77 % 3;
}

static void sve_fill_enabled(uint64_t seed)
{
    write_sysreg(cpacr_el1, 3ul << 20 | 3ul << 16);
    isb();
    write_sysreg(s3_0_c1_c2_0, zcr_of(seed));
    isb();
    sve_fill(seed);
}

static uint64_t sve_check_all(uint64_t seed)
{
    return read_sysreg(s3_0_c1_c2_0) == zcr_of(seed) ? sve_check(seed) : 1000;
}

static void simd_fill_enabled(uint64_t seed)
{
    write_sysreg(cpacr_el1, 3ul << 20 | 3ul << 16);
    isb();
    fp_fill(seed);
}

/* A write of d<n> clears the rest of z<n>, and whoever was here between leaves nothing there. */
static uint64_t simd_check_as_sve(uint64_t seed)
{
    uint64_t wrong;

    write_sysreg(s3_0_c1_c2_0, 15);
    isb();
    wrong = sve_check_above();
    return wrong ? wrong : fp_check(seed);
}

TEST(sve)
{
    static const struct bank bank = {sve_fill_enabled, sve_check_all};

    SKIP_UNLESS(has_sve(), "no SVE");
    churn_everywhere(&bank);
    write_sysreg(cpacr_el1, 3ul << 20);
}

TEST(simd_seen_as_sve)
{
    static const struct bank bank = {simd_fill_enabled, simd_check_as_sve};

    SKIP_UNLESS(has_sve(), "no SVE");
    churn_everywhere(&bank);
    write_sysreg(cpacr_el1, 3ul << 20);
}

TEST(sve_as_the_id_registers_say)
{
    SKIP_UNLESS(strict() && arg_flag("sve=off"), "not asked for");
    EXPECT(!has_sve());
    EXPECT_EQ(read_sysreg(s3_0_c0_c4_4), 0); /* ID_AA64ZFR0_EL1 */
}

TEST(system_registers)
{
    static const struct bank bank = {sys_fill, sys_check};

    churn_everywhere(&bank);
}

static bool has_pauth(void)
{
    return read_sysreg(id_aa64isar1_el1) & 0xff0;
}

#define KEY(n) "s3_0_c2_c" #n
#define FOR_KEYS(op)                                                                        \
    op(1_0, 0) op(1_1, 1) op(1_2, 2) op(1_3, 3) op(2_0, 4) op(2_1, 5) op(2_2, 6) op(2_3, 7) \
        op(3_0, 8) op(3_1, 9)

static void keys_fill(uint64_t seed)
{
#define SET(n, i) __asm__ volatile("msr " KEY(n) ", %0" ::"r"(seed * 31 + (i)));
    FOR_KEYS(SET)
    isb();
}

static uint64_t keys_check(uint64_t seed)
{
    uint64_t value;

#define GET(n, i)                                      \
    __asm__ volatile("mrs %0, " KEY(n) : "=r"(value)); \
    if (value != seed * 31 + (i)) {                    \
        return (i) + 1;                                \
    }
    FOR_KEYS(GET)
    return 0;
}

TEST(pointer_authentication_keys)
{
    static const struct bank bank = {keys_fill, keys_check};

    SKIP_UNLESS(has_pauth(), "no pointer authentication");
    churn_everywhere(&bank);
}

static void use_simd(uint64_t unused)
{
    (void)unused;
    fp_fill(1);
}

static void use_sve(uint64_t unused)
{
    (void)unused;
    sve_fill(1);
}

/* EL1's own traps come first, whatever the hypervisor does lazily. */
TEST(own_trap_of_simd)
{
    struct exc_info info;

    write_sysreg(cpacr_el1, 0);
    EXPECT(expect_exception(&info, use_simd, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_FP);
    write_sysreg(cpacr_el1, 1ul << 20); /* EL1 may, EL0 may not */
    EXPECT(!expect_exception(&info, use_simd, 0));
    EXPECT(el0_exception(&info, use_simd, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_FP);
    EXPECT_EQ(info.vector, 8);
    write_sysreg(cpacr_el1, 3ul << 20);
}

TEST(own_trap_of_sve)
{
    struct exc_info info;

    SKIP_UNLESS(has_sve(), "no SVE");
    write_sysreg(cpacr_el1, 3ul << 20);
    EXPECT(expect_exception(&info, use_sve, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_SVE);
}

TEST(sve_absent_is_undefined)
{
    struct exc_info info;

    SKIP_UNLESS(!has_sve(), "SVE is there");
    write_sysreg(cpacr_el1, 3ul << 20 | 3ul << 16);
    EXPECT(expect_exception(&info, use_sve, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
    write_sysreg(cpacr_el1, 3ul << 20);
}

TEST(simd_at_el0)
{
    struct exc_info info;

    EXPECT(!el0_exception(&info, use_simd, 0));
    EXPECT_EQ(fp_check(1), 0);
}
