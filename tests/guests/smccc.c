// SPDX-License-Identifier: Apache-2.0
// SMC calling convention (Arm DEN 0028): what a call may change, what unknown functions return.
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define TRNG_VERSION     0x84000050u
#define TRNG_FEATURES    0x84000051u
#define TRNG_RND64       0xc4000053u
#define PV_TIME_FEATURES 0xc5000020u
#define PV_TIME_ST       0xc5000021u
#define VENDOR_UID       0x8600ff01u

/* smccc_asm.S: x0 = function; fills before[]/after[] with x0-x30 and NZCV around one HVC or SMC. */
void smccc_snapshot_hvc(uint64_t fn, uint64_t before[32], uint64_t after[32]);
void smccc_snapshot_smc(uint64_t fn, uint64_t before[32], uint64_t after[32]);

static uint64_t before[32], after[32];

TEST(setup)
{
    mmu_on();
}

static void check_preserved(uint64_t fn)
{
    smccc_snapshot_hvc(fn, before, after);
    for (unsigned i = 4; i < 32; i++) {
        if (before[i] != after[i]) {
            test_fail(__FILE_NAME__, __LINE__, "x%u changed by 0x%lx", i, fn);
            return;
        }
    }
}

TEST(registers_are_kept)
{
    check_preserved(PSCI_VERSION);
    check_preserved(PSCI_FEATURES);
    check_preserved(0xdeadbeef);
    EXPECT_EQ(after[0] & 0xffffffff, 0xffffffff);
}

TEST(registers_are_kept_by_smc)
{
    SKIP_UNLESS(strict(), "SMC needs a machine with EL2");
    smccc_snapshot_smc(PSCI_VERSION, before, after);
    for (unsigned i = 4; i < 32; i++) {
        EXPECT_EQ(after[i], before[i]);
    }
    EXPECT_EQ(after[0] >> 16, 1);
}

TEST(version)
{
    SKIP_UNLESS(strict(), "bare QEMU has no SMCCC_VERSION");
    EXPECT((int)hvc_call(SMCCC_VERSION, 0, 0, 0) >= 0x10001);
}

TEST(unknown_functions)
{
    static const uint32_t ids[] = {0x00000000, 0x80001234, 0x82000000, 0x83000000, 0xc0000000,
                                   0xc2000001, 0x81000000, 0x85001234, 0x8600ffff, 0xb2000000,
                                   0xbf00ff01, 0x84ff0000, 0xc4ff0000, 0x9400000a, 0xffffffff};

    SKIP_UNLESS(strict(), "bare QEMU knows PSCI alone");
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        EXPECT_EQ(hvc_call(ids[i], 1, 2, 3), SMCCC_NOT_SUPPORTED);
    }
    EXPECT_EQ(smc_call(0x80001234, 1, 2, 3), SMCCC_NOT_SUPPORTED);
}

/* The function number is 32 bits: what stands above them does not matter. */
TEST(function_is_w0)
{
    SKIP_UNLESS(strict(), "bare QEMU looks at x0");
    EXPECT_EQ(hvc_call(0xabcdef0084000000, 0, 0, 0), hvc_call(PSCI_VERSION, 0, 0, 0));
}

TEST(architecture_features)
{
    SKIP_UNLESS(strict(), "bare QEMU has no ARCH_FEATURES");
    EXPECT_EQ((int)hvc_call(SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0), 0);
    EXPECT_EQ((int)hvc_call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES, 0, 0), 0);
    EXPECT_EQ((int)hvc_call(SMCCC_ARCH_FEATURES, 0x80001234, 0, 0), -1);
    EXPECT_EQ((int)hvc_call(SMCCC_ARCH_FEATURES, PSCI_VERSION, 0, 0), -1);
}

/* Workarounds: a number a feature query knows may be called, and returns. */
TEST(architecture_workarounds)
{
    static const uint32_t ids[] = {0x80008000, 0x80007fff, 0x80003fff};

    SKIP_UNLESS(strict(), "bare QEMU has no ARCH_FEATURES");
    for (unsigned i = 0; i < 3; i++) {
        int known = (int)hvc_call(SMCCC_ARCH_FEATURES, ids[i], 0, 0);

        EXPECT(known == -1 || known == 0 || known == 1 || (known == -2 && i == 1));
        if (known >= 0) {
            check_preserved(ids[i]);
        }
    }
}

static void hvc_with_immediate(uint64_t result)
{
    register uint64_t x0 __asm__("x0") = PSCI_VERSION;

    __asm__ volatile("hvc #0x4321" : "+r"(x0)::"x1", "x2", "x3", "memory");
    *(uint64_t *)result = x0;
}

/* A non-zero immediate is nobody's convention: undefined or not supported, never a PSCI call. */
TEST(immediate_other_than_zero)
{
    struct exc_info info;
    uint64_t result = 0;

    SKIP_UNLESS(strict(), "bare QEMU ignores the immediate");
    if (expect_exception(&info, hvc_with_immediate, (uint64_t)&result)) {
        EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
    } else {
        EXPECT_EQ((int64_t)result, SMCCC_NOT_SUPPORTED);
    }
}

static void hvc_at_el0(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("hvc #0" ::: "x0", "x1", "x2", "x3");
}

static void smc_at_el0(uint64_t unused)
{
    (void)unused;
    __asm__ volatile(".inst 0xd4000003" ::: "x0", "x1", "x2", "x3");
}

TEST(calls_are_undefined_at_el0)
{
    struct exc_info info;

    EXPECT(el0_exception(&info, hvc_at_el0, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
    EXPECT(el0_exception(&info, smc_at_el0, 0));
    EXPECT_EQ(ESR_EC(info.esr), EC_UNKNOWN);
}

TEST(random_numbers)
{
    register uint64_t x0 __asm__("x0") = TRNG_RND64;
    register uint64_t x1 __asm__("x1") = 64;
    register uint64_t x2 __asm__("x2") = 0;
    register uint64_t x3 __asm__("x3") = 0;

    SKIP_UNLESS(strict(), "bare QEMU has no TRNG calls");
    if ((int)hvc_call(TRNG_VERSION, 0, 0, 0) < 0) {
        EXPECT_EQ((int)hvc_call(TRNG_RND64, 64, 0, 0), -1);
        return;
    }
    EXPECT((int)hvc_call(TRNG_VERSION, 0, 0, 0) >= 0x10000);
    EXPECT_EQ((int)hvc_call(TRNG_FEATURES, TRNG_RND64, 0, 0), 0);
    EXPECT_EQ((int)hvc_call(TRNG_RND64, 193, 0, 0), -2);
    EXPECT_EQ((int)hvc_call(TRNG_RND64, 0, 0, 0), -2);
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    EXPECT_EQ(x0, 0);
    EXPECT_EQ(x1, 0);
    EXPECT_EQ(x2, 0);
}

TEST(stolen_time)
{
    int64_t address;
    volatile uint32_t *record;

    SKIP_UNLESS(strict(), "bare QEMU steals no time");
    EXPECT_EQ(hvc_call(SMCCC_ARCH_FEATURES, PV_TIME_FEATURES, 0, 0), 0);
    EXPECT_EQ(hvc_call(PV_TIME_FEATURES, PV_TIME_FEATURES, 0, 0), 0);
    EXPECT_EQ(hvc_call(PV_TIME_FEATURES, PV_TIME_ST, 0, 0), 0);
    EXPECT_EQ(hvc_call(PV_TIME_FEATURES, PSCI_VERSION, 0, 0), -1);
    EXPECT_EQ(hvc_call(PV_TIME_ST & ~0x40000000u, 0, 0, 0), -1);
    address = hvc_call(PV_TIME_ST, 0, 0, 0);
    EXPECT(address > 0 && address % 64 == 0);
    EXPECT_EQ(hvc_call(PV_TIME_ST, 0, 0, 0), address);
    mmu_map_page((uint64_t)address & ~0xffful, (uint64_t)address & ~0xffful,
                 PTE_NORMAL | PTE_PXN | PTE_UXN);
    record = (volatile uint32_t *)address;
    EXPECT_EQ(record[0], 0); // revision
    EXPECT_EQ(record[1], 0); // attributes
    for (unsigned i = 4; i < 16; i++) {
        EXPECT_EQ(record[i], 0);
    }
}

static void write_word(uint64_t address)
{
    *(volatile uint64_t *)address = 0x12345678;
}

static void add_word(uint64_t address)
{
    __atomic_add_fetch((uint64_t *)address, 1, __ATOMIC_RELAXED);
}

static void jump_to(uint64_t address)
{
    ((void (*)(void))address)();
}

/* The page is the guest's to read alone: to write or execute it is as at an address of nothing. */
TEST(stolen_time_is_read_only)
{
    static const exc_fn attempts[] = {write_word, add_word, jump_to};
    struct exc_info info;
    uint64_t page;

    SKIP_UNLESS(strict(), "bare QEMU steals no time");
    page = (uint64_t)hvc_call(PV_TIME_ST, 0, 0, 0) & ~0xffful;
    mmu_map_page(page, page, PTE_NORMAL);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(expect_exception(&info, attempts[i], page + 0x40));
        EXPECT_EQ(ESR_FSC(info.esr), 0x10);
        EXPECT_EQ(*(volatile uint64_t *)(page + 0x40), 0);
    }
    EXPECT(expect_exception(&info, write_word, page + 0xff8));
    mmu_map_page(page, page, PTE_NORMAL | PTE_PXN | PTE_UXN);
}

TEST(vendor_identity_is_all_or_nothing)
{
    SKIP_UNLESS(strict(), "bare QEMU has no identity");
    int64_t uid = hvc_call(VENDOR_UID, 0, 0, 0);

    EXPECT(uid == SMCCC_NOT_SUPPORTED || (uint64_t)uid >> 32 == 0);
}
