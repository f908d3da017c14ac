// SPDX-License-Identifier: Apache-2.0
// Newel's log: a ring that the monitor shows, copied to the console as it is written.
#pragma once

#include <stdarg.h>

// One line without its end; the console adds "newel: " before it. Any CPU, any time after start-up.
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Goes to the ring alone, at most a few a second; for what a guest can provoke.
void log_guest(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
