// SPDX-License-Identifier: Apache-2.0
// The monitor's prompt, what it makes of a line, and the commands about the machine.
#include "lib/log.h"
#include "mon_operator.h"

static void test_errors_name_the_wrong_word(void **state)
{
    (void)state;
    assert_answer("vm start foo", "vm start foo: no VM named \"foo\"\n");
    assert_answer("vmm list", "vmm: no such command; help lists them\n");
    assert_answer(
        "vm lst",
        "vm lst: no such command; there is list info start pause resume stop reset "
        "destroy focus stat shutdown reboot synctime guestinfo vars protect protections\n");
    assert_answer("vm",
                  "vm: what of it? list info start pause resume stop reset destroy focus stat "
                  "shutdown reboot synctime guestinfo vars protect protections\n");
    assert_answer("vm start", "vm start: wants NAME\n");
    assert_answer("vm list now", "vm list now: one word too many: \"now\"\n");
    assert_answer("vm stat alpha x", "vm stat alpha x: \"x\" is not a number\n");
    assert_answer("vm stat alpha 2", "vm stat alpha 2: 2 is too large; the largest is 1\n");
    assert_answer("vm stat alpha 99999999999",
                  "vm stat alpha 99999999999: \"99999999999\" is not a number\n");
    assert_answer("vm stat beta", "vm stat beta: beta is destroyed\n");
    assert_answer("vcpu regs beta 0", "vcpu regs beta: beta is destroyed\n");
    assert_answer("vcpu list nope", "vcpu list nope: no VM named \"nope\"\n");
    assert_answer("a b c d e f g h i", "a b c d e f g h: too many words\n");
    assert_answer("help vm nope", "help vm nope: no command \"nope\"\n");
    assert_answer("help nope", "help nope: no command \"nope\"\n");
    assert_answer("", "");
    assert_answer("   ", "");
}

static void test_vcpus(void **state)
{
    (void)state;
    type("vcpu list");
    assert_says("alpha               0 off        0     1.234s           40  0xffff800008001234\n");
    assert_says("alps                0 ");
    assert_null(strstr(output, "beta"));
    type("vcpu list alps");
    assert_null(strstr(output, "alpha"));
    vcpus[0][1].state = VCPU_RUNNING;
    vcpus[0][1].regs.x[30] = 0xabc;
    type("vcpu regs alpha 1");
    assert_int_equal(vcpus[0][1].count.n[CNT_EXIT_IRQ], 1);
    assert_says("alpha vcpu 1: running, as of its last exit\n");
    assert_says("x30 0000000000000abc  pc  0000000000000000  pstate 00000000\n");
    assert_says("sctlr_el1 ");
}

static void test_machine(void **state)
{
    (void)state;
    now += 1000000;
    percpus[1].idle_ticks = 500000;
    type("cpu list");
    assert_says("  0 0x0             0%  alpha vcpu 0\n");
    assert_says("  1 0x100          49%  idle\n");
    vcpus[0][0].vm = (struct vm *)0x1234; // freed meanwhile
    type("cpu list");
    assert_says("  0 0x0             0%  newel\n");
    features.pauth = true;
    type("features");
    assert_says("pauth        yes ");
    assert_says("sve          - ");
    type("memory map");
    assert_says("newel                   2        512  image, manifest, tables\n");
    assert_says("alpha                 256      65536  RAM at 0x0");
    assert_says("beta                  256      65536  destroyed\n");
    assert_says("free                  200      51200  largest run 100 MiB\n");
    type("vm info alpha");
    assert_says("bootargs  console=ttyAMA0\n");
    static char longest[2048];
    memset(longest, 'a', 2047);
    longest[100] = 'b';
    longest[2046] = 'z';
    configs[0].bootargs = longest;
    type("vm info alpha");
    assert_says("\n          baaa");
    assert_says("aaaz\nconsole");
    assert_says("console   77 bytes lost");
}

static void test_log(void **state)
{
    (void)state;
    log_info("one");
    log_info("two");
    type("log");
    assert_says("one\ntwo\n");
    type("log 1");
    assert_string_equal(output, "two\n");
}

static void test_help_and_exit(void **state)
{
    (void)state;
    type("help");
    assert_says("  vm focus NAME              type to it");
    assert_says("  poweroff ");
    type("help vcpu");
    assert_says("  vcpu regs NAME VCPU ");
    assert_null(strstr(output, "vm list"));
    type("help vm list");
    assert_null(strstr(output, "vm start"));
    type("exit");
    assert_true(closed);
}

static void test_poweroff_waits_for_the_vms(void **state)
{
    (void)state;
    type("poweroff");
    int ended = setjmp(machine_end);
    if (ended == 0) {
        assert_non_null(armed);
        end_timer = armed;
        armed->expired(armed);
        assert_ptr_equal(ordered, &vms[0]);
        vms[0].state = VM_STOPPING;
        armed->expired(armed);
        vms[0].state = VM_OFF;
        armed->expired(armed);
        fail();
    }
    assert_int_equal(ended, 1);
}

// The order that came last holds, and a VM that does not stop is not waited for much longer.
static void test_reboot_does_not_wait_for_ever(void **state)
{
    (void)state;
    assert_non_null(end_timer); // still that of the order before this one
    type("reboot");
    vms[0].state = VM_BUILDING;
    int ended = setjmp(machine_end);
    if (ended == 0) {
        for (unsigned i = 0; i < 1000; i++) {
            end_timer->expired(end_timer);
        }
        fail();
    }
    assert_int_equal(ended, 2);
}

static void assert_completed(const char *line, const char *insert)
{
    char text[64] = "";
    operator->complete(line, strlen(line), text, sizeof(text));
    assert_string_equal(text, insert);
}

static void test_completion(void **state)
{
    (void)state;
    assert_completed("vm", " ");
    assert_completed("v", "");
    assert_completed("vc", "pu ");
    assert_completed("vm f", "ocus ");
    assert_completed("vm st", "");
    assert_completed("vm sta", "");
    assert_completed("vm star", "t ");
    assert_completed("vm start al", "p");
    assert_completed("vm start alph", "a ");
    assert_completed("vm start b", "eta ");
    assert_completed("vm start beta ", "");
    assert_completed("help vcpu r", "egs ");
    assert_completed("help fe", "atures ");
    assert_completed("zzz", "");
    assert_completed("zzz zz", "");
    assert_completed("po", "weroff ");
    assert_completed("", "");
}

static void test_input_reaches_a_running_vm_only(void **state)
{
    (void)state;
    operator->vm_input(&vms[0], (const uint8_t *)"k", 1);
    assert_int_equal(received[0], 'k');
    operator->vm_input(&vms[1], (const uint8_t *)"k", 1);
}

// Whatever is typed, an answer comes and nothing breaks.
static void test_any_line(void **state)
{
    (void)state;
    static const char *const words[] = {
        "vm",  "vcpu", "list", "stat", "regs", "help", "alpha",  "0",       "1",   "9",
        "log", "map",  "cpu",  "info", "x",    "%s%n", "memory", "protect", "r-x", "0x1000+0x1000"};
    uint32_t seed = 7;
    for (unsigned i = 0; i < 20000; i++) {
        char line[128] = "";
        seed = seed * 1664525 + 1013904223;
        for (unsigned n = 0; n < 1 + (seed >> 28) % 10; n++) {
            seed = seed * 1664525 + 1013904223;
            strcat(line, words[(seed >> 16) % (sizeof(words) / sizeof(words[0]))]);
            strcat(line, seed & 0x80000000 ? " " : "  ");
        }
        char insert[64] = "";
        operator->complete(line, strlen(line), insert, sizeof(insert));
        type(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_errors_name_the_wrong_word, start),
        cmocka_unit_test_setup(test_vcpus, start),
        cmocka_unit_test_setup(test_machine, start),
        cmocka_unit_test_setup(test_log, start),
        cmocka_unit_test_setup(test_help_and_exit, start),
        cmocka_unit_test_setup(test_completion, start),
        cmocka_unit_test_setup(test_input_reaches_a_running_vm_only, start),
        cmocka_unit_test_setup(test_any_line, start),
        cmocka_unit_test_setup(test_poweroff_waits_for_the_vms, start),
        cmocka_unit_test_setup(test_reboot_does_not_wait_for_ever, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
