// SPDX-License-Identifier: Apache-2.0
// Newel's log: a ring that the monitor shows, copied to the console as it is written.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX 256 // bytes of a line, its NUL included; longer ones are cut

// One line without its end; the console adds "newel: " before it. Any CPU, any time after start-up.
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Goes to the ring alone, at most a few a second; for what a guest can provoke.
void log_guest(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Where log_info() and log_warn() put each finished line beside the ring; called with no lock of
// the log's held.
void log_set_output(void (*output)(const char *line, size_t len));
// What time it is in ticks of hz (not 0). Until then lines carry no time and log_guest() keeps only
// its first few lines.
void log_set_clock(uint64_t (*now)(void), uint64_t hz);
// From now on other CPUs may log too. Before, with the MMU off, exclusives do not work and no lock
// is taken.
void log_start_locking(void);
// For a panic: whoever holds the lock will not come back.
void log_break_lock(void);

// The line at *cursor (0: the oldest there is) with its time before it and without its end; *cursor
// moves on. False at the end of the log. A line that was overwritten meanwhile is left out.
bool log_read(uint64_t *cursor, char *line, size_t size);
uint64_t log_guest_dropped(void); // lines that log_guest() left out
