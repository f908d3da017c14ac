// SPDX-License-Identifier: Apache-2.0
// The line editor against a terminal that does no more than it must: one line, '\b', '\r', and
// printable bytes.
#include "con/lineedit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct lineedit editor;
static char screen[256];
static size_t column;
static unsigned bells;

static void terminal(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\b') {
            assert_true(column > 0);
            column--;
        } else if (bytes[i] == '\r') {
            column = 0;
        } else if (bytes[i] == '\n') {
            memset(screen, 0, sizeof(screen));
        } else if (bytes[i] == '\a') {
            bells++;
        } else {
            assert_true(bytes[i] >= ' ');
            assert_true(column + 1 < sizeof(screen));
            screen[column++] = bytes[i];
        }
    }
}

static enum lineedit_result type(const char *keys)
{
    enum lineedit_result result = LINEEDIT_MORE;
    for (; *keys != '\0'; keys++) {
        result = lineedit_key(&editor, (uint8_t)*keys);
        assert_true(editor.cursor <= editor.length);
        assert_int_equal(strlen(editor.text), editor.length);
        if (result == LINEEDIT_MORE) {
            assert_int_equal(column, 2 + editor.cursor);
        }
    }
    return result;
}

static void assert_line(const char *text, size_t cursor)
{
    char shown[256] = "> ";
    strcat(shown, text);
    assert_string_equal(editor.text, text);
    assert_int_equal(editor.cursor, cursor);
    assert_memory_equal(screen, shown, strlen(shown));
    for (size_t i = strlen(shown); i < sizeof(screen) && screen[i] != '\0'; i++) {
        assert_int_equal(screen[i], ' ');
    }
}

static int start(void **state)
{
    (void)state;
    memset(screen, 0, sizeof(screen));
    column = 0;
    bells = 0;
    lineedit_init(&editor, "> ", terminal);
    lineedit_start(&editor);
    return 0;
}

static void enter(const char *line)
{
    assert_int_equal(type(line), LINEEDIT_MORE);
    assert_int_equal(type("\r"), LINEEDIT_DONE);
    assert_string_equal(editor.text, line);
    lineedit_start(&editor);
}

static void test_typing_and_moving(void **state)
{
    (void)state;
    type("vm lst");
    assert_line("vm lst", 6);
    type("\x1b[D\x1b[D");
    assert_line("vm lst", 4);
    type("i");
    assert_line("vm list", 5);
    type("\x01X\x05Y");
    assert_line("Xvm listY", 9);
    type("\x1b[H\x1b[3~\x1b[F\b");
    assert_line("vm list", 7);
    type("\x1bOH\x1bOC\x1b[C\x1b[C\x02\x06");
    assert_line("vm list", 3);
    type("\x1b[1~a\x1b[4~b\x1b[7~c\x1b[8~d");
    assert_line("cavm listbd", 11);
}

static void test_deleting(void **state)
{
    (void)state;
    type("one two  three\x17");
    assert_line("one two  ", 9);
    type("\x17");
    assert_line("one ", 4);
    type("\x15");
    assert_line("", 0);
    type("abcdef\x02\x02\x02\x0b");
    assert_line("abc", 3);
    type("\x01\x04\x04");
    assert_line("c", 0);
    type("\x7f\b");
    assert_line("c", 0);
    type("\x05\x04\x1b[3~");
    assert_line("c", 1);
}

static void test_ends_stop_the_cursor(void **state)
{
    (void)state;
    type("\x1b[D\x1b[C\x1b[Dx\x1b[C\x1b[C");
    assert_line("x", 1);
}

static void test_history(void **state)
{
    (void)state;
    enter("first");
    enter("second");
    enter("second");
    enter("");
    type("dra\x1b[A");
    assert_line("second", 6);
    type("\x1b[A");
    assert_line("first", 5);
    type("\x1b[A");
    assert_line("first", 5);
    type("\x0e\x1b[B");
    assert_line("dra", 3);
    type("\x1b[B");
    assert_line("dra", 3);
    assert_int_equal(type("\x10\x10!\r"), LINEEDIT_DONE);
    lineedit_start(&editor);
    type("\x1b[A");
    assert_line("first!", 6);
}

static void test_history_is_bounded(void **state)
{
    (void)state;
    char line[4] = "l00";
    for (unsigned i = 0; i < 40; i++) {
        line[1] = (char)('0' + i / 10);
        line[2] = (char)('0' + i % 10);
        enter(line);
    }
    for (unsigned i = 0; i < 40; i++) {
        type("\x1b[A");
    }
    assert_line("l24", 3);
}

static void test_a_full_line_rings(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINEEDIT_MAX + 10; i++) {
        type("x");
    }
    assert_int_equal(editor.length, LINEEDIT_MAX - 1);
    assert_int_equal(bells, 11);
    lineedit_insert(&editor, "yy");
    assert_int_equal(editor.length, LINEEDIT_MAX - 1);
}

static void test_tab_and_insert(void **state)
{
    (void)state;
    assert_int_equal(type("vm f\t"), LINEEDIT_TAB);
    lineedit_insert(&editor, "ocus ");
    assert_line("vm focus ", 9);
}

static void test_ctrl_c_starts_anew(void **state)
{
    (void)state;
    type("rubbish\x03");
    assert_line("", 0);
}

static void test_shown_once_more(void **state)
{
    (void)state;
    type("abc\x02");
    column = 0;
    memset(screen, 0, sizeof(screen));
    lineedit_show(&editor);
    assert_line("abc", 2);
    assert_int_equal(column, 4);
}

// Whatever bytes come, what the screen shows is the line, and the cursor is where it is.
static void test_any_bytes(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1664525 + 1013904223;
        char key[2] = {(char)(seed >> 24), '\0'};
        static const char often[] = "\x1b[A\x1b[B\x1b[D ab\x17\x02";
        if ((seed & 0x300) != 0) {
            key[0] = often[(seed >> 12) % (sizeof(often) - 1)];
        }
        if (key[0] != '\0' && type(key) == LINEEDIT_DONE) {
            lineedit_start(&editor);
        }
        assert_line(editor.text, editor.cursor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_typing_and_moving, start),
        cmocka_unit_test_setup(test_deleting, start),
        cmocka_unit_test_setup(test_ends_stop_the_cursor, start),
        cmocka_unit_test_setup(test_history, start),
        cmocka_unit_test_setup(test_history_is_bounded, start),
        cmocka_unit_test_setup(test_a_full_line_rings, start),
        cmocka_unit_test_setup(test_tab_and_insert, start),
        cmocka_unit_test_setup(test_ctrl_c_starts_anew, start),
        cmocka_unit_test_setup(test_shown_once_more, start),
        cmocka_unit_test_setup(test_any_bytes, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
