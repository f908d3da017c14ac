// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

// Gives the functions their host names, so that from here on memcpy() and so on are those under
// test.
#include "lib/string.c"

#define ROOM 512

static unsigned char expected[ROOM], actual[ROOM];

static void fill(void)
{
    for (size_t i = 0; i < ROOM; i++) {
        expected[i] = actual[i] = (unsigned char)(i * 7 + i / 64 + 1);
    }
}

static void check_same(size_t to, size_t from, size_t n)
{
    for (size_t i = 0; i < ROOM; i++) {
        if (expected[i] != actual[i]) {
            fail_msg("to %zu from %zu, %zu bytes: byte %zu", to, from, n, i);
        }
    }
}

// All pairs of alignments, and sizes on both sides of every loop's step.
static void test_memcpy(void **state)
{
    (void)state;
    for (size_t to = 0; to < 16; to++) {
        for (size_t from = 0; from < 16; from++) {
            for (size_t n = 0; n < 200; n++) {
                fill();
                for (size_t i = 0; i < n; i++) {
                    expected[to + i] = actual[256 + from + i];
                }
                assert_ptr_equal(memcpy(actual + to, actual + 256 + from, n), actual + to);
                check_same(to, 256 + from, n);
            }
        }
    }
}

static void check_memmove(size_t to, size_t from, size_t n)
{
    unsigned char copy[ROOM];
    fill();
    for (size_t i = 0; i < n; i++) {
        copy[i] = actual[from + i];
    }
    for (size_t i = 0; i < n; i++) {
        expected[to + i] = copy[i];
    }
    assert_ptr_equal(memmove(actual + to, actual + from, n), actual + to);
    check_same(to, from, n);
}

static void test_memmove(void **state)
{
    (void)state;
    for (size_t to = 0; to < 90; to++) {
        for (size_t from = 32; from < 50; from++) {
            for (size_t n = 0; n < 170; n += n < 40 ? 1 : 7) {
                check_memmove(to, from, n);
            }
        }
    }
}

static void test_memset(void **state)
{
    (void)state;
    for (size_t to = 0; to < 16; to++) {
        for (size_t n = 0; n < 300; n++) {
            fill();
            for (size_t i = 0; i < n; i++) {
                expected[to + i] = 0xc3;
            }
            assert_ptr_equal(memset(actual + to, 0x1c3, n), actual + to);
            check_same(to, 0, n);
        }
    }
}

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void test_memcmp(void **state)
{
    (void)state;
    for (size_t a = 0; a < 9; a++) {
        for (size_t b = 0; b < 9; b++) {
            for (size_t n = 1; n < 40; n++) {
                memset(actual, 0x80, ROOM);
                assert_int_equal(memcmp(actual + a, actual + 128 + b, n), 0);
                actual[a + n] = 1; // beyond
                actual[a + n - 1] = 0x7f;
                assert_int_equal(sign(memcmp(actual + a, actual + 128 + b, n)), -1);
                assert_int_equal(sign(memcmp(actual + 128 + b, actual + a, n)), 1);
                assert_int_equal(memcmp(actual + a, actual + 128 + b, n - 1), 0);
            }
        }
    }
}

// Each on memory of exactly its size: ASan sees a byte too far.
static void test_bounds(void **state)
{
    (void)state;
    for (size_t n = 1; n < 150; n++) {
        unsigned char *a = malloc(n), *b = malloc(n);
        memset(a, 1, n);
        memcpy(b, a, n);
        memmove(b, a, n);
        memcpy(b, a + n % 8, n - n % 8); // of another alignment, to the end of both
        memcpy(b + n % 8, a, n - n % 8);
        assert_int_equal(memcmp(a, b, n), 0);
        assert_null(memchr(a, 2, n));
        assert_ptr_equal(memchr(a, 1 + 256, n), a);
        assert_int_equal(strnlen((char *)a, n), n);
        a[n - 1] = '\0';
        assert_int_equal(strlen((char *)a), n - 1);
        assert_int_equal(strnlen((char *)a, n + 1), n - 1);
        assert_ptr_equal(strchr((char *)a, '\0'), a + n - 1);
        free(a);
        free(b);
    }
}

static void test_strings(void **state)
{
    (void)state;
    assert_int_equal(strcmp("", ""), 0);
    assert_int_equal(strcmp("abc", "abc"), 0);
    assert_int_equal(sign(strcmp("abc", "abd")), -1);
    assert_int_equal(sign(strcmp("abc", "ab")), 1);
    assert_int_equal(sign(strcmp("\x80", "\x7f")), 1);
    assert_int_equal(strncmp("abc", "abd", 2), 0);
    assert_int_equal(sign(strncmp("abc", "abd", 3)), -1);
    assert_int_equal(strncmp("ab", "ab\0x", 9), 0);
    const char *path = "/a/b@1/c";
    assert_ptr_equal(strchr(path, '/'), path);
    assert_ptr_equal(strchr(path, '@'), path + 4);
    assert_null(strchr(path, 'x'));
    assert_ptr_equal(strrchr(path, '/'), path + 6);
    assert_ptr_equal(strrchr(path, '\0'), path + 8);
    assert_null(strrchr(path, 'x'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memcpy), cmocka_unit_test(test_memmove),
        cmocka_unit_test(test_memset), cmocka_unit_test(test_memcmp),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
