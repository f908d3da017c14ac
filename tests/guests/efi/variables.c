// SPDX-License-Identifier: Apache-2.0
// Variables, their names, and the room for them.
#include "efi/efi.h"

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
