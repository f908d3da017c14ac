// SPDX-License-Identifier: Apache-2.0
#include "lib/print.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct out {
    char *buf;
    size_t size, len;
};

struct spec {
    bool left, zero;
    int width, precision; // precision is -1 where none was given
    int longs;            // 0 int, 1 long, 2 long long, 3 size_t, -1 short, -2 char
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size) {
        o->buf[o->len] = c;
    }
    o->len++;
}

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t len)
{
    size_t pad = s->width > 0 && (size_t)s->width > len ? (size_t)s->width - len : 0;
    for (size_t i = 0; i < pad && !s->left; i++) {
        put(o, ' ');
    }
    for (size_t i = 0; i < len; i++) {
        put(o, text[i]);
    }
    for (size_t i = 0; i < pad && s->left; i++) {
        put(o, ' ');
    }
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base,
                       bool negative, const char *digits)
{
    char text[72];
    size_t pos = sizeof(text);
    do {
        text[--pos] = digits[v % base];
        v /= base;
    } while (v != 0);
    size_t want = s->zero && !s->left && s->width > 0 ? (size_t)s->width - (negative ? 1 : 0) : 0;
    while (sizeof(text) - pos < want && pos > 1) {
        text[--pos] = '0';
    }
    if (negative) {
        text[--pos] = '-';
    }
    put_padded(o, s, text + pos, sizeof(text) - pos);
}

static int parse_int(const char **fmt, va_list *args)
{
    int v = 0;
    if (**fmt == '*') {
        (*fmt)++;
        return va_arg(*args, int);
    }
    while (**fmt >= '0' && **fmt <= '9') {
        v = v * 10 + (*(*fmt)++ - '0');
    }
    return v;
}

static struct spec parse_spec(const char **fmt, va_list *args)
{
    struct spec s = {.precision = -1};
    for (;; (*fmt)++) {
        if (**fmt == '-') {
            s.left = true;
        } else if (**fmt == '0') {
            s.zero = true;
        } else {
            break;
        }
    }
    s.width = parse_int(fmt, args);
    if (**fmt == '.') {
        (*fmt)++;
        s.precision = parse_int(fmt, args);
    }
    for (;; (*fmt)++) {
        if (**fmt == 'l') {
            s.longs++;
        } else if (**fmt == 'z') {
            s.longs = 3;
        } else if (**fmt == 'h') {
            s.longs--;
        } else {
            break;
        }
    }
    return s;
}

static uint64_t next_unsigned(const struct spec *s, va_list *args)
{
    switch (s->longs) {
    case -2:
        return (unsigned char)va_arg(*args, int);
    case -1:
        return (unsigned short)va_arg(*args, int);
    case 0:
        return va_arg(*args, unsigned);
    default:
        return va_arg(*args, uint64_t);
    }
}

static int64_t next_signed(const struct spec *s, va_list *args)
{
    return s->longs > 0 ? va_arg(*args, int64_t) : va_arg(*args, int);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    if (text == NULL) {
        text = "(null)";
    }
    size_t len = s->precision >= 0 ? strnlen(text, (size_t)s->precision) : strlen(text);
    put_padded(o, s, text, len);
}

static void put_conversion(struct out *o, char conv, const struct spec *s, va_list *args)
{
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    int64_t d;
    char c;
    switch (conv) {
    case 'c':
        c = (char)va_arg(*args, int);
        put_padded(o, s, &c, 1);
        break;
    case 's':
        put_string(o, s, va_arg(*args, const char *));
        break;
    case 'd':
    case 'i':
        d = next_signed(s, args);
        put_number(o, s, d < 0 ? -(uint64_t)d : (uint64_t)d, 10, d < 0, lower);
        break;
    case 'u':
        put_number(o, s, next_unsigned(s, args), 10, false, lower);
        break;
    case 'x':
        put_number(o, s, next_unsigned(s, args), 16, false, lower);
        break;
    case 'X':
        put_number(o, s, next_unsigned(s, args), 16, false, upper);
        break;
    case 'p':
        put(o, '0');
        put(o, 'x');
        put_number(o, s, (uint64_t)(uintptr_t)va_arg(*args, void *), 16, false, lower);
        break;
    default: // "%%", and a conversion that does not exist shows itself
        put(o, conv);
    }
}

size_t vformat(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out o = {buf, size, 0};
    va_list ap;
    va_copy(ap, args);
    while (*fmt != '\0') {
        if (*fmt != '%') {
            put(&o, *fmt++);
            continue;
        }
        fmt++;
        struct spec s = parse_spec(&fmt, &ap);
        if (*fmt == '\0') {
            break;
        }
        put_conversion(&o, *fmt++, &s, &ap);
    }
    va_end(ap);
    if (size > 0) {
        buf[o.len < size ? o.len : size - 1] = '\0';
    }
    return o.len;
}

size_t format(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t len = vformat(buf, size, fmt, args);
    va_end(args);
    return len;
}
