// SPDX-License-Identifier: Apache-2.0
// SVE registers in memory, and which vector lengths CPUs have in common.
#include "cpu/sve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fp_regs fp;

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(fp.v); i++) {
        ((uint8_t *)fp.v)[i] = (uint8_t)(i * 7 + 1);
    }
    return 0;
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(sve_area_size(16), 32 * 16 + 17 * 2);
    assert_int_equal(sve_area_size(256), 32 * 256 + 17 * 32);
}

static void wide_and_narrow(void **state)
{
    (void)state;
    for (unsigned length = 16; length <= 256; length += 16) {
        struct fp_regs back;
        size_t size = sve_area_size(length);
        uint8_t *area = malloc(size);
        memset(area, 0xa5, size);
        sve_widen(area, length, &fp);
        for (unsigned n = 0; n < 32; n++) {
            assert_memory_equal(area + n * length, &fp.v[n], 16);
            for (unsigned i = 16; i < length; i++) {
                assert_int_equal(area[n * length + i], 0);
            }
        }
        for (size_t i = 32 * (size_t)length; i < size; i++) {
            assert_int_equal(area[i], 0);
        }
        memset(&back, 0, sizeof(back));
        sve_narrow(&back, area, length);
        assert_memory_equal(back.v, fp.v, sizeof(fp.v));
        free(area);
    }
}

static void a_write_clears_what_is_above(void **state)
{
    uint8_t area[32 * 32 + 17 * 4];
    (void)state;
    memset(area, 0xa5, sizeof(area));
    sve_write_vector(area, 32, 31, &fp);
    assert_memory_equal(area + 31 * 32, &fp.v[31], 16);
    for (unsigned i = 0; i < sizeof(area); i++) {
        if (i < 31 * 32 || i >= 32 * 32) {
            assert_int_equal(area[i], 0xa5);
        } else if (i >= 31 * 32 + 16) {
            assert_int_equal(area[i], 0);
        }
    }
}

static void common_lengths(void **state)
{
    (void)state;
    assert_int_equal(sve_common_lengths(0xffff, 0xffff), 0xffff);
    assert_int_equal(sve_common_lengths(0x8b, 0x0b), 0x0b); // 16, 32, 64 and on one 128 bytes
    assert_int_equal(sve_common_lengths(0x0b, 0x0f), 0x03); // 48 on one only: 64 differs below it
    assert_int_equal(sve_common_lengths(0x01, 0x03), 0x01);
    assert_int_equal(sve_common_lengths(0x03, 0x00), 0x00); // the other has no SVE
    assert_int_equal(sve_longest(0xffff), 256);
    assert_int_equal(sve_longest(0x0b), 64);
    assert_int_equal(sve_longest(0x01), 16);
    assert_int_equal(sve_longest(0x00), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sizes, setup),
        cmocka_unit_test_setup(wide_and_narrow, setup),
        cmocka_unit_test_setup(a_write_clears_what_is_above, setup),
        cmocka_unit_test(common_lengths),
    };
    return cmocka_run_group_tests_name("sve", tests, NULL, NULL);
}
