// SPDX-License-Identifier: Apache-2.0
// What the probe needs of a PC: its serial line, and QEMU's isa-debug-exit.
#include <newel/hypercall.h>

#include <stdarg.h>

#define SERIAL 0x3f8
#define EXIT   0xf4

void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void main64(void);
void probe(void);

static void put(char c)
{
    newel_out8(SERIAL, (uint8_t)c);
}

static void put_string(const char *s)
{
    while (*s) {
        put(*s++);
    }
}

static void put_number(uint64_t n, unsigned base)
{
    if (n >= base) {
        put_number(n / base, base);
    }
    put("0123456789abcdef"[n % base]);
}

/* %s, %x, %u, %lx, %lu */
void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(*fmt);
            continue;
        }
        bool wide = *++fmt == 'l';
        fmt += wide;
        if (*fmt == 's') {
            put_string(va_arg(ap, const char *));
        } else {
            uint64_t n = wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned);
            put_number(n, *fmt == 'x' ? 16 : 10);
        }
    }
    va_end(ap);
}

void main64(void)
{
    probe();
    newel_out32(EXIT, 0);
}
