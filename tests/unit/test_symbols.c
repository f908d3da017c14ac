// SPDX-License-Identifier: Apache-2.0
// Looking addresses up in the table of function names.
#include "lib/symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#pragma clang diagnostic ignored "-Wmissing-variable-declarations"

// The linker script's symbols: an image whose code is 0x100 bytes, its first function at 0x10.
__asm__(".globl image_start, image_text_end\n"
        ".data\n"
        "image_start: .skip 0x100\n"
        "image_text_end: .skip 1\n"
        ".text\n");
extern const char image_start[];

const uint32_t symbol_table[] = {3,  0x10,       0x20,       0x80,       0,         6,
                                 10, 0x73726966, 0x65730074, 0x68740063, 0x00647269};

static void assert_found(uint64_t at, const char *expected, uint64_t expected_offset)
{
    const char *name;
    uint64_t offset;
    assert_true(symbol_find((uint64_t)(uintptr_t)image_start + at, &name, &offset));
    assert_string_equal(name, expected);
    assert_int_equal(offset, expected_offset);
}

static void assert_not_found(uint64_t address)
{
    const char *name;
    uint64_t offset;
    assert_false(symbol_find(address, &name, &offset));
}

static void test_find(void **state)
{
    (void)state;
    assert_found(0x10, "first", 0);
    assert_found(0x1f, "first", 15);
    assert_found(0x20, "sec", 0);
    assert_found(0x7f, "sec", 0x5f);
    assert_found(0x80, "third", 0);
    assert_found(0xff, "third", 0x7f);
}

static void test_outside(void **state)
{
    (void)state;
    assert_not_found(0);
    assert_not_found((uint64_t)(uintptr_t)image_start - 1);
    assert_not_found((uint64_t)(uintptr_t)image_start + 0xf);
    assert_not_found((uint64_t)(uintptr_t)image_start + 0x100);
    assert_not_found(~UINT64_C(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
