// SPDX-License-Identifier: Apache-2.0
// EFI's runtime services as a guest without an operating system calls them: with its MMU on and
// off, with pointers to anything, by two CPUs, before and after SetVirtualAddressMap(), sensible or
// not (`garbage`), and in a VM that has none of it (`none`).
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

typedef uint16_t char16;
typedef uint64_t status;

#define ERROR(n)          (1ul << 63 | (n))
#define SUCCESS           0ul
#define INVALID_PARAMETER ERROR(2)
#define UNSUPPORTED       ERROR(3)
#define BUFFER_TOO_SMALL  ERROR(5)
#define WRITE_PROTECTED   ERROR(8)
#define NOT_FOUND         ERROR(14)
#define NO_MAPPING        ERROR(17)

/* Of the runtime services table, after its header. */
enum service {
    GET_TIME,
    SET_TIME,
    GET_WAKEUP_TIME,
    SET_WAKEUP_TIME,
    SET_VIRTUAL_ADDRESS_MAP,
    CONVERT_POINTER,
    GET_VARIABLE,
    GET_NEXT_VARIABLE_NAME,
    SET_VARIABLE,
    GET_NEXT_HIGH_MONOTONIC_COUNT,
    RESET_SYSTEM,
    UPDATE_CAPSULE,
    QUERY_CAPSULE_CAPABILITIES,
    QUERY_VARIABLE_INFO,
    SERVICES,
};

struct services {
    uint64_t signature, revision_size, crc;
    uint64_t service[SERVICES];
};

struct system_table {
    uint64_t signature, revision_size, crc, vendor, revision, console[6];
    uint64_t runtime, boot, table_count, tables;
};

struct descriptor {
    uint32_t type, pad;
    uint64_t physical, virtual, pages, attribute;
};

struct time {
    uint16_t year;
    uint8_t month, day, hour, minute, second, pad1;
    uint32_t nanosecond;
    int16_t zone;
    uint8_t daylight, pad2;
};

struct guid {
    uint64_t low, high;
};

#define RUNTIME  (1ul << 63)
#define ALL      7u /* non-volatile, boot and runtime access */
#define APPEND   0x40u
#define CODE     5
#define DATA     6
#define PAGE     4096ul
#define MAX_DATA 32768u

status efi_invoke(uint64_t function, const uint64_t arguments[5], uint64_t registers[31],
                  uint8_t *fp);
status efi_upcall(uint64_t number);
status efi_upcall_other(uint64_t number);

static uint64_t stub[SERVICES]; /* physical, as found at first */

static status call(enum service n, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    return ((status(*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t))stub[n])(a, b, c, d, e);
}

#define P(pointer) ((uint64_t)(pointer))

static const struct guid vendor = {0x1122334455667788, 0x99aabbccddeeff00};
static const char16 name_a[] = {'A', 0}, name_b[] = {'B', 'b', 0}, none[] = {'x', 0};

static status set(const char16 *name, uint32_t attributes, const void *data, uint64_t size)
{
    return call(SET_VARIABLE, P(name), P(&vendor), attributes, size, P(data));
}

static status get(const char16 *name, uint32_t *attributes, uint64_t *size, void *data)
{
    return call(GET_VARIABLE, P(name), P(&vendor), P(attributes), P(size), P(data));
}

static struct system_table *table(void)
{
    return (struct system_table *)machine.efi;
}

#define EFI_ONLY SKIP_UNLESS(!arg_flag("none"), "no EFI")

static const struct descriptor *region(uint32_t type)
{
    const struct descriptor *d = (const struct descriptor *)machine.efi_map;

    while (d->type != type) {
        d++;
    }
    return d;
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

static uint8_t buffer[MAX_DATA + 2 * PAGE] __attribute__((aligned(PAGE)));

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
    EXPECT_EQ(call(GET_WAKEUP_TIME, P(buffer), P(buffer), P(buffer), 0, 0), UNSUPPORTED);
    EXPECT_EQ(call(QUERY_CAPSULE_CAPABILITIES, P(buffer), 1, P(buffer), P(buffer), 0), UNSUPPORTED);
    EXPECT_EQ(call(QUERY_CAPSULE_CAPABILITIES, P(buffer), 0, P(buffer), P(buffer), 0),
              INVALID_PARAMETER);
    EXPECT_EQ(call(UPDATE_CAPSULE, P(buffer), 0, 0, 0, 0), INVALID_PARAMETER);
}

/* ---- time ---- */

TEST(time_is_the_clocks)
{
    struct time t;
    uint32_t capabilities[3], before;

    EFI_ONLY;
    before = mmio_read32(machine.rtc);
    EXPECT_EQ(call(GET_TIME, P(&t), P(capabilities), 0, 0, 0), SUCCESS);
    EXPECT_EQ(capabilities[0], 1);
    EXPECT(mmio_read32(machine.rtc) - before <= 2);
    EXPECT_EQ((before / 3600) % 24 == t.hour || (before + 2) / 3600 % 24 == t.hour, true);
    EXPECT(t.year >= 1970 && t.month >= 1 && t.month <= 12 && t.day >= 1 && t.zone == 0x7ff);
}

TEST(time_is_set)
{
    static const struct {
        struct time t;
        uint32_t seconds;
    } known[] = {
        {{1970, 1, 1, 0, 0, 0, 0, 0, 0x7ff, 0, 0}, 0},
        {{2000, 2, 29, 23, 59, 30, 0, 0, 0x7ff, 0, 0}, 951868770},
        {{2000, 3, 1, 0, 0, 0, 0, 0, 0x7ff, 0, 0}, 951868800},
        {{2026, 12, 31, 12, 34, 56, 0, 0, 0x7ff, 1, 0}, 1798720496},
        {{2026, 12, 31, 12, 34, 56, 0, 0, -60, 3, 0}, 1798716896},
        {{2100, 2, 28, 0, 0, 0, 0, 0, 0x7ff, 0, 0}, 4107456000},
        {{2100, 3, 1, 0, 0, 0, 0, 0, 1440, 0, 0}, 4107628800},
    };
    struct time now;

    EFI_ONLY;
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct time *t = &known[i].t;

        EXPECT_EQ(call(SET_TIME, P(t), 0, 0, 0, 0), SUCCESS);
        EXPECT(mmio_read32(machine.rtc) - known[i].seconds <= 2);
        EXPECT_EQ(call(GET_TIME, P(&now), 0, 0, 0, 0), SUCCESS);
        EXPECT(now.year == t->year && now.month == t->month && now.day == t->day);
        EXPECT(now.hour == t->hour && now.minute == t->minute && now.second - t->second <= 2);
        EXPECT(now.zone == t->zone && now.daylight == t->daylight);
    }
}

TEST(wrong_times)
{
    static const struct time wrong[] = {
        {1899, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0},          {10000, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},          {2026, 13, 1, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0},        {2026, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0, 0, 0, 0, 0, 0},         {2100, 2, 29, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 4, 31, 0, 0, 0, 0, 0, 0, 0, 0},         {2026, 1, 1, 24, 0, 0, 0, 0, 0, 0, 0},
        {2026, 1, 1, 0, 60, 0, 0, 0, 0, 0, 0},         {2026, 1, 1, 0, 0, 60, 0, 0, 0, 0, 0},
        {2026, 1, 1, 0, 0, 0, 0, 1000000000, 0, 0, 0}, {2026, 1, 1, 0, 0, 0, 0, 0, 1441, 0, 0},
        {2026, 1, 1, 0, 0, 0, 0, 0, -1441, 0, 0},      {2026, 1, 1, 0, 0, 0, 0, 0, 0, 4, 0},
    };
    uint32_t before;

    EFI_ONLY;
    before = mmio_read32(machine.rtc);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(call(SET_TIME, P(&wrong[i]), 0, 0, 0, 0), INVALID_PARAMETER);
    }
    EXPECT(mmio_read32(machine.rtc) - before <= 2);
}

/* ---- variables ---- */

TEST(variables)
{
    char data[16];
    uint32_t attributes = 0;
    uint64_t size = sizeof(data);

    EFI_ONLY;
    EXPECT_EQ(get(name_a, &attributes, &size, data), NOT_FOUND);
    EXPECT_EQ(set(name_a, ALL, "one", 3), SUCCESS);
    EXPECT_EQ(get(name_a, &attributes, &size, data), SUCCESS);
    EXPECT(size == 3 && attributes == ALL && !memcmp(data, "one", 3));
    EXPECT_EQ(set(name_a, ALL | APPEND, "two", 3), SUCCESS);
    size = 5;
    data[0] = '!';
    attributes = 0;
    EXPECT_EQ(get(name_a, &attributes, &size, data), BUFFER_TOO_SMALL);
    EXPECT(size == 6 && attributes == ALL && data[0] == '!');
    size = 0;
    EXPECT_EQ(get(name_a, NULL, &size, NULL), BUFFER_TOO_SMALL);
    EXPECT_EQ(get(name_a, NULL, &size, NULL), INVALID_PARAMETER);
    EXPECT_EQ(get(name_a, NULL, &size, data), SUCCESS);
    EXPECT(size == 6 && !memcmp(data, "onetwo", 6));
    EXPECT_EQ(set(name_a, ALL & ~1u, "x", 1), INVALID_PARAMETER); /* other attributes */
    EXPECT_EQ(set(name_b, 3, "x", 1), INVALID_PARAMETER);         /* for boot services alone */
    EXPECT_EQ(set(name_b, ALL | 0x20, "x", 1), UNSUPPORTED);      /* authenticated */
    EXPECT_EQ(set(name_b, ALL, buffer, MAX_DATA + 1), INVALID_PARAMETER);
    EXPECT_EQ(set(name_b, ALL, buffer, ~0ul), INVALID_PARAMETER);
    EXPECT_EQ(set(name_a, ALL, NULL, 0), SUCCESS);
    EXPECT_EQ(get(name_a, NULL, &size, data), NOT_FOUND);
}

TEST(names_one_after_the_other)
{
    char16 name[8] = {0};
    struct guid who = {0, 0};
    uint64_t size = sizeof(name);
    unsigned seen = 0;

    EFI_ONLY;
    EXPECT_EQ(set(name_a, ALL, "a", 1), SUCCESS);
    EXPECT_EQ(set(name_b, ALL, "b", 1), SUCCESS);
    for (status s;
         (s = call(GET_NEXT_VARIABLE_NAME, P(&size), P(name), P(&who), 0, 0)) != NOT_FOUND;
         size = sizeof(name)) {
        EXPECT_EQ(s, SUCCESS);
        EXPECT(who.low == vendor.low && who.high == vendor.high);
        EXPECT_EQ(size, name[0] == 'A' ? 4 : 6);
        seen |= name[0] == 'A' ? 1 : 2;
    }
    EXPECT_EQ(seen, 3);
    memset(name, 0, sizeof(name));
    size = 2;
    EXPECT_EQ(call(GET_NEXT_VARIABLE_NAME, P(&size), P(name), P(&who), 0, 0), BUFFER_TOO_SMALL);
    EXPECT(size == 4 || size == 6);
    EXPECT_EQ(name[0], 0);
    memcpy(name, none, sizeof(none));
    size = sizeof(name);
    EXPECT_EQ(call(GET_NEXT_VARIABLE_NAME, P(&size), P(name), P(&who), 0, 0), INVALID_PARAMETER);
    size = 2; /* no NUL within */
    EXPECT_EQ(call(GET_NEXT_VARIABLE_NAME, P(&size), P(name), P(&who), 0, 0), INVALID_PARAMETER);
    EXPECT_EQ(set(name_a, 0, NULL, 0), SUCCESS);
    EXPECT_EQ(set(name_b, 0, NULL, 0), SUCCESS);
}

TEST(room_and_count)
{
    uint64_t info[3], after[3];
    uint32_t first, second;

    EFI_ONLY;
    EXPECT_EQ(call(QUERY_VARIABLE_INFO, ALL, P(&info[0]), P(&info[1]), P(&info[2]), 0), SUCCESS);
    EXPECT(info[1] <= info[0] && info[2] == MAX_DATA);
    EXPECT_EQ(set(name_a, ALL, buffer, 1000), SUCCESS);
    EXPECT_EQ(call(QUERY_VARIABLE_INFO, ALL, P(&after[0]), P(&after[1]), P(&after[2]), 0), SUCCESS);
    EXPECT(after[1] + 1000 < info[1]);
    EXPECT_EQ(set(name_a, 0, NULL, 0), SUCCESS);
    EXPECT_EQ(call(QUERY_VARIABLE_INFO, 0, P(&info[0]), P(&info[1]), P(&info[2]), 0),
              INVALID_PARAMETER);
    EXPECT_EQ(call(GET_NEXT_HIGH_MONOTONIC_COUNT, P(&first), 0, 0, 0, 0), SUCCESS);
    EXPECT_EQ(call(GET_NEXT_HIGH_MONOTONIC_COUNT, P(&second), 0, 0, 0, 0), SUCCESS);
    EXPECT_EQ(second, first + 1);
}

/* ---- where names and data may lie ---- */

#define WINDOW           0x2000000000ul /* of pages that lie there in any order */
#define AT(page, offset) ((void *)(WINDOW + (page)*PAGE + (offset)))

/* Pages 0 to 9 of the window: buffer's, backwards. */
static void map_backwards(void)
{
    for (unsigned i = 0; i < 10; i++) {
        mmu_map_page(WINDOW + i * PAGE, P(buffer) + (9 - i) * PAGE, PTE_NORMAL | PTE_PXN | PTE_UXN);
    }
}

static void fill(uint8_t *at, unsigned size, unsigned seed)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (uint8_t)(i * 31 + seed + (i >> 8));
    }
}

static bool filled(const uint8_t *at, unsigned size, unsigned seed)
{
    for (unsigned i = 0; i < size; i++) {
        if (at[i] != (uint8_t)(i * 31 + seed + (i >> 8))) {
            return false;
        }
    }
    return true;
}

TEST(across_pages)
{
    uint64_t size = MAX_DATA;

    EFI_ONLY;
    map_backwards();
    fill(AT(1, 0), MAX_DATA, 3);
    EXPECT_EQ(set(name_a, ALL, AT(1, 0), MAX_DATA), SUCCESS);
    fill(AT(0, 0), MAX_DATA, 9);
    EXPECT_EQ(get(name_a, NULL, &size, AT(0, 4001)), SUCCESS); /* at an odd address */
    EXPECT_EQ(size, MAX_DATA);
    EXPECT(filled(AT(0, 4001), MAX_DATA, 3));
    EXPECT(filled(AT(0, 0), 4001, 9));
    for (unsigned at = 4090; at <= 4096; at++) { /* every one of a name's bytes at a page's end */
        memcpy(AT(2, at), name_a, sizeof(name_a));
        memcpy(AT(4, at - 9), &vendor, sizeof(vendor));
        memcpy(AT(6, at - 3), &size, sizeof(size));
        EXPECT_EQ(call(GET_VARIABLE, P(AT(2, at)), P(AT(4, at - 9)), P(AT(5, at - 2)),
                       P(AT(6, at - 3)), 0),
                  INVALID_PARAMETER);
        EXPECT_EQ(call(GET_VARIABLE, P(AT(2, at)), P(AT(4, at - 9)), P(AT(5, at - 2)),
                       P(AT(6, at - 3)), P(buffer)),
                  SUCCESS);
        map_backwards();
        fill(AT(1, 0), MAX_DATA, 3);
        EXPECT_EQ(set(name_a, ALL, AT(1, 0), MAX_DATA), SUCCESS);
    }
    EXPECT_EQ(set(name_a, 0, NULL, 0), SUCCESS);
}

TEST(long_names)
{
    char16 *name = AT(0, 4095), *same = AT(3, 1001);
    uint64_t size = 8, next = 1024;
    char data[8];

    EFI_ONLY;
    map_backwards();
    memset(AT(0, 4095), 'n', 1025);
    EXPECT_EQ(set(name, ALL, "x", 1), INVALID_PARAMETER); /* no NUL so far */
    memset((char *)name + 1022, 0, 2);
    EXPECT_EQ(set(name, ALL, "x", 1), SUCCESS);
    EXPECT_EQ(get(name, NULL, &size, data), SUCCESS);
    memset(same, 0, 2);
    EXPECT_EQ(call(GET_NEXT_VARIABLE_NAME, P(&next), P(same), P(AT(4, 4090)), 0, 0), SUCCESS);
    EXPECT_EQ(next, 1024);
    EXPECT(!memcmp(same, name, 1024));
    /* A name that ends with its page's last bytes is not looked for in the next, which is not
     * there. */
    mmu_unmap_page(WINDOW + 9 * PAGE);
    memcpy(AT(8, 4090), name_b, sizeof(name_b));
    EXPECT_EQ(set(AT(8, 4090), ALL, "b", 1), SUCCESS);
    EXPECT_EQ(set(name_b, 0, NULL, 0), SUCCESS);
    EXPECT_EQ(set(name, 0, NULL, 0), SUCCESS);
}

/* ---- pointers to what is not the caller's ---- */

#define HOLE 0x30000000ul /* guest-physical: nothing is there */

enum { GONE = 16, READ_ONLY, DEVICE, NOWHERE, BEHIND_RAM, DEVICE_RAM, BADS };

static void map_bad_pages(void)
{
    mmu_unmap_page(WINDOW + GONE * PAGE);
    mmu_map_page(WINDOW + READ_ONLY * PAGE, P(buffer) + PAGE,
                 PTE_NORMAL | PTE_RO | PTE_PXN | PTE_UXN);
    mmu_map_page(WINDOW + DEVICE * PAGE, machine.uart, PTE_DEVICE);
    mmu_map_page(WINDOW + NOWHERE * PAGE, HOLE, PTE_NORMAL | PTE_PXN | PTE_UXN);
    mmu_map_page(WINDOW + BEHIND_RAM * PAGE, machine.ram_base + machine.ram_size,
                 PTE_NORMAL | PTE_PXN | PTE_UXN);
    mmu_map_page(WINDOW + DEVICE_RAM * PAGE, P(buffer) + 2 * PAGE, PTE_DEVICE);
}

static const struct {
    enum service service;
    unsigned argument;
    bool input; /* read alone: may be where nothing can be written */
} pointers[] = {
    {GET_TIME, 0, false},
    {GET_TIME, 1, false},
    {SET_TIME, 0, true},
    {GET_VARIABLE, 0, true},
    {GET_VARIABLE, 1, true},
    {GET_VARIABLE, 2, false},
    {GET_VARIABLE, 3, false},
    {GET_VARIABLE, 4, false},
    {SET_VARIABLE, 0, true},
    {SET_VARIABLE, 1, true},
    {SET_VARIABLE, 4, true},
    {GET_NEXT_VARIABLE_NAME, 0, false},
    {GET_NEXT_VARIABLE_NAME, 1, false},
    {GET_NEXT_VARIABLE_NAME, 2, false},
    {QUERY_VARIABLE_INFO, 1, false},
    {QUERY_VARIABLE_INFO, 2, false},
    {QUERY_VARIABLE_INFO, 3, false},
    {GET_NEXT_HIGH_MONOTONIC_COUNT, 0, false},
    {SET_VIRTUAL_ADDRESS_MAP, 3, true},
};
#define POINTERS (sizeof(pointers) / sizeof(pointers[0]))

/* A call of which only this pointer is wrong. */
static status call_with(unsigned which, uint64_t pointer)
{
    static struct time t = {2026, 11, 27, 14, 30, 0, 0, 0, 0x7ff, 0, 0};
    static char16 name[512];
    static struct guid who;
    static uint64_t size, info[3];
    uint64_t a[5] = {0, 0, 0, 0, 0};

    size = sizeof(name);
    memcpy(name, name_b, sizeof(name_b));
    who = vendor;
    switch (pointers[which].service) {
    case GET_TIME:
    case SET_TIME:
        a[0] = P(&t);
        break;
    case GET_VARIABLE:
        a[0] = P(name_b), a[1] = P(&vendor), a[3] = P(&size), a[4] = P(buffer);
        break;
    case SET_VARIABLE:
        a[0] = P(name_b), a[1] = P(&vendor), a[2] = ALL, a[3] = 64, a[4] = P(buffer);
        break;
    case GET_NEXT_VARIABLE_NAME:
        name[0] = 0;
        a[0] = P(&size), a[1] = P(name), a[2] = P(&who);
        break;
    case QUERY_VARIABLE_INFO:
        a[0] = ALL, a[1] = P(&info[0]), a[2] = P(&info[1]), a[3] = P(&info[2]);
        break;
    case SET_VIRTUAL_ADDRESS_MAP:
        a[0] = machine.efi_map_size, a[1] = sizeof(struct descriptor), a[2] = 1;
        break;
    default:
        break;
    }
    a[pointers[which].argument] = pointer;
    return call(pointers[which].service, a[0], a[1], a[2], a[3], a[4]);
}

TEST(wrong_pointers)
{
    EFI_ONLY;
    EXPECT_EQ(set(name_b, ALL, buffer, 64), SUCCESS);
    map_bad_pages();
    for (unsigned i = 0; i < POINTERS; i++) {
        for (unsigned page = GONE; page < BADS; page++) {
            if (page == READ_ONLY && pointers[i].input) {
                continue;
            }
            EXPECT_EQ(call_with(i, P(AT(page, 0))), INVALID_PARAMETER);
        }
        EXPECT_EQ(call_with(i, P(AT(GONE, -2))), INVALID_PARAMETER); /* begins in the page before */
        EXPECT_EQ(call_with(i, 0x8000000000), INVALID_PARAMETER);    /* beyond TTBR0's half */
        EXPECT_EQ(call_with(i, 0xffff000000000000), INVALID_PARAMETER);
        EXPECT_EQ(call_with(i, ~0ul), INVALID_PARAMETER);
    }
    EXPECT_EQ(set(name_b, 0, NULL, 0), SUCCESS); /* and it was not changed meanwhile */
}

TEST(what_may_only_be_read)
{
    uint64_t size = 64;

    EFI_ONLY;
    map_bad_pages();
    memcpy(buffer + PAGE, name_a, sizeof(name_a));
    memcpy(buffer + PAGE + 64, &vendor, sizeof(vendor));
    EXPECT_EQ(call(SET_VARIABLE, P(AT(READ_ONLY, 0)), P(AT(READ_ONLY, 64)), ALL, 8,
                   P(AT(READ_ONLY, 128))),
              SUCCESS);
    EXPECT_EQ(get(name_a, NULL, &size, AT(READ_ONLY, 0)), INVALID_PARAMETER);
    EXPECT_EQ(set(name_a, 0, NULL, 0), SUCCESS);
}

TEST(with_the_mmu_off)
{
    static const uint64_t bad[] = {0, HOLE, 0x9000000, 1ul << 40, 1ul << 52, ~0ul, ~0ul << 12};
    uint64_t size = MAX_DATA;
    struct time t;

    EFI_ONLY;
    mmu_off();
    EXPECT_EQ(call(GET_TIME, P(&t), 0, 0, 0, 0), SUCCESS);
    fill(buffer, MAX_DATA, 5);
    EXPECT_EQ(set(name_b, ALL, buffer, MAX_DATA), SUCCESS);
    memset(buffer, 0, sizeof(buffer));
    EXPECT_EQ(get(name_b, NULL, &size, buffer + 17), SUCCESS);
    EXPECT(size == MAX_DATA && filled(buffer + 17, MAX_DATA, 5));
    EXPECT_EQ(set(name_b, ALL, buffer, 64), SUCCESS);
    for (unsigned i = 0; i < POINTERS; i++) {
        bool optional = pointers[i].service == GET_TIME || pointers[i].service == GET_VARIABLE;

        for (unsigned k = optional ? 1 : 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
            EXPECT_EQ(call_with(i, bad[k]), INVALID_PARAMETER);
        }
        EXPECT_EQ(call_with(i, machine.ram_base + machine.ram_size - 1), INVALID_PARAMETER);
    }
    EXPECT_EQ(set(name_b, 0, NULL, 0), SUCCESS);
    mmu_on();
    EXPECT_EQ(call(GET_TIME, P(&t), 0, 0, 0, 0), SUCCESS);
}

/* ---- two CPUs ---- */

#define RACES 1500

static volatile unsigned failures, done;
static uint32_t counts[2][RACES];

static void race(uint64_t cpu)
{
    const char16 mine[] = {'R', (char16)('0' + cpu), 0}, shared[] = {'R', 'S', 0};
    uint8_t data[64];

    write_sysreg(cpacr_el1, 3ul << 20);
    for (unsigned i = 0; i < RACES; i++) {
        uint64_t size = sizeof(data);

        memset(data, (int)(i & 0x7f) | (int)(cpu << 7), sizeof(data));
        failures += set(mine, ALL, data, i % 63 + 1) != SUCCESS;
        failures += set(shared, ALL, data, sizeof(data)) != SUCCESS;
        failures += get(mine, NULL, &size, data) != SUCCESS || size != i % 63 + 1;
        size = sizeof(data);
        failures += get(shared, NULL, &size, data) != SUCCESS || size != sizeof(data);
        for (unsigned k = 1; k < sizeof(data); k++) { /* one CPU's whole */
            failures += data[k] != data[0];
        }
        failures += call(GET_NEXT_HIGH_MONOTONIC_COUNT, P(&counts[cpu][i]), 0, 0, 0, 0) != SUCCESS;
    }
    __atomic_fetch_add(&done, 1, __ATOMIC_RELEASE);
}

TEST(two_cpus)
{
    static const char16 mine[2][3] = {{'R', '0', 0}, {'R', '1', 0}}, shared[] = {'R', 'S', 0};

    EFI_ONLY;
    failures = done = 0;
    EXPECT_EQ(cpu_start(1, race, 1), PSCI_SUCCESS);
    race(0);
    EXPECT(wait_for(done == 2, 20000000));
    EXPECT(cpu_join(1));
    EXPECT_EQ(failures, 0);
    for (unsigned i = 0, k = 0; i < RACES;
         i++) { /* each count once: both ascend, and never are the same */
        while (k < RACES && counts[1][k] < counts[0][i]) {
            k++;
        }
        EXPECT(k == RACES || counts[1][k] != counts[0][i]);
    }
    EXPECT_EQ(set(mine[0], 0, NULL, 0) | set(mine[1], 0, NULL, 0) | set(shared, 0, NULL, 0),
              SUCCESS);
}

/* The other CPU changes name, size and mapping while this one calls. */
static struct {
    char16 name[512];
    uint64_t size;
    uint8_t data[PAGE];
} flipped __attribute__((aligned(PAGE)));
static volatile bool stop;

static void flip(uint64_t seed)
{
    volatile char16 *name = flipped.name;
    volatile uint64_t *size = &flipped.size;

    while (!stop) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        name[seed >> 60] = seed >> 40 & 1 ? 0 : 'F';
        *size = seed >> 33 & 2 ? ~0ul : seed >> 50;
        if (seed >> 32 & 4) {
            mmu_unmap_page(WINDOW + 2 * PAGE);
        } else {
            mmu_map_page(WINDOW + 2 * PAGE, P(flipped.data) & ~(PAGE - 1),
                         PTE_NORMAL | PTE_PXN | PTE_UXN);
        }
    }
}

TEST(changed_meanwhile)
{
    status s;
    unsigned good = 0;
    uint64_t size = 16;
    char16 name[16] = {0};
    struct guid who;

    EFI_ONLY;
    map_backwards();
    stop = false;
    EXPECT_EQ(cpu_start(1, flip, arg_u64("seed", 1)), PSCI_SUCCESS);
    for (unsigned i = 0; i < 4 * RACES || (good == 0 && i < 400 * RACES); i++) {
        uint64_t room = 16 + i % 1024;

        s = call(SET_VARIABLE, P(flipped.name), P(&vendor), ALL, room, P(AT(1, 4096 - i % 16)));
        EXPECT(s == SUCCESS || s == INVALID_PARAMETER || s == ERROR(9));
        good += s == SUCCESS;
        s = call(GET_VARIABLE, P(flipped.name), P(&vendor), 0, P(&flipped.size), P(AT(1, 3000)));
        EXPECT(s == SUCCESS || s == INVALID_PARAMETER || s == NOT_FOUND || s == BUFFER_TOO_SMALL);
        s = call(GET_NEXT_VARIABLE_NAME, P(&flipped.size), P(flipped.name), P(AT(1, 4088)), 0, 0);
        EXPECT(s == SUCCESS || s == INVALID_PARAMETER || s == NOT_FOUND || s == BUFFER_TOO_SMALL);
    }
    stop = true;
    EXPECT(cpu_join(1));
    EXPECT(good != 0);
    while (call(GET_NEXT_VARIABLE_NAME, P(&size), P(name), P(&who), 0, 0) ==
           SUCCESS) { /* what it left */
        EXPECT_EQ(call(SET_VARIABLE, P(name), P(&who), 0, 0, 0), SUCCESS);
        name[0] = 0;
        size = sizeof(name);
    }
}

/* ---- virtual addresses ---- */

static struct descriptor map[8];

static status set_map(unsigned count, uint32_t version)
{
    return call(SET_VIRTUAL_ADDRESS_MAP, count * sizeof(map[0]), sizeof(map[0]), version, P(map),
                0);
}

static void make_map(uint64_t code, uint64_t data)
{
    map[0] = *region(DATA);
    map[1] = *region(CODE);
    map[0].virtual = data;
    map[1].virtual = code;
}

TEST(wrong_address_maps)
{
    uint64_t pointer;

    EFI_ONLY;
    pointer = region(CODE)->physical;
    EXPECT_EQ(call(CONVERT_POINTER, 0, P(&pointer), 0, 0, 0), UNSUPPORTED);
    make_map(0x10000000, 0x20000000);
    EXPECT_EQ(set_map(2, 0), INVALID_PARAMETER);
    EXPECT_EQ(set_map(0, 1), INVALID_PARAMETER);
    EXPECT_EQ(call(SET_VIRTUAL_ADDRESS_MAP, 79, 40, 1, P(map), 0), INVALID_PARAMETER);
    EXPECT_EQ(call(SET_VIRTUAL_ADDRESS_MAP, 80, 8, 1, P(map), 0), INVALID_PARAMETER);
    EXPECT_EQ(call(SET_VIRTUAL_ADDRESS_MAP, 80, 0, 1, P(map), 0), INVALID_PARAMETER);
    EXPECT_EQ(call(SET_VIRTUAL_ADDRESS_MAP, ~0ul, ~0ul, 1, P(map), 0), INVALID_PARAMETER);
    EXPECT_EQ(set_map(1, 1), NO_MAPPING);
    map[1].virtual += 8;
    EXPECT_EQ(set_map(2, 1), INVALID_PARAMETER);
    map[1].virtual = ~0ul << 12;
    EXPECT_EQ(set_map(2, 1), INVALID_PARAMETER);
    make_map(0x10000000, 0x20000000);
    map[1].pages = 1;
    EXPECT_EQ(set_map(2, 1), NOT_FOUND);
    map[1] = *region(CODE);
    map[2] = (struct descriptor){CODE, 0, 0x123000, 0, 1, RUNTIME};
    EXPECT_EQ(set_map(3, 1), NOT_FOUND);
    EXPECT_EQ(call(CONVERT_POINTER, 0, P(&pointer), 0, 0, 0), UNSUPPORTED);
    EXPECT_EQ(((const struct services *)table()->runtime)->service[0], stub[0]);
}

static void check_converted(uint64_t physical, status want, uint64_t converted)
{
    uint64_t pointer = physical;

    EXPECT_EQ(call(CONVERT_POINTER, 0, P(&pointer), 0, 0, 0), want);
    EXPECT_EQ(pointer, converted);
}

TEST(virtual_addresses)
{
    uint64_t code = arg_flag("garbage") ? 0xdead00000000f000 : 0x3000000000;
    uint64_t data = arg_flag("garbage") ? 0x000000000000b000 : 0x3000400000;
    uint64_t pointer = 0;
    struct time t;

    EFI_ONLY;
    make_map(code, data);
    EXPECT_EQ(set_map(2, 1), SUCCESS);
    EXPECT_EQ(set_map(2, 1), UNSUPPORTED);
    uint64_t offset = table()->runtime - data;
    EXPECT(offset < region(DATA)->pages * PAGE);
    const struct services *s = (const struct services *)(region(DATA)->physical + offset);
    for (unsigned i = 0; i < SERVICES; i++) {
        EXPECT_EQ(s->service[i], code + 16 * i);
    }
    check_converted(region(CODE)->physical + 0x123, SUCCESS, code + 0x123);
    check_converted(region(DATA)->physical, SUCCESS, data);
    check_converted(0x1234, NOT_FOUND, 0x1234);
    EXPECT_EQ(call(CONVERT_POINTER, 0, P(&pointer), 0, 0, 0), INVALID_PARAMETER);
    EXPECT_EQ(call(CONVERT_POINTER, 1, P(&pointer), 0, 0, 0), SUCCESS);
    EXPECT_EQ(call(CONVERT_POINTER, 1, 0, 0, 0, 0), INVALID_PARAMETER);
    EXPECT_EQ(call(GET_TIME, P(&t), 0, 0, 0, 0), SUCCESS); /* where they were */
    if (!arg_flag("garbage")) {
        mmu_map_page(code, region(CODE)->physical, PTE_NORMAL | PTE_RO);
        for (unsigned i = 0; i < SERVICES; i++) {
            stub[i] = s->service[i];
        }
    }
    EXPECT_EQ(call(GET_TIME, P(&t), 0, 0, 0, 0), SUCCESS);
    EXPECT_EQ(set(name_a, ALL, "v", 1), SUCCESS);
    EXPECT_EQ(set(name_a, 0, NULL, 0), SUCCESS);
}
