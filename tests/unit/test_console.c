// SPDX-License-Identifier: Apache-2.0
// What the operator sees of several VMs, Newel's log and the prompt on one line; the UART and the
// timers are stand-ins.
#include "con/console.h"

#include "cpu/timer.h"
#include "dev/uart_host.h"
#include "lib/check.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char line[65536]; // all that was sent
static size_t sent;
static size_t backlog;
static struct timer *armed[4];
static uint64_t now;
static char command[128], typed[128];
static void *typed_for;
static void (*on_command)(void);

void panic(const char *fmt, ...)
{
    (void)fmt;
    abort();
}

void uart_write(const char *bytes, size_t count)
{
    assert_true(sent + count < sizeof(line));
    memcpy(line + sent, bytes, count);
    sent += count;
    line[sent] = '\0';
}

size_t uart_backlog(void)
{
    return backlog;
}

void uart_start_locking(void)
{
}

void uart_flush(void)
{
}

void uart_panic(void)
{
}

uint64_t timer_now(void)
{
    return now;
}

uint64_t timer_frequency(void)
{
    return 1000000;
}

uint64_t timer_ticks_from_us(uint64_t us)
{
    return us;
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    t->deadline = deadline;
    for (size_t i = 0; i < 4; i++) {
        if (armed[i] == NULL || armed[i] == t) {
            armed[i] = t;
            return;
        }
    }
    fail();
}

static void pass_time(uint64_t us)
{
    for (uint64_t end = now + us; now < end; now += 1000) {
        for (size_t i = 0; i < 4; i++) {
            struct timer *t = armed[i];
            if (t != NULL && t->deadline <= now) {
                armed[i] = NULL;
                t->expired(t);
            }
        }
    }
}

static void take_input(void *owner, const uint8_t *bytes, size_t count)
{
    typed_for = owner;
    strncat(typed, (const char *)bytes, count);
}

static void take_command(char *text)
{
    strcpy(command, text);
    if (on_command != NULL) {
        on_command();
    }
}

static void take_completion(const char *text, size_t length, char *insert, size_t size)
{
    if (length == 1 && text[0] == 'v') {
        snprintf(insert, size, "m ");
    }
}

static const struct console_operator operator= {take_input, take_command, take_completion};
static struct console_vm *vm[3];
static char owner[3];

static void assert_sent(const char *expected)
{
    assert_string_equal(line, expected);
    sent = 0;
    line[0] = '\0';
}

static void vm_says(unsigned which, const char *text)
{
    for (; *text != '\0'; text++) {
        console_vm_write(vm[which], (uint8_t)*text);
    }
}

static void key(const char *keys)
{
    for (; *keys != '\0'; keys++) {
        console_input((uint8_t)*keys);
    }
}

// The console has no end of its own: every test starts from two VMs with empty lines, the first
// with the focus.
static int start(void **state)
{
    (void)state;
    if (vm[0] == NULL) {
        console_early_init();
        console_set_operator(&operator);
        vm[0] = console_vm_add("alpha", &owner[0]);
        vm[1] = console_vm_add("beta", &owner[1]);
        console_start_locking();
    }
    backlog = 0;
    on_command = NULL;
    vm_says(0, "\n");
    vm_says(1, "\n");
    console_focus(vm[0]);
    pass_time(1000000);
    sent = 0;
    line[0] = '\0';
    typed[0] = '\0';
    command[0] = '\0';
    return 0;
}

static void test_lines_carry_names(void **state)
{
    (void)state;
    vm_says(1, "one\r\ntwo");
    vm_says(0, "first\r\n");
    vm_says(1, "\n");
    log_info("up %d", 7);
    assert_string_equal(strstr(line, "newel: "), "newel: up 7\r\n");
    assert_sent("beta| one\r\nalpha| first\r\nbeta| two\r\nnewel: up 7\r\n");
}

static void test_one_vm_alone_is_raw(void **state)
{
    (void)state;
    console_vm_set_present(vm[1], false);
    vm_says(0, "a\nb\x1b[1mc\r\n");
    log_info("x");
    console_vm_set_present(vm[1], true);
    assert_sent("a\nb\x1b[1mc\r\nnewel: x\r\n");
}

static void test_unfinished_line_of_the_focus_shows_soon(void **state)
{
    (void)state;
    vm_says(0, "login: ");
    vm_says(1, "unseen");
    assert_sent("");
    pass_time(CONSOLE_DELAY_US + 2000);
    assert_sent("alpha| login: ");
    vm_says(0, "r");
    pass_time(CONSOLE_DELAY_US + 2000);
    assert_sent("r");
    vm_says(0, "oot\r\n");
    assert_sent("oot\r\n");
}

static void test_interrupted_line_comes_back(void **state)
{
    (void)state;
    vm_says(0, "/ # ");
    pass_time(10000);
    assert_sent("alpha| / # ");
    vm_says(1, "noise\r\n");
    vm_says(1, "more\r\n");
    assert_sent("\r\nbeta| noise\r\nbeta| more\r\n");
    pass_time(200000);
    assert_sent("alpha| / # ");
    vm_says(1, "again\r\n");
    vm_says(0, "ls\r\n");
    assert_sent("\r\nbeta| again\r\nalpha| / # ls\r\n");
    pass_time(200000);
    assert_sent("");
}

static void test_steady_noise_does_not_repeat_the_line(void **state)
{
    (void)state;
    vm_says(0, "$ ");
    pass_time(10000);
    assert_sent("alpha| $ ");
    for (unsigned i = 0; i < 20; i++) {
        vm_says(1, "n\n");
        pass_time(10000);
    }
    assert_null(strstr(line, "$"));
    pass_time(200000);
    assert_non_null(strstr(line, "beta| n\r\nalpha| $ "));
}

static void test_others_cannot_steer_the_terminal(void **state)
{
    (void)state;
    vm_says(1, "a\x1b[2J\x1b[31;1mred\x1b[0m\x07\rz\tt\x1b]0;x\x7f\n");
    assert_sent("beta| aredz\tt]0;x\r\n");
    vm_says(1, "cut\x1b[12\n");
    assert_sent("beta| cut\r\n");
}

static void test_long_lines_are_broken(void **state)
{
    (void)state;
    char text[2 * CONSOLE_LINE_MAX + 2];
    memset(text, 'x', sizeof(text));
    text[CONSOLE_LINE_MAX + 1] = '\0';
    vm_says(1, text);
    assert_int_equal(sent, strlen("beta| ") + CONSOLE_LINE_MAX + 2);
    vm_says(1, "\n");
    assert_string_equal(line + strlen("beta| ") + CONSOLE_LINE_MAX + 2, "beta| x\r\n");
    sent = 0;
    vm_says(0, text);
    vm_says(0, "\n");
    assert_int_equal(sent, strlen("alpha| ") + CONSOLE_LINE_MAX + 1 + 2);
}

static void test_input_goes_to_the_focus(void **state)
{
    (void)state;
    key("ls\r");
    assert_string_equal(typed, "ls\r");
    assert_ptr_equal(typed_for, &owner[0]);
    console_focus(vm[1]);
    key("x");
    assert_ptr_equal(typed_for, &owner[1]);
}

static void test_prompt(void **state)
{
    (void)state;
    vm_says(0, "/ # ");
    pass_time(10000);
    assert_sent("alpha| / # ");
    key("\x1d");
    assert_sent("\r\nnewel> ");
    key("v\tl");
    assert_sent("vm l");
    vm_says(0, "late\n");
    vm_says(1, "noise\n");
    assert_sent("\r\nalpha| / # late\r\nbeta| noise\r\n");
    key("i");
    assert_sent("newel> vm li");
    vm_says(1, "noise\n");
    pass_time(200000);
    assert_sent("\r\nbeta| noise\r\nnewel> vm li");
    key("st\r");
    assert_string_equal(command, "vm list");
    assert_sent("st\r\nnewel> ");
    assert_string_equal(typed, "");
    vm_says(0, "half");
    pass_time(10000);
    assert_sent("");
    key("\x1d");
    assert_sent("\r\nalpha| half");
    key("x");
    assert_string_equal(typed, "x");
}

static void write_two_lines(void)
{
    console_printf("NAME %s\n", "STATE");
    vm_says(1, "between\n");
    console_write("a", 1);
    console_write("b\n", 2);
}

static void test_command_output(void **state)
{
    (void)state;
    on_command = write_two_lines;
    key("\x1d"
        "x\r");
    assert_sent("newel> x\r\nNAME STATE\r\nbeta| between\r\nab\r\nnewel> ");
}

static void focus_beta(void)
{
    console_focus(vm[1]);
}

static void test_focus_shows_the_latest(void **state)
{
    (void)state;
    char text[64];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "line number %u\r\n", i);
        vm_says(1, text);
    }
    vm_says(1, "prompt$ ");
    sent = 0;
    on_command = focus_beta;
    key("\x1d"
        "f\r");
    assert_non_null(strstr(line, "newel> f\r\nbeta| line number "));
    assert_non_null(strstr(line, "\r\nbeta| line number 99\r\n"
                                 "newel: what is typed goes to beta\r\nbeta| prompt$ "));
    assert_string_equal(line + sent - strlen("prompt$ "), "prompt$ ");
    assert_true(sent < 2500);
    assert_ptr_equal(console_focused(), vm[1]);
}

static void test_exit_by_command(void **state)
{
    (void)state;
    on_command = console_close_prompt;
    key("\x1d"
        "exit\rx");
    assert_string_equal(typed, "x");
}

static void test_slow_line_loses_others(void **state)
{
    (void)state;
    uint64_t before = console_vm_lost(vm[1]);
    backlog = 60000;
    vm_says(1, "lost\n");
    vm_says(0, "kept\n");
    assert_sent("alpha| kept\r\n");
    assert_int_equal(console_vm_lost(vm[1]) - before, 5);
}

static void test_flush_shows_what_is_left(void **state)
{
    (void)state;
    vm_says(1, "last words");
    console_vm_flush(vm[1]);
    assert_sent("beta| last words\r\n");
    console_vm_flush(vm[1]);
    assert_sent("");
}

// Positions are 32 bits wide and wrap; the ring is much smaller.
static void test_much_output(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        vm_says(i & 1, i % 97 == 0 ? "\r\n" : "abc");
        if (i % 1000 == 0) {
            pass_time(10000);
            sent = 0;
        }
        if (sent > sizeof(line) / 2) {
            sent = 0;
        }
    }
}

static void test_log_is_kept(void **state)
{
    (void)state;
    char text[LOG_LINE_MAX + 40];
    uint64_t cursor = 0;
    now = 12345678;
    log_warn("bad %s", "thing\nnewel: forged\x9b"
                       "2J");
    log_guest("quiet");
    assert_sent("newel: warning: bad thing?newel: forged?2J\r\n");
    bool warned = false, guest = false;
    while (log_read(&cursor, text, sizeof(text))) {
        warned |= strcmp(text, "[   12.345678] warning: bad thing?newel: forged?2J") == 0;
        guest |= strcmp(text, "[   12.345678] quiet") == 0;
    }
    assert_true(warned && guest);
}

static void test_log_wraps_and_guests_are_limited(void **state)
{
    (void)state;
    char text[LOG_LINE_MAX + 40];
    uint64_t cursor = 0, lines = 0, dropped = log_guest_dropped();
    now += 5000000;
    for (unsigned i = 0; i < 100; i++) {
        log_guest("flood %u", i);
    }
    assert_int_equal(log_guest_dropped() - dropped, 92);
    for (unsigned i = 0; i < 2000; i++) {
        log_info("line %u of many", i);
        sent = 0;
    }
    while (log_read(&cursor, text, sizeof(text))) {
        assert_non_null(strstr(text, "] line "));
        lines++;
    }
    assert_in_range(lines, 300, 700);
    assert_string_equal(text, "");
}

static void test_panic_breaks_in(void **state)
{
    (void)state;
    vm_says(0, "x");
    console_panic();
    console_printf("newel: panic\n");
    assert_sent("newel: panic\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lines_carry_names, start),
        cmocka_unit_test_setup(test_one_vm_alone_is_raw, start),
        cmocka_unit_test_setup(test_unfinished_line_of_the_focus_shows_soon, start),
        cmocka_unit_test_setup(test_interrupted_line_comes_back, start),
        cmocka_unit_test_setup(test_steady_noise_does_not_repeat_the_line, start),
        cmocka_unit_test_setup(test_others_cannot_steer_the_terminal, start),
        cmocka_unit_test_setup(test_long_lines_are_broken, start),
        cmocka_unit_test_setup(test_input_goes_to_the_focus, start),
        cmocka_unit_test_setup(test_prompt, start),
        cmocka_unit_test_setup(test_command_output, start),
        cmocka_unit_test_setup(test_focus_shows_the_latest, start),
        cmocka_unit_test_setup(test_exit_by_command, start),
        cmocka_unit_test_setup(test_slow_line_loses_others, start),
        cmocka_unit_test_setup(test_flush_shows_what_is_left, start),
        cmocka_unit_test_setup(test_much_output, start),
        cmocka_unit_test_setup(test_log_is_kept, start),
        cmocka_unit_test_setup(test_log_wraps_and_guests_are_limited, start),
        cmocka_unit_test_setup(test_panic_breaks_in, start), // last: there is no way back
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
