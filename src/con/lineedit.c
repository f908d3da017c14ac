// SPDX-License-Identifier: Apache-2.0
#include "con/lineedit.h"

#include "lib/bits.h"

#include <string.h>

#define KEY_CTRL(letter) ((letter)&0x1f)
#define KEY_DELETE_BACK  0x7f

// States of an escape sequence: none, after ESC, after CSI ("ESC [") or SS3 ("ESC O").
enum { ESCAPE_NONE, ESCAPE_START, ESCAPE_CSI };

static void emit(const struct lineedit *e, const char *bytes, size_t count)
{
    if (count > 0) {
        e->output(bytes, count);
    }
}

static void emit_repeated(const struct lineedit *e, char byte, size_t count)
{
    char run[32];
    memset(run, byte, sizeof(run));
    for (; count > 0; count -= MIN(count, sizeof(run))) {
        emit(e, run, MIN(count, sizeof(run)));
    }
}

static void move_to(struct lineedit *e, size_t cursor)
{
    if (cursor < e->cursor) {
        emit_repeated(e, '\b', e->cursor - cursor);
    } else {
        emit(e, e->text + e->cursor, cursor - e->cursor);
    }
    e->cursor = cursor;
}

// Shows text from the cursor on, after count bytes vanished from there, and comes back.
static void redraw_tail(struct lineedit *e, size_t vanished)
{
    size_t tail = e->length - e->cursor;
    emit(e, e->text + e->cursor, tail);
    emit_repeated(e, ' ', vanished);
    emit_repeated(e, '\b', tail + vanished);
}

// Deletes the bytes from start up to end, the cursor being left at start.
static void delete_range(struct lineedit *e, size_t start, size_t end)
{
    move_to(e, start);
    memmove(e->text + start, e->text + end, e->length - end + 1);
    e->length -= end - start;
    redraw_tail(e, end - start);
}

static void insert_bytes(struct lineedit *e, const char *bytes, size_t count)
{
    if (e->length + count >= LINEEDIT_MAX) {
        emit(e, "\a", 1);
        return;
    }
    memmove(e->text + e->cursor + count, e->text + e->cursor, e->length - e->cursor + 1);
    memcpy(e->text + e->cursor, bytes, count);
    e->length += count;
    move_to(e, e->cursor + count);
    redraw_tail(e, 0);
}

static void replace_line(struct lineedit *e, const char *text)
{
    delete_range(e, 0, e->length);
    insert_bytes(e, text, strlen(text));
}

static size_t word_start(const struct lineedit *e)
{
    size_t pos = e->cursor;
    while (pos > 0 && e->text[pos - 1] == ' ') {
        pos--;
    }
    while (pos > 0 && e->text[pos - 1] != ' ') {
        pos--;
    }
    return pos;
}

static void remember(struct lineedit *e)
{
    unsigned last = (e->stored + LINEEDIT_HISTORY - 1) % LINEEDIT_HISTORY;
    bool repeated = e->stored > 0 && strcmp(e->history[last], e->text) == 0;
    if (e->length > 0 && !repeated) {
        memcpy(e->history[e->stored++ % LINEEDIT_HISTORY], e->text, e->length + 1);
    }
}

// back: how many lines ago; 0 is the line that was being typed.
static void recall(struct lineedit *e, unsigned back)
{
    if (back > MIN(e->stored, LINEEDIT_HISTORY)) {
        return;
    }
    if (e->recalled == 0) {
        memcpy(e->draft, e->text, e->length + 1);
    }
    e->recalled = back;
    replace_line(e, back == 0 ? e->draft : e->history[(e->stored - back) % LINEEDIT_HISTORY]);
}

static void delete_forward(struct lineedit *e)
{
    if (e->cursor < e->length) {
        delete_range(e, e->cursor, e->cursor + 1);
    }
}

// The final byte of "ESC [ number final" or "ESC O final".
static void escape_key(struct lineedit *e, char number, uint8_t final)
{
    if (final == '~' && (number == '1' || number == '7')) {
        final = 'H';
    } else if (final == '~' && (number == '4' || number == '8')) {
        final = 'F';
    }
    if (final == 'A') {
        recall(e, e->recalled + 1);
    } else if (final == 'B' && e->recalled > 0) {
        recall(e, e->recalled - 1);
    } else if (final == 'C' && e->cursor < e->length) {
        move_to(e, e->cursor + 1);
    } else if (final == 'D' && e->cursor > 0) {
        move_to(e, e->cursor - 1);
    } else if (final == 'H') {
        move_to(e, 0);
    } else if (final == 'F') {
        move_to(e, e->length);
    } else if (final == '~' && number == '3') {
        delete_forward(e);
    }
}

static void escape_byte(struct lineedit *e, uint8_t byte)
{
    if (e->escape == ESCAPE_START) {
        e->escape = byte == '[' || byte == 'O' ? ESCAPE_CSI : ESCAPE_NONE;
        e->escape_number = '\0';
    } else if (byte >= '0' && byte <= '?') {
        bool first = e->escape_number == '\0';
        e->escape_number = (char)(first ? byte : '?');
    } else {
        e->escape = ESCAPE_NONE;
        escape_key(e, e->escape_number, byte);
    }
}

static void control_key(struct lineedit *e, uint8_t byte)
{
    switch (byte) {
    case 0x1b:
        e->escape = ESCAPE_START;
        break;
    case KEY_CTRL('A'):
        move_to(e, 0);
        break;
    case KEY_CTRL('B'):
        escape_key(e, '\0', 'D');
        break;
    case KEY_CTRL('D'):
        delete_forward(e);
        break;
    case KEY_CTRL('E'):
        move_to(e, e->length);
        break;
    case KEY_CTRL('F'):
        escape_key(e, '\0', 'C');
        break;
    case KEY_CTRL('H'):
    case KEY_DELETE_BACK:
        delete_range(e, e->cursor - (e->cursor > 0), e->cursor);
        break;
    case KEY_CTRL('K'):
        delete_range(e, e->cursor, e->length);
        break;
    case KEY_CTRL('N'):
        escape_key(e, '\0', 'B');
        break;
    case KEY_CTRL('P'):
        escape_key(e, '\0', 'A');
        break;
    case KEY_CTRL('U'):
        delete_range(e, 0, e->cursor);
        break;
    case KEY_CTRL('W'):
        delete_range(e, word_start(e), e->cursor);
        break;
    default:
        break;
    }
}

enum lineedit_result lineedit_key(struct lineedit *e, uint8_t byte)
{
    if (e->escape != ESCAPE_NONE) {
        escape_byte(e, byte);
    } else if (byte == '\r' || byte == '\n') {
        emit(e, "\r\n", 2);
        remember(e);
        return LINEEDIT_DONE;
    } else if (byte == '\t') {
        return LINEEDIT_TAB;
    } else if (byte == KEY_CTRL('C')) {
        emit(e, "^C\r\n", 4);
        lineedit_start(e);
    } else if (byte < 0x20 || byte == KEY_DELETE_BACK) {
        control_key(e, byte);
    } else if (byte < 0x7f) {
        char typed = (char)byte;
        insert_bytes(e, &typed, 1);
    }
    return LINEEDIT_MORE;
}

void lineedit_insert(struct lineedit *e, const char *text)
{
    insert_bytes(e, text, strlen(text));
}

void lineedit_init(struct lineedit *e, const char *prompt,
                   void (*output)(const char *bytes, size_t count))
{
    memset(e, 0, sizeof(*e));
    e->prompt = prompt;
    e->output = output;
}

void lineedit_start(struct lineedit *e)
{
    e->length = 0;
    e->cursor = 0;
    e->recalled = 0;
    e->escape = ESCAPE_NONE;
    e->text[0] = '\0';
    lineedit_show(e);
}

void lineedit_show(const struct lineedit *e)
{
    emit(e, e->prompt, strlen(e->prompt));
    emit(e, e->text, e->length);
    emit_repeated(e, '\b', e->length - e->cursor);
}
