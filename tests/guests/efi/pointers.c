// SPDX-License-Identifier: Apache-2.0
// Where names and data may lie, and pointers to what is not the caller's.
#include "efi/efi.h"

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
    {GET_WAKEUP_TIME, 0, false},
    {GET_WAKEUP_TIME, 1, false},
    {GET_WAKEUP_TIME, 2, false},
    {SET_WAKEUP_TIME, 1, true},
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
    static uint8_t flags[2];
    uint64_t a[5] = {0, 0, 0, 0, 0};

    size = sizeof(name);
    memcpy(name, name_b, sizeof(name_b));
    who = vendor;
    switch (pointers[which].service) {
    case GET_TIME:
    case SET_TIME:
        a[0] = P(&t);
        break;
    case GET_WAKEUP_TIME:
        a[0] = P(&flags[0]), a[1] = P(&flags[1]), a[2] = P(&t);
        break;
    case SET_WAKEUP_TIME:
        a[0] = 1;
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
        bool byte = pointers[i].service == GET_WAKEUP_TIME && pointers[i].argument < 2;
        EXPECT_EQ(call_with(i, machine.ram_base + machine.ram_size - !byte), INVALID_PARAMETER);
    }
    EXPECT_EQ(set(name_b, 0, NULL, 0), SUCCESS);
    mmu_on();
    EXPECT_EQ(call(GET_TIME, P(&t), 0, 0, 0, 0), SUCCESS);
}
