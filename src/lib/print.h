// SPDX-License-Identifier: Apache-2.0
// Formatted output in general registers only (a libc's printf may use SIMD registers).
#pragma once

#include <stdarg.h>
#include <stddef.h>

// Conversions: %% %c %s %p %d %i %u %x %X with the flags '-' and '0', a width, a precision (also as
// '*') for strings, and the lengths hh, h, l, ll, z. Returns the length that the whole output would
// have had; the buffer always ends in NUL when size > 0.
size_t vformat(char *buf, size_t size, const char *fmt, va_list args);
size_t format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
