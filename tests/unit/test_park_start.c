// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/gic_bits.h"
#include "call/psci_abi.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "park/board.h"
#include "park/start.h"

#include <string.h>

static const struct park_gic gicv3 = {.version = 3};

static struct {
    uint64_t function, mpidr, entry, context;
    int32_t answer;
    unsigned smcs, hvcs;
} psci;

static struct smc_result answer(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    psci.function = function;
    psci.mpidr = a1;
    psci.entry = a2;
    psci.context = a3;
    return (struct smc_result){{(uint32_t)psci.answer}};
}

struct smc_result smc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    psci.smcs++;
    return answer(function, a1, a2, a3);
}

struct smc_result hvc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    psci.hvcs++;
    return answer(function, a1, a2, a3);
}

static int setup(void **state)
{
    (void)state;
    memset(&psci, 0, sizeof(psci));
    fake_sev = 0;
    return 0;
}

static void test_psci(void **state)
{
    static const struct {
        int32_t answer;
        int err;
    } answers[] = {{PSCI_SUCCESS, 0},
                   {PSCI_ALREADY_ON, ERR_BUSY},
                   {PSCI_ON_PENDING, ERR_BUSY},
                   {PSCI_INVALID_PARAMETERS, ERR_INVALID},
                   {PSCI_INVALID_ADDRESS, ERR_INVALID},
                   {PSCI_DENIED, ERR_ACCESS},
                   {PSCI_NOT_PRESENT, ERR_NOENT},
                   {PSCI_NOT_SUPPORTED, ERR_UNSUPPORTED},
                   {PSCI_INTERNAL_FAILURE, ERR_UNSUPPORTED}};
    struct cpu_start s = {.method = CPU_PSCI_SMC};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        psci.answer = answers[i].answer;
        assert_int_equal(cpu_start(&s, 0x100000203, 0x48000800, &gicv3), answers[i].err);
    }
    assert_int_equal(psci.function, PSCI_CPU_ON_64);
    assert_int_equal(psci.mpidr, 0x100000203);
    assert_int_equal(psci.entry, 0x48000800);
    assert_int_equal(psci.smcs, ARRAY_SIZE(answers));
    psci.answer = 0;
    s.method = CPU_PSCI_HVC;
    assert_int_equal(cpu_start(&s, 1, 0x800, &gicv3), 0);
    assert_int_equal(psci.hvcs, 1);
    assert_int_equal(psci.smcs, ARRAY_SIZE(answers));
}

static void test_spin_table(void **state)
{
    uint64_t words[3] = {1, 2, 3};
    struct cpu_start s = {.method = CPU_SPIN_TABLE, .address = (uintptr_t)&words[1]};
    (void)state;
    assert_int_equal(cpu_start(&s, 1, 0x123456789000, &gicv3), 0);
    assert_int_equal(words[0], 1);
    assert_int_equal(words[1], 0x123456789000);
    assert_int_equal(words[2], 3);
    assert_int_equal(fake_sev, 1);
}

static void test_mailbox(void **state)
{
    static uint64_t page[PARK_PAGE_SIZE / 8];
    struct cpu_start s = {.method = CPU_PARKED, .id = 0x207, .address = (uintptr_t)page};
    (void)state;
    park_fill(page, &(struct park_cpu){.id = 0x207});
    assert_int_equal(cpu_start(&s, 3, 0x5000, &gicv3), 0);
    assert_int_equal(page[0], 0x207);
    assert_int_equal(page[1], 0x5000);
    assert_int_equal(fake_sev, 1);
    assert_int_equal(cpu_start(&s, 3, 0x6000, &gicv3), ERR_BUSY); // it was called already
    page[1] = 0;
    assert_int_equal(cpu_start(&s, 3, 0x6000, &gicv3), ERR_BUSY);
    page[0] = PARK_NOBODY;
    page[1] = 0x5000;
    assert_int_equal(cpu_start(&s, 3, 0x6000, &gicv3), ERR_BUSY);
    assert_int_equal(page[1], 0x5000);
    assert_int_equal(fake_sev, 1);
}

static void test_mailbox_by_gicv2(void **state)
{
    static uint64_t page[PARK_PAGE_SIZE / 8], distributor[PARK_PAGE_SIZE / 8];
    const struct park_gic gic = {.version = 2, .distributor = (uintptr_t)distributor};
    struct cpu_start s = {.method = CPU_PARKED, .id = 5, .address = (uintptr_t)page};
    (void)state;
    park_fill(page, &(struct park_cpu){.id = 5});
    assert_int_equal(cpu_start(&s, 0x101, 0x5000, &gic), 0);
    assert_int_equal(distributor[0xf00 / 8], BIT(21)); // SGI 0 to CPU interface 5
}

static void test_sgi_targets(void **state)
{
    (void)state;
    assert_int_equal(gic_sgi_to(0), 1);
    assert_int_equal(gic_sgi_to(0x3f), UINT64_C(3) << 44 | BIT(15));
    assert_int_equal(gic_sgi_to(0x4400330211), UINT64_C(0x44) << 48 | UINT64_C(1) << 44 |
                                                   UINT64_C(0x33) << 32 | 0x02 << 16 | BIT(1));
}

static void test_unknown(void **state)
{
    uint64_t base, size;
    struct cpu_start s = {.method = CPU_UNKNOWN, .name = "vendor,smp"};
    (void)state;
    assert_int_equal(cpu_start(&s, 1, 0x5000, &gicv3), ERR_UNSUPPORTED);
    assert_false(cpu_start_reaches(&s, &base, &size));
    assert_string_equal(cpu_method_name(&s), "vendor,smp");
    s = (struct cpu_start){.method = CPU_BOARD, .id = 999};
    assert_int_equal(cpu_start(&s, 1, 0x5000, &gicv3), ERR_UNSUPPORTED);
    assert_string_equal(cpu_method_name(&s), "unknown");
}

static void test_what_is_reached(void **state)
{
    uint64_t base, size;
    (void)state;
    assert_true(cpu_start_reaches(&(struct cpu_start){.method = CPU_SPIN_TABLE, .address = 0x10ff8},
                                  &base, &size));
    assert_true(base == 0x10000 && size == 0x1000);
    assert_true(cpu_start_reaches(&(struct cpu_start){.method = CPU_PARKED, .address = 0x20000},
                                  &base, &size));
    assert_true(base == 0x20000 && size == 0x1000);
    assert_true(cpu_start_reaches(&(struct cpu_start){.method = CPU_BOARD, .address = 0x40000100},
                                  &base, &size));
    assert_true(base == 0x40000000 && size == 0x2000);
    assert_false(cpu_start_reaches(&(struct cpu_start){.method = CPU_PSCI_SMC}, &base, &size));
}

static void test_bcm2836(void **state)
{
    static uint32_t registers[BOARD_REGISTERS / 4];
    struct cpu_start s = {.method = CPU_BOARD, .address = (uintptr_t)registers};
    (void)state;
    assert_int_equal(cpu_start(&s, 2, 0x80800, &gicv3), 0);
    for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
        assert_int_equal(registers[i], i == 0xac / 4 ? 0x80800 : 0);
    }
    assert_int_equal(fake_sev, 1);
    assert_int_equal(cpu_start(&s, 2, 0x100000800, &gicv3), ERR_RANGE); // a register of 32 bits
    assert_int_equal(cpu_start(&s, 0x102, 0x80800, &gicv3), ERR_RANGE); // one cluster
    assert_int_equal(fake_sev, 1);
}

// What a line of data can say.
static void test_a_port(void **state)
{
    static const struct board port = {"vendor,smp",
                                      "vendor,sysctl",
                                      {{0x20, 8, BOARD_ENTRY_HIGH, 0},
                                       {0x24, 8, BOARD_ENTRY_LOW, 0},
                                       {0x100, 0, BOARD_CPU_BIT, 0},
                                       {0x104, 0, BOARD_CONSTANT, 0xacce55}}};
    static uint32_t registers[BOARD_REGISTERS / 4];
    (void)state;
    assert_int_equal(board_start(&port, (uintptr_t)registers, 3, 0x812345678), 0);
    assert_int_equal(registers[0x38 / 4], 8);
    assert_int_equal(registers[0x3c / 4], 0x12345678);
    assert_int_equal(registers[0x100 / 4], 8);
    assert_int_equal(registers[0x104 / 4], 0xacce55);
    assert_int_equal(board_start(&port, (uintptr_t)registers, 32, 0x812345678), ERR_RANGE);
    static const struct board wide = {"v", "v", {{0xf00, 0x40, BOARD_ENTRY_LOW, 0}}};
    assert_int_equal(board_start(&wide, (uintptr_t)registers, 4, 0), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_psci, setup),
        cmocka_unit_test_setup(test_spin_table, setup),
        cmocka_unit_test_setup(test_mailbox, setup),
        cmocka_unit_test_setup(test_mailbox_by_gicv2, setup),
        cmocka_unit_test_setup(test_sgi_targets, setup),
        cmocka_unit_test_setup(test_unknown, setup),
        cmocka_unit_test_setup(test_what_is_reached, setup),
        cmocka_unit_test_setup(test_bcm2836, setup),
        cmocka_unit_test_setup(test_a_port, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
