// SPDX-License-Identifier: Apache-2.0
#include "lib/print.h"

#include <stdbool.h>
#include <stdint.h>

#include "lib/machine.h"
#include "lib/sysreg.h"

#define UART_DR      0x00
#define UART_FR      0x18
#define UART_FR_TXFF (1u << 5)

void *memset(void *to, int c, size_t n)
{
    unsigned char *p = to;

    while (n--) {
        *p++ = (unsigned char)c;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    unsigned char *p = to;
    const unsigned char *q = from;

    while (n--) {
        *p++ = *q++;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a;
    const unsigned char *q = b;

    for (; n; n--, p++, q++) {
        if (*p != *q) {
            return *p - *q;
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--, a++, b++) {
    }
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

struct out {
    char *buf;
    size_t size;
    size_t len;
};

static void put(struct out *out, char c)
{
    if (out->len + 1 < out->size) {
        out->buf[out->len++] = c;
    }
}

struct spec {
    unsigned width;
    char pad;
    bool wide;
};

static void put_text(struct out *out, const char *text, const struct spec *spec)
{
    size_t len = strlen(text);

    for (size_t i = len; i < spec->width; i++) {
        put(out, spec->pad);
    }
    while (*text) {
        put(out, *text++);
    }
}

static void put_number(struct out *out, uint64_t value, unsigned base, const struct spec *spec)
{
    char digits[24];
    char *p = &digits[sizeof(digits) - 1];

    *p = 0;
    do {
        *--p = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put_text(out, p, spec);
}

static const char *read_spec(const char *fmt, struct spec *spec)
{
    *spec = (struct spec){.pad = ' '};
    if (*fmt == '0') {
        spec->pad = '0';
    }
    while (*fmt >= '0' && *fmt <= '9') {
        spec->width = spec->width * 10 + (unsigned)(*fmt++ - '0');
    }
    while (*fmt == 'l' || *fmt == 'z') {
        spec->wide = true;
        fmt++;
    }
    return fmt;
}

static void put_signed(struct out *out, int64_t value, const struct spec *spec)
{
    if (value < 0) {
        put(out, '-');
        value = -value;
    }
    put_number(out, (uint64_t)value, 10, spec);
}

size_t vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct out out = {buf, size, 0};
    struct spec spec;

    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(&out, *fmt);
            continue;
        }
        fmt = read_spec(fmt + 1, &spec);
        switch (*fmt) {
        case 's':
            put_text(&out, va_arg(ap, const char *), &spec);
            break;
        case 'c':
            put(&out, (char)va_arg(ap, int));
            break;
        case 'd':
            put_signed(&out, spec.wide ? va_arg(ap, int64_t) : va_arg(ap, int), &spec);
            break;
        case 'u':
            put_number(&out, spec.wide ? va_arg(ap, uint64_t) : va_arg(ap, unsigned), 10, &spec);
            break;
        case 'x':
            put_number(&out, spec.wide ? va_arg(ap, uint64_t) : va_arg(ap, unsigned), 16, &spec);
            break;
        case 'p':
            put_number(&out, (uint64_t)va_arg(ap, void *), 16, &spec);
            break;
        default:
            put(&out, *fmt);
        }
    }
    buf[out.len] = 0;
    return out.len;
}

size_t format(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    size_t len;

    va_start(ap, fmt);
    len = vformat(buf, size, fmt, ap);
    va_end(ap);
    return len;
}

static void uart_write(const char *text)
{
    for (; *text; text++) {
        while (mmio_read32(machine.uart + UART_FR) & UART_FR_TXFF) {
        }
        mmio_write32(machine.uart + UART_DR, (unsigned char)*text);
    }
}

void print(const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vformat(line, sizeof(line), fmt, ap);
    va_end(ap);
    uart_write(line);
}
