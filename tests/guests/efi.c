// SPDX-License-Identifier: Apache-2.0
// EFI's runtime services as a guest without an operating system calls them: with its MMU on and
// off, with pointers to anything, by two CPUs, before and after SetVirtualAddressMap(), sensible or
// not (`garbage`), and in a VM that has none of it (`none`).
//
// By file in efi/: pointers.c, race.c, time.c, variables.c, and at last virtual.c.
#include "efi/efi.h"

status efi_invoke(uint64_t function, const uint64_t arguments[5], uint64_t registers[31],
                  uint8_t *fp);
status efi_upcall(uint64_t number);
status efi_upcall_other(uint64_t number);

uint64_t stub[SERVICES];
const struct guid vendor = {0x1122334455667788, 0x99aabbccddeeff00};
const char16 name_a[] = {'A', 0}, name_b[] = {'B', 'b', 0}, none[] = {'x', 0};
uint8_t buffer[MAX_DATA + 2 * PAGE] __attribute__((aligned(PAGE)));

const struct descriptor *region(uint32_t type)
{
    const struct descriptor *d = (const struct descriptor *)machine.efi_map;

    while (d->type != type) {
        d++;
    }
    return d;
}

void map_backwards(void)
{
    for (unsigned i = 0; i < 10; i++) {
        mmu_map_page(WINDOW + i * PAGE, P(buffer) + (9 - i) * PAGE, PTE_NORMAL | PTE_PXN | PTE_UXN);
    }
}

TEST(setup)
{
    if (arg_flag("none")) {
        EXPECT_EQ(machine.efi, 0);
        EXPECT_EQ(efi_upcall(GET_TIME), (uint64_t)PSCI_NOT_SUPPORTED);
        return;
    }
    EXPECT(machine.efi != 0);
    EXPECT_EQ(table()->signature, 0x5453595320494249);
    EXPECT_EQ(table()->boot, 0);
    const struct services *s = (const struct services *)table()->runtime;
    EXPECT_EQ(s->signature, 0x56524553544e5552);
    for (unsigned i = 0; i < SERVICES; i++) {
        stub[i] = s->service[i];
    }
    mmu_on();
    mmu_map_page(region(CODE)->physical, region(CODE)->physical, PTE_NORMAL | PTE_RO);
    write_sysreg(cpacr_el1, 3ul << 20);
}

/* The first time it resets the VM, with a word on why; then the rest, in a VM that was reset. */
TEST(variables_outlive_a_reset)
{
    static const char16 boots[] = {'B', 'o', 'o', 't', 's', 0};
    static const char16 why[] = {'a', ' ', 't', 'e', 's', 't', 0};
    uint32_t count = 1;
    uint64_t size = sizeof(count);

    EFI_ONLY;
    if (get(boots, NULL, &size, &count) == NOT_FOUND) {
        EXPECT_EQ(set(boots, ALL, &count, sizeof(count)), SUCCESS);
        EXPECT_EQ(call(RESET_SYSTEM, 0x77, 0, 0, 0, 0), INVALID_PARAMETER);
        call(RESET_SYSTEM, 1, 0, sizeof(why), P(why), 0);
        test_abort("ResetSystem came back");
    }
    EXPECT_EQ(count, 1);
    EXPECT_EQ(set(boots, 0, NULL, 0), SUCCESS);
    EXPECT_EQ(set(boots, 0, NULL, 0), NOT_FOUND);
}

/* Likewise, but it switches the VM off, which comes back by itself; with another clock than it had.
 */
TEST(wakes_up)
{
    static const char16 asleep[] = {'Z', 'z', 0};
    static const struct time noon = {2026, 11, 27, 12, 0, 0, 0, 0, 0x7ff, 0, 0};
    struct time t = noon;
    uint32_t since = mmio_read32(machine.rtc);
    uint64_t size = sizeof(since);
    uint8_t enabled, pending;

    EFI_ONLY;
    if (get(asleep, NULL, &size, &since) == NOT_FOUND) {
        EXPECT_EQ(set(asleep, ALL, &since, sizeof(since)), SUCCESS);
        EXPECT_EQ(call(SET_TIME, P(&noon), 0, 0, 0, 0), SUCCESS);
        t.second = 2;
        EXPECT_EQ(call(SET_WAKEUP_TIME, 1, P(&t), 0, 0, 0), SUCCESS);
        call(RESET_SYSTEM, 2, 0, 0, 0, 0);
        test_abort("ResetSystem came back");
    }
    EXPECT_EQ(set(asleep, 0, NULL, 0), SUCCESS);
    uint32_t passed = mmio_read32(machine.rtc) - since;
    EXPECT(passed >= 1 && passed < 1000);
    EXPECT_EQ(call(GET_WAKEUP_TIME, P(&enabled), P(&pending), P(&t), 0, 0), SUCCESS);
    EXPECT(enabled == 1 && pending == 1 && t.year == 1970 + since / 31556952);
    EXPECT_EQ(call(SET_WAKEUP_TIME, 0, 0, 0, 0, 0), SUCCESS);
}

TEST(there_are_stubs_and_nothing_else)
{
    EFI_ONLY;
    const struct descriptor *code = region(CODE);
    const uint32_t *word = (const uint32_t *)code->physical;

    for (uint64_t i = 0; i < code->pages * PAGE / 4; i++) {
        uint64_t n = i / 4;
        const uint32_t insn[] = {0xd503245f, 0xd2800009 | (uint32_t)n << 5, 0xd401de22, 0xd65f03c0};

        EXPECT_EQ(word[i], n < SERVICES ? insn[i % 4] : 0);
    }
    for (unsigned i = 0; i < SERVICES; i++) {
        EXPECT_EQ(stub[i], code->physical + 16 * i);
    }
    const struct descriptor *data = region(DATA); /* tables, and no code */
    EXPECT(machine.efi - data->physical < data->pages * PAGE);
    EXPECT_EQ(code->attribute & data->attribute & RUNTIME, RUNTIME);
    EXPECT_EQ(code->virtual, code->physical);
}

static void check_registers(enum service n, const uint64_t *arguments, status want)
{
    static uint8_t fp[512] __attribute__((aligned(16)));
    uint64_t registers[31];

    for (unsigned i = 0; i < sizeof(fp); i++) {
        fp[i] = (uint8_t)(i * 7 + 1);
    }
    write_sysreg(par_el1, 0xabc000);
    status got = efi_invoke(stub[n], arguments, registers, fp);
    EXPECT_EQ(read_sysreg(par_el1), 0xabc000);
    EXPECT_EQ(got, want);
    EXPECT_EQ(registers[0], want);
    for (unsigned i = 1; i < 30; i++) {
        if (i != 9) {
            EXPECT_EQ(registers[i], i < 5 ? arguments[i] : 0x1000 + i);
        }
    }
    EXPECT_EQ(registers[30], 0xb0000000);
    for (unsigned i = 0; i < sizeof(fp); i++) {
        EXPECT_EQ(fp[i], (uint8_t)(i * 7 + 1));
    }
}

TEST(registers_are_kept)
{
    struct time t;
    uint64_t size = sizeof(buffer);
    const uint64_t time[5] = {P(&t), 0, 3, 4, 5}, bad[5] = {8, 8, 8, 8, 8};
    const uint64_t get_none[5] = {P(none), P(&vendor), 0, P(&size), P(buffer)};
    const uint64_t set_one[5] = {P(none), P(&vendor), ALL, 100, P(buffer)};

    EFI_ONLY;
    check_registers(GET_TIME, time, SUCCESS);
    check_registers(GET_VARIABLE, get_none, NOT_FOUND);
    check_registers(SET_VARIABLE, set_one, SUCCESS);
    check_registers(GET_VARIABLE, get_none, SUCCESS);
    check_registers(GET_VARIABLE, bad, INVALID_PARAMETER);
    check_registers(UPDATE_CAPSULE, bad, UNSUPPORTED);
    mmu_off();
    check_registers(GET_VARIABLE, get_none, SUCCESS);
    mmu_on();
    EXPECT_EQ(set(none, 0, NULL, 0), SUCCESS);
}

TEST(unknown_services)
{
    static const uint64_t numbers[] = {SERVICES, 15, 255, 1ul << 32, ~0ul};

    EFI_ONLY;
    for (unsigned i = 0; i < 5; i++) {
        EXPECT_EQ(efi_upcall(numbers[i]), UNSUPPORTED);
    }
    EXPECT_EQ(efi_upcall_other(GET_TIME), (uint64_t)PSCI_NOT_SUPPORTED);
    EXPECT_EQ(call(QUERY_CAPSULE_CAPABILITIES, P(buffer), 1, P(buffer), P(buffer), 0), UNSUPPORTED);
    EXPECT_EQ(call(QUERY_CAPSULE_CAPABILITIES, P(buffer), 0, P(buffer), P(buffer), 0),
              INVALID_PARAMETER);
    EXPECT_EQ(call(UPDATE_CAPSULE, P(buffer), 0, 0, 0, 0), INVALID_PARAMETER);
}
