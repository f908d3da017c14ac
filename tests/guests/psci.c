// SPDX-License-Identifier: Apache-2.0
// PSCI 1.1 as a VM sees it (Arm DEN 0022): what each function returns, and what state a CPU starts
// in.
#include "lib/psci.h"

#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/test.h"
#include "lib/timer.h"

#define AFF_BAD        0xff00ff00u
#define PSCI_OFF_STATE 1

extern char psci_probe_entry[];

/* Filled by psci_probe_entry with the MMU off. */
struct probe {
    uint64_t context;
    uint64_t current_el;
    uint64_t sctlr;
    uint64_t daif;
    uint64_t spsel;
    uint64_t mpidr;
    uint64_t nzcv;
    uint64_t done;
};

extern struct probe probe;
struct probe probe __attribute__((aligned(64)));

TEST(setup)
{
    mmu_on();
    gic_init();
}

TEST(version)
{
    int version = psci_call(PSCI_VERSION, 0, 0, 0);

    EXPECT_EQ(version >> 16, 1);
    EXPECT((version & 0xffff) >= 1);
}

static void version_by_smc(uint64_t result)
{
    *(int64_t *)result = smc_call(PSCI_VERSION, 0, 0, 0);
}

TEST(version_by_smc)
{
    struct exc_info info;
    int64_t version = 0;

    SKIP_UNLESS(strict(), "SMC needs a machine with EL2");
    EXPECT(!expect_exception(&info, version_by_smc, (uint64_t)&version));
    EXPECT_EQ(version, psci_call(PSCI_VERSION, 0, 0, 0));
}

TEST(features)
{
    static const uint32_t wanted[] = {
        PSCI_VERSION,         PSCI_CPU_OFF,    PSCI_CPU_ON,       PSCI_CPU_ON32, PSCI_AFFINITY_INFO,
        PSCI_AFFINITY_INFO32, PSCI_SYSTEM_OFF, PSCI_SYSTEM_RESET, PSCI_FEATURES,
    };

    for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        EXPECT_EQ(psci_call(PSCI_FEATURES, wanted[i], 0, 0), 0);
    }
    EXPECT(psci_call(PSCI_FEATURES, PSCI_CPU_SUSPEND, 0, 0) >= 0);
    EXPECT_EQ(psci_call(PSCI_FEATURES, 0x8400ffff, 0, 0), PSCI_NOT_SUPPORTED);
    EXPECT_EQ(psci_call(PSCI_FEATURES, 0xdeadbeef, 0, 0), PSCI_NOT_SUPPORTED);
}

TEST(features_tells_of_smccc_version)
{
    SKIP_UNLESS(strict(), "bare QEMU has no SMCCC_VERSION");
    EXPECT_EQ(psci_call(PSCI_FEATURES, SMCCC_VERSION, 0, 0), 0);
    EXPECT_EQ(psci_call(PSCI_FEATURES, PSCI_SYSTEM_RESET2, 0, 0), 0);
}

TEST(unknown_functions)
{
    EXPECT_EQ(psci_call(0x8400001f, 0, 0, 0), PSCI_NOT_SUPPORTED);
    EXPECT_EQ(psci_call(0xc400001f, 0, 0, 0), PSCI_NOT_SUPPORTED);
    /* 64-bit numbers of functions that have none. */
    SKIP_UNLESS(strict(), "bare QEMU does not look");
    EXPECT_EQ(psci_call(0xc4000000, 0, 0, 0), PSCI_NOT_SUPPORTED);
    EXPECT_EQ(psci_call(0xc4000002, 0, 0, 0), PSCI_NOT_SUPPORTED);
    EXPECT_EQ(psci_call(0xc4000008, 0, 0, 0), PSCI_NOT_SUPPORTED);
    EXPECT_EQ(psci_call(0xc400000a, 0, 0, 0), PSCI_NOT_SUPPORTED);
}

TEST(migrate)
{
    EXPECT_EQ(psci_call(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0), 2);
    EXPECT_EQ(psci_call(PSCI_MIGRATE, 0, 0, 0), PSCI_NOT_SUPPORTED);
}

TEST(affinity_info)
{
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(0), 0, 0), 0);
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO32, cpu_mpidr(0), 0, 0), 0);
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, AFF_BAD, 0, 0), PSCI_INVALID_PARAMETERS);
    if (machine.cpus >= 2) {
        EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(1), 0, 0), PSCI_OFF_STATE);
    }
    SKIP_UNLESS(strict(), "bare QEMU takes any level and CPU bits");
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(0), 4, 0), PSCI_INVALID_PARAMETERS);
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(0) | 1ul << 24, 0, 0),
              PSCI_INVALID_PARAMETERS);
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(machine.cpus), 0, 0),
              PSCI_INVALID_PARAMETERS);
}

TEST(cpu_on_of_a_cpu_that_is_not_there)
{
    uint64_t entry = (uint64_t)psci_probe_entry;

    EXPECT_EQ(psci_call(PSCI_CPU_ON, AFF_BAD, entry, 0), PSCI_INVALID_PARAMETERS);
    EXPECT_EQ(psci_call(PSCI_CPU_ON, cpu_mpidr(machine.cpus), entry, 0), PSCI_INVALID_PARAMETERS);
    EXPECT_EQ(psci_call(PSCI_CPU_ON32, cpu_mpidr(machine.cpus), entry, 0), PSCI_INVALID_PARAMETERS);
}

TEST(cpu_on_of_oneself)
{
    EXPECT_EQ(psci_call(PSCI_CPU_ON, cpu_mpidr(0), (uint64_t)psci_probe_entry, 0), PSCI_ALREADY_ON);
}

TEST(cpu_on_with_a_bad_entry)
{
    static const uint64_t entries[] = {0, 0x09000000, 0x3ffffffc, 0x8000000000, ~3ul};

    SKIP_UNLESS(strict() && cpu_count() >= 2, "bare QEMU does not look at the entry");
    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        EXPECT_EQ(psci_call(PSCI_CPU_ON, cpu_mpidr(1), entries[i], 0), PSCI_INVALID_ADDRESS);
    }
    EXPECT_EQ(psci_call(PSCI_CPU_ON, cpu_mpidr(1), machine.ram_base + machine.ram_size, 0),
              PSCI_INVALID_ADDRESS);
    EXPECT_EQ(psci_call(PSCI_CPU_ON, cpu_mpidr(1), (uint64_t)psci_probe_entry + 2, 0),
              PSCI_INVALID_ADDRESS);
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(1), 0, 0), PSCI_OFF_STATE);
}

static void clean(const void *addr)
{
    __asm__ volatile("dc civac, %0\n\tdsb sy" ::"r"(addr) : "memory");
}

static bool run_probe(uint64_t fn, uint64_t context)
{
    probe = (struct probe){0};
    clean(&probe);
    return psci_call(fn, cpu_mpidr(1), (uint64_t)psci_probe_entry, context) == PSCI_SUCCESS &&
           wait_for((clean(&probe), *(volatile uint64_t *)&probe.done), 5000000) &&
           wait_for(cpu_is_off(1), 1000000);
}

static void check_start_state(uint64_t context)
{
    EXPECT_EQ(probe.context, context);
    EXPECT_EQ(probe.current_el, 1 << 2);
    EXPECT_EQ(probe.sctlr & 0x1005, 0); /* MMU, data and instruction caches off */
    EXPECT_EQ(probe.daif, 0x3c0);
    EXPECT_EQ(probe.spsel, 1);
    EXPECT_EQ(probe.mpidr & 0xff00ffffff, cpu_mpidr(1));
}

/* probe lives in the first 64 bytes after its own address, which x0 cannot carry: the entry knows
 * it. */
TEST(state_of_a_started_cpu)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(run_probe(PSCI_CPU_ON, 0x1122334455667788));
    check_start_state(0x1122334455667788);
}

TEST(state_of_a_started_cpu_32)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(run_probe(PSCI_CPU_ON32, 0x55667788));
    check_start_state(0x55667788);
}

TEST(started_and_stopped_again_and_again)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    for (uint64_t i = 0; i < 50; i++) {
        EXPECT(run_probe(PSCI_CPU_ON, i));
        EXPECT_EQ(probe.context, i);
    }
}

static volatile bool hold, holding;

static void hold_on(uint64_t unused)
{
    (void)unused;
    holding = true;
    while (hold) {
        cpu_relax();
    }
}

TEST(cpu_on_of_a_running_cpu)
{
    int code;

    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    hold = true;
    holding = false;
    EXPECT_EQ(cpu_start(1, hold_on, 0), PSCI_SUCCESS);
    code = psci_call(PSCI_CPU_ON, cpu_mpidr(1), (uint64_t)psci_probe_entry, 0);
    EXPECT(code == PSCI_ALREADY_ON || code == PSCI_ON_PENDING);
    EXPECT(wait_for(holding, 2000000));
    EXPECT_EQ(psci_call(PSCI_CPU_ON, cpu_mpidr(1), (uint64_t)psci_probe_entry, 0), PSCI_ALREADY_ON);
    EXPECT_EQ(psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(1), 0, 0), 0);
    hold = false;
    EXPECT(cpu_join(1));
}

/* Two CPUs race to turn a third on: one wins each round, the third runs once. */
static volatile unsigned race_round, race_wins[2], race_runs;
#define RACE_ROUNDS 30

static void race_target(uint64_t unused)
{
    (void)unused;
    race_runs = race_runs + 1;
}

static void race(unsigned self)
{
    while (race_round < RACE_ROUNDS) {
        if (cpu_turn_on(2) == PSCI_SUCCESS) {
            race_wins[self] = race_wins[self] + 1;
            wait_for(race_runs == race_wins[0] + race_wins[1] && cpu_is_off(2), 1000000);
            race_round = race_round + 1;
        }
    }
}

static void race_other(uint64_t unused)
{
    (void)unused;
    race(1);
}

TEST(cpu_on_race)
{
    SKIP_UNLESS(strict() && cpu_count() >= 3, "three CPUs; bare QEMU lets both win");
    cpu_prepare(2, race_target, 0);
    race_round = race_runs = race_wins[0] = race_wins[1] = 0;
    EXPECT_EQ(cpu_start(1, race_other, 0), PSCI_SUCCESS);
    race(0);
    EXPECT(cpu_join(1));
    EXPECT_EQ(race_runs, race_wins[0] + race_wins[1]);
    EXPECT(race_runs >= RACE_ROUNDS);
}

TEST(cpu_suspend_until_an_interrupt)
{
    uint64_t start = timer_now();

    gic_setup(TIMER_VIRT_PPI);
    write_sysreg(cntv_cval_el0, start + timer_us(20000));
    write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
    while (timer_now() < start + timer_us(20000)) {
        EXPECT_EQ(psci_call(PSCI_CPU_SUSPEND, 0, 0, 0), PSCI_SUCCESS);
    }
    EXPECT_EQ(gic_poll(), TIMER_VIRT_PPI);
    write_sysreg(cntv_ctl_el0, 0);
    gic_eoi(TIMER_VIRT_PPI);
    gic_teardown(TIMER_VIRT_PPI);
}

TEST(cpu_suspend_with_a_bad_state)
{
    EXPECT_EQ(psci_call(PSCI_CPU_SUSPEND, 0xffffffff, 0, 0), PSCI_INVALID_PARAMETERS);
    EXPECT_EQ(psci_call(PSCI_CPU_SUSPEND32, 0xfffe0000, 0, 0), PSCI_INVALID_PARAMETERS);
}

TEST(system_reset2_of_an_unknown_kind)
{
    SKIP_UNLESS(strict(), "bare QEMU has no SYSTEM_RESET2");
    EXPECT_EQ(psci_call(PSCI_SYSTEM_RESET2, 1, 0, 0), PSCI_INVALID_PARAMETERS);
}
