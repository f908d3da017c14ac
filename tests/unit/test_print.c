// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/error.h"
#include "lib/print.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char ours[256], theirs[256];

// The C library is the oracle.
#define SAME(...)                                                 \
    do {                                                          \
        size_t len = format(ours, sizeof(ours), __VA_ARGS__);     \
        int want = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
        assert_string_equal(ours, theirs);                        \
        assert_int_equal(len, want);                              \
    } while (0)

static void test_numbers(void **state)
{
    (void)state;
    static const int values[] = {0, 1, -1, 9, 10, -10, 4096, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        SAME("%d|%i|%u|%x|%X", values[i], values[i], (unsigned)values[i], (unsigned)values[i],
             (unsigned)values[i]);
        SAME("%5d|%-5d|%05d|%12d|%-12d|%012d", values[i], values[i], values[i], values[i],
             values[i], values[i]);
        SAME("%8x|%-8x|%08x|%16x", (unsigned)values[i], (unsigned)values[i], (unsigned)values[i],
             (unsigned)values[i]);
    }
}

static void test_lengths(void **state)
{
    (void)state;
    SAME("%ld %lu %lx", LONG_MIN, ULONG_MAX, ULONG_MAX);
    SAME("%lld %llu %llx", LLONG_MIN, ULLONG_MAX, ULLONG_MAX);
    SAME("%zu %zx", SIZE_MAX, SIZE_MAX);
    SAME("%hu %hhu %hx %hhx", (unsigned short)65535, (unsigned char)255, (unsigned short)0xfedc,
         (unsigned char)0xba);
    SAME("%hd %hhd", (short)-5, (signed char)-6);
    SAME("%016lx %020ld", 0xabcdeful, -17l);
}

static void test_strings(void **state)
{
    (void)state;
    SAME("%s|%10s|%-10s|%.2s|%5.1s|%-5.1s", "abc", "abc", "abc", "abc", "abc", "abc");
    SAME("%.*s|%*s|%-*s", 2, "abc", 6, "abc", 6, "abc");
    SAME("%c%c%3c|%-3c|", 'a', 'b', 'c', 'd');
    SAME("100%% of %s", "it");
    SAME("%s", "");
    char unterminated[3] = {'x', 'y', 'z'};
    SAME("%.3s", unterminated);
    const char *null = NULL;
    format(ours, sizeof(ours), "%s", null);
    assert_string_equal(ours, "(null)");
    format(ours, sizeof(ours), "%p", (void *)(uintptr_t)0x1234);
    assert_string_equal(ours, "0x1234");
}

// The result is cut, ends in NUL, and its whole length is told.
static void test_small_buffers(void **state)
{
    (void)state;
    for (size_t size = 0; size < 20; size++) {
        char *exact = malloc(size + 1);
        exact[size] = '!';
        assert_int_equal(format(exact, size, "%s-%04x", "abcdef", 0x12u), 11);
        assert_int_equal(exact[size], '!');
        if (size > 0) {
            assert_int_equal(strlen(exact), size - 1 < 11 ? size - 1 : 11);
            assert_memory_equal(exact, "abcdef-0012", strlen(exact));
        }
        free(exact);
    }
}

static void test_wide_fields(void **state)
{
    (void)state;
    char wide[512];
    assert_int_equal(format(wide, sizeof(wide), "%300d", 5), 300);
    assert_int_equal(strlen(wide), 300);
    // More zeros than the number's buffer holds are cut short, not written beyond it.
    assert_true(format(wide, sizeof(wide), "%0300d", -5) <= 300);
    assert_true(format(wide, sizeof(wide), "%*d", -300, 5) <= 300);
}

static void test_error_texts(void **state)
{
    (void)state;
    for (int err = -20; err < 5; err++) {
        assert_true(strlen(error_text(err)) > 0);
    }
    assert_string_equal(error_text(ERR_NOMEM), "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),     cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_strings),     cmocka_unit_test(test_small_buffers),
        cmocka_unit_test(test_wide_fields), cmocka_unit_test(test_error_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
