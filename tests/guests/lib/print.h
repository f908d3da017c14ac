// SPDX-License-Identifier: Apache-2.0
// Printing on the payload's PL011.
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* %s %c %d %u %x (with l for 64 bits), %p, %%, width and zero padding. One call is one unbroken
 * write. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
size_t format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t vformat(char *buf, size_t size, const char *fmt, va_list ap);

void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strncmp(const char *a, const char *b, size_t n);
