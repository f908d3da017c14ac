// SPDX-License-Identifier: Apache-2.0
// Guests' random bits: the cipher, the generator, and where its seed comes from.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/boot.h"
#include "cpu/features.h"
#include "dts.h"
#include "fake_random.h"
#include "lib/chacha20.h"
#include "lib/log.h"

#include <libfdt.h>

// The file itself, so that each test can begin with an empty generator.
#include "cpu/drbg.c"

static unsigned lines;

void log_info(const char *fmt, ...)
{
    (void)fmt;
    lines++;
}

static int empty(void **state)
{
    (void)state;
    memset(key, 0, sizeof(key));
    ready = false;
    features.rndr = false;
    lines = 0;
    return 0;
}

// RFC 8439, 2.3.2.
static void test_block(void **state)
{
    static const uint8_t stream[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
    static const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
    uint8_t rfc_key[32], out[64];
    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        rfc_key[i] = (uint8_t)i;
    }
    chacha20_block(rfc_key, 1, nonce, out);
    assert_memory_equal(out, stream, 64);
}

static void test_nothing_without_a_seed(void **state)
{
    uint8_t out[4] = {1, 2, 3, 4};
    (void)state;
    drbg_add("0123456789012345678901234567890", 31);
    assert_false(drbg_ready());
    assert_false(drbg_read(out, sizeof(out)));
    assert_memory_equal(out, "\1\2\3\4", 4);
}

// The same seed gives the same bits; each read others, of any length.
static void test_reads(void **state)
{
    static uint8_t out[2][7][256];
    static const size_t sizes[] = {8, 1, 32, 33, 96, 97, 256};
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        empty(NULL);
        drbg_add("01234567890123456789012345678901", 32);
        assert_true(drbg_ready());
        for (unsigned i = 0; i < 7; i++) {
            uint8_t before[32];
            memcpy(before, key, 32);
            assert_true(drbg_read(out[round][i], sizes[i]));
            assert_memory_not_equal(key, before, 32);
        }
    }
    assert_memory_equal(out[0], out[1], sizeof(out[0]));
    for (unsigned i = 2; i < 7; i++) {
        for (unsigned j = 2; j < i; j++) {
            assert_memory_not_equal(out[0][i], out[0][j], 32);
        }
    }
    assert_memory_not_equal(out[0][6], out[0][6] + 128, 128);
}

// What is kept tells nothing of what was given out: the key is not among it, nor the old one.
static void test_key_is_erased(void **state)
{
    uint8_t out[96], before[32];
    (void)state;
    drbg_add("01234567890123456789012345678901", 32);
    memcpy(before, key, 32);
    assert_true(drbg_read(out, sizeof(out)));
    for (unsigned at = 0; at + 32 <= sizeof(out); at++) {
        assert_memory_not_equal(out + at, key, 32);
        assert_memory_not_equal(out + at, before, 32);
    }
}

#define TREE(text) "/dts-v1/; / { chosen { " text " }; };"
#define SEED       "rng-seed = [000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"

static void seed_from(const char *source, uint64_t *first)
{
    size_t size;
    void *fdt = compile_dts(source, &size);
    int len;
    empty(NULL);
    entropy_init(fdt);
    *first = 0;
    (void)drbg_read(first, sizeof(*first));
    int chosen = fdt_path_offset(fdt, "/chosen");
    const uint8_t *left = fdt_getprop(fdt, chosen, "rng-seed", &len);
    for (int i = 0; i < len; i++) {
        assert_int_equal(left[i], 0);
    }
    left = fdt_getprop(fdt, chosen, "kaslr-seed", &len);
    for (int i = 0; i < len; i++) {
        assert_int_equal(left[i], 0);
    }
    free(fdt);
}

static void test_seed_of_the_tree(void **state)
{
    uint64_t first, second, third;
    (void)state;
    seed_from(TREE(SEED "00];"), &first);
    assert_true(drbg_ready());
    assert_int_equal(lines, 0);
    seed_from(TREE(SEED "01];"), &second);
    seed_from(TREE(SEED "00]; kaslr-seed = <1 2>;"), &third);
    assert_true(first != second && first != third && second != third && first != 0);
}

static void test_no_seed(void **state)
{
    static const char *const trees[] = {
        TREE(""),        TREE("rng-seed = [01 02 03 04];"), TREE("rng-seed;"),
        TREE(SEED "];"), TREE("kaslr-seed = <1 2>;"),       "/dts-v1/; / { };"};
    uint64_t first;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
        seed_from(trees[i], &first);
        assert_false(drbg_ready());
        assert_int_equal(lines, 1);
    }
}

static void test_the_cpus_own(void **state)
{
    size_t size;
    void *fdt = compile_dts(TREE(""), &size);
    (void)state;
    features.rndr = true;
    fake_random_next = 1;
    fake_random_last = UINT64_MAX;
    entropy_init(fdt);
    assert_true(drbg_ready());
    assert_int_equal(fake_random_next, 5);
    empty(NULL);
    features.rndr = true;
    entropy_init(NULL);
    assert_true(drbg_ready());
    empty(NULL);
    features.rndr = true;
    fake_random_last = 0; // it has run dry
    entropy_init(fdt);
    assert_false(drbg_ready());
    free(fdt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_block, empty),
        cmocka_unit_test_setup(test_nothing_without_a_seed, empty),
        cmocka_unit_test_setup(test_reads, empty),
        cmocka_unit_test_setup(test_key_is_erased, empty),
        cmocka_unit_test_setup(test_seed_of_the_tree, empty),
        cmocka_unit_test_setup(test_no_seed, empty),
        cmocka_unit_test_setup(test_the_cpus_own, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
