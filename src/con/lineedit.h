// SPDX-License-Identifier: Apache-2.0
// Editing of one line at a terminal, with a history. Pure: bytes in, bytes out.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINEEDIT_MAX     128 // bytes of a line, its NUL included
#define LINEEDIT_HISTORY 16

enum lineedit_result {
    LINEEDIT_MORE,
    LINEEDIT_DONE, // Enter: the line is in text, and in the history; lineedit_start() comes next
    LINEEDIT_TAB,  // lineedit_insert() what completes it, or do nothing
};

struct lineedit {
    const char *prompt;
    // Where the terminal's bytes go: printable ones, '\b', '\r', '\n' and '\a'; no escape
    // sequences.
    void (*output)(const char *bytes, size_t count);
    char text[LINEEDIT_MAX];
    size_t length, cursor;
    unsigned escape; // state within an escape sequence
    char escape_number;
    char history[LINEEDIT_HISTORY][LINEEDIT_MAX];
    unsigned stored;          // lines ever put into the history
    unsigned recalled;        // how many lines back text comes from, 0 for a new one
    char draft[LINEEDIT_MAX]; // what was typed before the history was looked at
};

void lineedit_init(struct lineedit *e, const char *prompt,
                   void (*output)(const char *bytes, size_t count));
void lineedit_start(struct lineedit *e); // an empty line, with its prompt
enum lineedit_result lineedit_key(struct lineedit *e, uint8_t byte);
void lineedit_insert(struct lineedit *e, const char *text);

// Prompt and line once more, on a fresh line of the screen.
void lineedit_show(const struct lineedit *e);
