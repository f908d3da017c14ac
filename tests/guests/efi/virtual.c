// SPDX-License-Identifier: Apache-2.0
// SetVirtualAddressMap() and ConvertPointer(). The last file: the stubs move.
#include "efi/efi.h"

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
