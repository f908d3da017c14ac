// SPDX-License-Identifier: Apache-2.0
#include "lib/log.h"

#include "lib/print.h"
#include "lib/spinlock.h"

#define RING_SIZE           UINT64_C(16384) // a power of two
#define GUEST_LINES         8               // in a second
#define GUEST_LINES_UNTIMED 64              // in all, while there is no clock

static struct {
    struct spinlock lock;
    bool locking;
    char ring[RING_SIZE];
    uint64_t head; // bytes ever written; the ring holds the last RING_SIZE of them
    void (*output)(const char *line, size_t len);
    uint64_t (*now)(void);
    uint64_t hz;
    uint64_t guest_second, guest_lines, guest_dropped;
} the_log;

static bool lock(void)
{
    bool taken = the_log.locking;
    if (taken) {
        spin_lock(&the_log.lock);
    }
    return taken;
}

static void unlock(bool taken)
{
    if (taken) {
        spin_unlock(&the_log.lock);
    }
}

static void append(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        the_log.ring[the_log.head++ % RING_SIZE] = text[i];
    }
}

static size_t time_stamp(char *buf, size_t size)
{
    if (the_log.now == NULL) {
        return 0;
    }
    uint64_t ticks = the_log.now();
    uint64_t us = ticks % the_log.hz * 1000000 / the_log.hz;
    return format(buf, size, "[%5lu.%06lu] ", ticks / the_log.hz, us);
}

static void store(const char *line, size_t len)
{
    char stamp[40];
    bool taken = lock();
    append(stamp, time_stamp(stamp, sizeof(stamp)));
    append(line, len);
    append("\n", 1);
    unlock(taken);
}

// A line is a line: what would be seen as several, or steer a terminal, is made harmless.
static size_t make_line(char *line, const char *prefix, const char *fmt, va_list args)
{
    size_t start = format(line, LOG_LINE_MAX, "%s", prefix);
    size_t len = start + vformat(line + start, LOG_LINE_MAX - start, fmt, args);
    if (len > LOG_LINE_MAX - 1) {
        len = LOG_LINE_MAX - 1;
    }
    for (size_t i = 0; i < len; i++) {
        if (line[i] < ' ' || line[i] > '~') { // 0x9b is a terminal's CSI
            line[i] = '?';
        }
    }
    return len;
}

static void publish(const char *prefix, const char *fmt, va_list args)
{
    char line[LOG_LINE_MAX];
    size_t len = make_line(line, prefix, fmt, args);
    store(line, len);
    if (the_log.output != NULL) {
        the_log.output(line, len);
    }
}

void log_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    publish("", fmt, args);
    va_end(args);
}

void log_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    publish("warning: ", fmt, args);
    va_end(args);
}

// Is there room for one more line of a guest's making? Counts it.
static bool guest_line_allowed(void)
{
    uint64_t limit = GUEST_LINES_UNTIMED;
    bool taken = lock();
    if (the_log.now != NULL) {
        uint64_t second = the_log.now() / the_log.hz;
        if (second != the_log.guest_second) {
            the_log.guest_second = second;
            the_log.guest_lines = 0;
        }
        limit = GUEST_LINES;
    }
    bool allowed = the_log.guest_lines < limit;
    if (allowed) {
        the_log.guest_lines++;
    } else {
        the_log.guest_dropped++;
    }
    unlock(taken);
    return allowed;
}

void log_guest(const char *fmt, ...)
{
    if (!guest_line_allowed()) {
        return;
    }
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, fmt);
    size_t len = make_line(line, "", fmt, args);
    va_end(args);
    store(line, len);
}

void log_set_output(void (*output)(const char *line, size_t len))
{
    the_log.output = output;
}

void log_set_clock(uint64_t (*now)(void), uint64_t hz)
{
    the_log.hz = hz;
    the_log.now = now;
}

void log_start_locking(void)
{
    the_log.locking = true;
}

void log_break_lock(void)
{
    the_log.locking = false;
}

static char at(uint64_t position)
{
    return the_log.ring[position % RING_SIZE];
}

// The first byte of the oldest line that is whole.
static uint64_t oldest_line(void)
{
    if (the_log.head <= RING_SIZE) {
        return 0;
    }
    uint64_t pos = the_log.head - RING_SIZE;
    while (pos < the_log.head && at(pos) != '\n') {
        pos++;
    }
    return pos + 1;
}

bool log_read(uint64_t *cursor, char *line, size_t size)
{
    bool taken = lock();
    uint64_t pos = *cursor;
    if (the_log.head > RING_SIZE && pos < the_log.head - RING_SIZE + 1) {
        pos = oldest_line();
    }
    bool found = pos < the_log.head;
    size_t len = 0;
    for (; pos < the_log.head && at(pos) != '\n'; pos++) {
        if (len + 1 < size) {
            line[len++] = at(pos);
        }
    }
    if (size > 0) {
        line[len] = '\0';
    }
    *cursor = found ? pos + 1 : pos;
    unlock(taken);
    return found;
}

uint64_t log_guest_dropped(void)
{
    return the_log.guest_dropped;
}
