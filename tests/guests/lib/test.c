// SPDX-License-Identifier: Apache-2.0
#include "lib/test.h"

#include "lib/psci.h"

#define REASON_SIZE 200

extern const struct test __tests_start[], __tests_end[];
_Noreturn void guest_boot(const void *dtb);

static char suite[32] = GUEST_NAME;
static const struct test *running;
static char reason[REASON_SIZE];
static volatile enum { OUTCOME_PASS, OUTCOME_SKIP, OUTCOME_FAIL } outcome;
static unsigned passed, failed;

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    size_t len;

    if (outcome == OUTCOME_FAIL) {
        return;
    }
    len = format(reason, sizeof(reason), "%s:%d: ", file, line);
    va_start(ap, fmt);
    vformat(reason + len, sizeof(reason) - len, fmt, ap);
    va_end(ap);
    outcome = OUTCOME_FAIL;
}

void test_skip(const char *why)
{
    if (outcome == OUTCOME_PASS) {
        format(reason, sizeof(reason), "%s", why);
        outcome = OUTCOME_SKIP;
    }
}

static void report(void)
{
    static const char *const verdicts[] = {"PASS", "SKIP", "FAIL"};

    print("TEST %s.%s ... %s%s%s\n", suite, running->name, verdicts[outcome],
          outcome == OUTCOME_PASS ? "" : " ", outcome == OUTCOME_PASS ? "" : reason);
    passed += outcome == OUTCOME_PASS;
    failed += outcome == OUTCOME_FAIL;
}

static _Noreturn void finish(void)
{
    print("RESULT %u passed, %u failed (%s)\n", passed, failed, suite);
    psci_system_off();
}

void test_abort(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vformat(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    outcome = OUTCOME_FAIL;
    report();
    finish();
}

static void run_body(uint64_t test)
{
    ((const struct test *)test)->fn();
}

static void run_one(void)
{
    struct exc_info info;

    outcome = OUTCOME_PASS;
    if (expect_exception(&info, run_body, (uint64_t)running)) {
        test_fail("exception", (int)info.vector, "ESR 0x%lx FAR 0x%lx ELR 0x%lx", info.esr,
                  info.far, info.elr);
    }
    irq_disable();
    report();
}

void guest_boot(const void *dtb)
{
    char only[32];
    bool some = false;

    cpu_init(0);
    machine_read(dtb);
    arg_text("suite", suite, sizeof(suite));
    some = arg_text("only", only, sizeof(only));
    for (running = __tests_start; running < __tests_end; running++) {
        if (some && strncmp(running->name, only, sizeof(only))) {
            continue;
        }
        run_one();
    }
    finish();
}
