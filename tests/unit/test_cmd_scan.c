// SPDX-License-Identifier: Apache-2.0
// The monitor's commands that go through a VM's memory, a piece at a time: scan, watch and dump.
#include "mon_operator.h"

// One at a time; what it finds is in other tests.
static void test_scan(void **state)
{
    (void)state;
    vms[0].state = VM_RUNNING;
    assert_answer(
        "scan alpha 0x1000",
        "scan alpha 0x1000: it is START+SIZE, --user, --kernel, --ttbr, --host or --stop\n");
    assert_answer("scan alpha 0xffffffffffffffff+2",
                  "scan alpha 0xffffffffffffffff+2: it is START+SIZE, --user, --kernel, --ttbr, "
                  "--host or --stop\n");
    assert_answer("scan alpha 0x1000+1 --kernel", "scan alpha 0x1000+1: that is an empty range\n");
    assert_null(queued);
    assert_answer("scan alpha 0xffffffffffffffff+1 --kernel", "");
    assert_non_null(queued);
    assert_answer("scan alpha", "scan alpha: a scan of alpha goes on; --stop ends it\n");
    assert_false(queued->step(queued)); // sched_borrow() says that it is off
    queued = NULL;
    assert_answer("scan alpha --stop", "scan alpha: there is no scan of it\n");
    assert_answer("scan alpha --user", "");
    assert_answer("scan beta --stop", "scan beta: there is no scan of it\n");
    assert_answer("scan alpha --stop", "");
    assert_false(queued->step(queued));
    queued = NULL;
    assert_answer("scan alpha --ttbr", "scan alpha --ttbr: --ttbr takes a TTBR0_EL1 or, with "
                                       "--kernel, a TTBR1_EL1\n");
    assert_answer("scan alpha --ttbr 0x1000",
                  "scan alpha --ttbr: no table in alpha's RAM begins at that TTBR\n");
    assert_answer("scan alpha --ttbr 0x40000008",
                  "scan alpha --ttbr: no table in alpha's RAM begins at that TTBR\n");
    assert_null(queued);
    vms[0].state = VM_OFF;
    assert_answer("scan alpha", "scan alpha: alpha is off\n");
}

// A run that ends the range is told, however many come before it in the same piece of work.
static void test_all_that_a_scan_finds(void **state)
{
    (void)state;
    vms[0].state = VM_RUNNING;
    for (to_tell = 1; to_tell < 20; to_tell++) {
        char last[64];

        queued = NULL;
        runs_told = 0;
        assert_answer("scan alpha", "");
        while (queued->step(queued)) {
        }
        assert_int_equal(runs_told, to_tell);
        snprintf(last, sizeof(last), "0x%x+0x1000 -> ", (to_tell - 1) * 0x2000);
        assert_non_null(strstr(output, last));
        snprintf(last, sizeof(last), "scan: alpha: done; %u runs", to_tell);
        assert_non_null(strstr(output, last));
    }
    to_tell = 0;
}

static void test_watch_and_dump(void **state)
{
    (void)state;
    vms[0].state = VM_RUNNING;
    queued = NULL;
    assert_answer("watch alpha", "");
    assert_answer("watch alpha 0x1800+0x1000",
                  "watch alpha 0x1800+0x1000: a range is START+SIZE, both multiples of 0x1000\n");
    assert_answer("watch alpha 0xfffffffffffff000+0x2000",
                  "watch alpha 0xfffffffffffff000+0x2000: a range is START+SIZE, both multiples of "
                  "0x1000\n");
    assert_answer("watch alpha 0x1000+0x1000 fault",
                  "watch alpha 0x1000+0x1000 fault: it is log or pause\n");
    assert_null(queued);
    assert_answer("watch alpha 0x1000+0x1000 pause", "");
    assert_answer("watch alpha 0x1000+0x1000",
                  "watch alpha: a range of alpha is still being looked for code\n");
    assert_answer("unwatch alpha", "");
    assert_false(queued->step(queued));
    assert_non_null(strstr(output, "watch: alpha: stopped; nothing is watched"));
    assert_answer("watch alpha 0x1000+0x1000 pause", "");
    assert_answer("unwatch beta", "");
    assert_false(queued->step(queued));
    assert_non_null(strstr(output, "watch: alpha: its vCPU is off; nothing is watched"));
    queued = NULL;
    assert_answer("dump alpha --end", "dump alpha: there is no dump of it\n");
    assert_answer("dump alpha --stop", "dump alpha --stop: it is --end\n");
    assert_answer("dump alpha", "dump alpha: no memory for the headers\n");
    assert_null(queued);
    vms[0].state = VM_OFF;
    assert_answer("watch alpha 0x1000+0x1000", "watch alpha: alpha is off\n");
    assert_answer("dump alpha", "dump alpha: alpha is off\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_scan, start),
        cmocka_unit_test_setup(test_watch_and_dump, start),
        cmocka_unit_test_setup(test_all_that_a_scan_finds, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
