// SPDX-License-Identifier: Apache-2.0
// Tests of a payload. Each prints one line, `TEST suite.name ... PASS|FAIL|SKIP reason`; the
// payload ends with `RESULT n passed, m failed (suite)` and powers its machine off.
#pragma once

#include "lib/cpu.h"
#include "lib/machine.h"
#include "lib/print.h"

struct test {
    const char *name;
    void (*fn)(void);
};

#define TEST(ident)                                                       \
    static void test_##ident(void);                                       \
    static const struct test registered_##ident                           \
        __attribute__((used, section("tests"))) = {#ident, test_##ident}; \
    static void test_##ident(void)

/* Notes the first failure of the running test, from any CPU. */
void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void test_skip(const char *why);

/* Ends the payload at once with the running test failed. */
_Noreturn void test_abort(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Inside TEST bodies and other void functions only: they return at the first failure. */
#define EXPECT(cond)                                         \
    do {                                                     \
        if (!(cond)) {                                       \
            test_fail(__FILE_NAME__, __LINE__, "%s", #cond); \
            return;                                          \
        }                                                    \
    } while (0)

#define EXPECT_EQ(got, want)                                                                 \
    do {                                                                                     \
        uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);                           \
        if (got_ != want_) {                                                                 \
            test_fail(__FILE_NAME__, __LINE__, "%s is 0x%lx, not 0x%lx", #got, got_, want_); \
            return;                                                                          \
        }                                                                                    \
    } while (0)

#define SKIP_UNLESS(cond, why) \
    do {                       \
        if (!(cond)) {         \
            test_skip(why);    \
            return;            \
        }                      \
    } while (0)

/* Runs on a Newel that must meet its own promises, not on any other machine. */
#define strict() arg_flag("newel")
