// SPDX-License-Identifier: Apache-2.0
// A VM's tools, by a client that does what open-vm-tools does, on a clock turned by hand.
#pragma once

#include "call/tools.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "log_kept.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RPCI   0x49435052u
#define TCLO   0x4f4c4354u
#define COOKIE 0x80000000u
#define MAGIC  0x564d5868u

enum { OPEN, SENDSIZE, SENDPAYLOAD, RECVSIZE, RECVPAYLOAD, RECVSTATUS, CLOSE };
enum { SUCCESS = 1, DORECV = 2, HB = 0x80 };

static uint64_t now;
static void *frames;
static size_t frame_pages;
static struct tools *tools;
static struct vm_config config = {.name = "vm", .memory = 256 << 20, .weight = 100};

void panic(const char *fmt, ...)
{
    (void)fmt;
    abort();
}

uint64_t timer_now(void)
{
    return now;
}

uint64_t timer_frequency(void)
{
    return 1000;
}

uint64_t timer_ns_from_ticks(uint64_t ticks)
{
    return ticks * 1000000;
}

static void later(unsigned seconds)
{
    now += seconds * UINT64_C(1000);
}

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    assert_int_equal(owner, 7);
    assert_int_equal(align_pages, 1);
    assert_null(frames);
    frame_pages = pages;
    frames = malloc(pages * PAGE_SIZE);
    memset(frames, 0xa5, pages * PAGE_SIZE);
    *out = hpa((uintptr_t)frames);
    return 0;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    assert_int_equal(owner, 7);
    assert_ptr_equal(hpa_ptr(base), frames);
    assert_int_equal(pages, frame_pages);
    free(frames);
    frames = NULL;
}

// ---- The client ----

struct client {
    unsigned id;
    uint32_t high, low;
};

static unsigned call(struct client *c, unsigned type, uint64_t x1, uint64_t x[7], bool el1)
{
    x[0] = MAGIC;
    x[1] = x1;
    x[2] = type << 16 | 30;
    x[3] = (uint64_t)c->id << 16 | 0x5658;
    x[4] = c->high;
    x[5] = c->low;
    x[6] = 0x1234;
    message_low(tools, x, el1);
    assert_int_equal(x[0], MAGIC);
    assert_int_equal(x[2] & 0xffff, 30);
    assert_int_equal(x[3] & 0xffff, 0x5658);
    assert_int_equal(x[6], 0x1234);
    return (unsigned)(x[2] >> 16);
}

static unsigned simple(struct client *c, unsigned type, uint64_t x1)
{
    uint64_t x[7];
    return call(c, type, x1, x, false);
}

static bool try_open(struct client *c, uint32_t protocol)
{
    uint64_t x[7];
    *c = (struct client){0};
    if (call(c, OPEN, protocol | COOKIE, x, false) != SUCCESS) {
        return false;
    }
    *c = (struct client){(unsigned)(x[3] >> 16), (uint32_t)x[4], (uint32_t)x[5]};
    return true;
}

static struct client opened(uint32_t protocol)
{
    struct client c;
    assert_true(try_open(&c, protocol));
    return c;
}

static bool high(struct client *c, bool out, void *data, size_t size)
{
    uint64_t x[7] = {MAGIC, SUCCESS << 16, size, (uint64_t)c->id << 16 | 0x5659, 0, 0, 0};
    x[out ? 6 : 4] = c->high;
    x[out ? 5 : 6] = c->low;
    size_t got = 0;
    void *buffer = message_high_begin(tools, x, out, false, &got);
    if (buffer == NULL) {
        return false;
    }
    assert_int_equal(got, size);
    memcpy(out ? buffer : data, out ? data : buffer, size);
    message_high_end(tools, x, out, true);
    return x[1] >> 16 == SUCCESS;
}

static void send_low(struct client *c, const char *data, size_t size)
{
    for (size_t at = 0; at < size; at += 4) {
        uint32_t piece = 0;
        memcpy(&piece, data + at, MIN(size - at, (size_t)4));
        assert_int_equal(simple(c, SENDPAYLOAD, piece), SUCCESS);
    }
}

static void send(struct client *c, const char *data, size_t size, bool by_high)
{
    assert_int_equal(simple(c, SENDSIZE, size), SUCCESS | HB);
    if (by_high && size != 0) {
        assert_true(high(c, true, (void *)(uintptr_t)data, size));
    } else {
        send_low(c, data, size);
    }
}

// -1: there is none.
static long receive(struct client *c, char *data, bool by_high)
{
    uint64_t x[7];
    unsigned status = call(c, RECVSIZE, 0, x, false);
    if (status == SUCCESS) {
        return -1;
    }
    assert_int_equal(status, SUCCESS | DORECV | HB);
    assert_int_equal(x[3] >> 16, SENDSIZE);
    size_t size = x[1];
    assert_true(size <= MESSAGE_MAX);
    if (by_high) {
        assert_true(high(c, false, data, size));
    }
    for (size_t at = 0; at < size && !by_high; at += 4) {
        assert_int_equal(call(c, RECVPAYLOAD, SUCCESS, x, false), SUCCESS);
        assert_int_equal(x[3] >> 16, SENDPAYLOAD);
        uint32_t piece = (uint32_t)x[1];
        memcpy(data + at, &piece, MIN(size - at, (size_t)4));
    }
    data[size] = '\0';
    assert_int_equal(simple(c, RECVSTATUS, SUCCESS), SUCCESS);
    return (long)size;
}

static char reply[MESSAGE_MAX + 1];

static const char *rpc_sized(struct client *c, const char *request, size_t size, bool by_high)
{
    send(c, request, size, by_high);
    assert_true(receive(c, reply, by_high) >= 2);
    return reply;
}

static const char *rpc(struct client *c, const char *request)
{
    static bool by_high;
    by_high = !by_high;
    return rpc_sized(c, request, strlen(request), by_high);
}

// One turn of a TCLO client: what it was told, "" for nothing.
static inline const char *turn(struct client *c, const char *result)
{
    static char told[256];
    send(c, result, strlen(result), true);
    if (receive(c, told, true) < 0) {
        told[0] = '\0';
    }
    return told;
}

// vmtoolsd up to where it only polls.
static inline struct client greeted(const char *name)
{
    struct client c = opened(TCLO);
    char atr[64];
    snprintf(atr, sizeof(atr), "OK ATR %s", name);
    assert_string_equal(turn(&c, ""), "reset");
    const char *told = turn(&c, atr);
    while (told[0] != '\0') {
        told = turn(&c, "OK ");
    }
    return c;
}

static int make(void **state)
{
    (void)state;
    now = 5000;
    logged[0] = '\0';
    tools = tools_create(&config, 7);
    return tools == NULL;
}

static int unmake(void **state)
{
    (void)state;
    tools_destroy(tools);
    return frames != NULL;
}

#define TOOLS_TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
