// SPDX-License-Identifier: Apache-2.0
// The tools' channels by whatever the fuzzer thinks of: calls of any kind with right and wrong
// cookies, RPC strings, blocks copied in pieces or not at all, the operator's orders between. What
// a guest may hold stays bounded, and what it is answered stays within its form.
#include "call/tclo.h"
#include "call/tools.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/log.h"
#include "require.h"

#include <stdlib.h>
#include <string.h>

#define CLIENTS 8

enum { OPEN, SENDSIZE, SENDPAYLOAD, RECVSIZE, RECVPAYLOAD, RECVSTATUS, CLOSE };

static const char *const strings[] = {
    "info-set guestinfo.x ",
    "info-get guestinfo.x",
    "info-set guestinfo.ovfEnv 1",
    "info-set guestinfo.",
    "log ",
    "SetGuestInfo  11 ",
    "SetGuestInfo  1 host",
    "tools.set.versiontype 12352 4",
    "tools.os.statechange.status 1 1",
    "tools.os.statechange.status 0 2",
    "tools.capability.features 36=0",
    "guestlib.info.get 3",
    "OK ATR toolbox",
    "OK ",
    "ERROR no",
    "OK ATR toolbox-dnd",
};

static uint64_t now;
static struct tools *tools;
static const uint8_t *bytes;
static size_t left;
static struct client {
    uint64_t id, high, low;
} clients[CLIENTS];

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
    return 10;
}

uint64_t timer_ns_from_ticks(uint64_t ticks)
{
    return ticks * 100000000;
}

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    static void *memory; // the same for all runs
    (void)owner;
    (void)align_pages;
    memory = memory != NULL ? memory : malloc(pages * PAGE_SIZE);
    *out = hpa((uintptr_t)memory);
    return 0;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    (void)owner;
    (void)base;
    (void)pages;
}

void log_info(const char *fmt, ...)
{
    (void)fmt;
}

void log_guest(const char *fmt, ...)
{
    (void)fmt;
}

static uint32_t next(unsigned count)
{
    uint32_t v = 0;
    for (; count > 0 && left > 0; count--, left--) {
        v = v << 8 | *bytes++;
    }
    return v;
}

static unsigned call(struct client *c, unsigned type, uint64_t x1, bool el1, uint64_t x[7])
{
    const uint64_t in[7] = {0x564d5868, x1, type << 16 | 30, c->id << 16 | 0x5658, c->high,
                            c->low,     77};
    memcpy(x, in, sizeof(in));
    message_low(tools, x, el1);
    REQUIRE(x[0] == in[0] && x[6] == 77 && (x[2] & 0xffff) == 30 && x[1] <= UINT32_MAX);
    REQUIRE((x[3] & 0xffff) == 0x5658 && x[4] <= UINT32_MAX && x[5] <= UINT32_MAX);
    return (unsigned)(x[2] >> 16);
}

static void open_one(struct client *c, unsigned how)
{
    uint64_t x[7];
    uint32_t protocol = how & 1 ? 0x4f4c4354u : 0x49435052u;
    if (call(c, OPEN, protocol | 0x80000000u, how & 2, x) == 1) {
        *c = (struct client){x[3] >> 16, x[4], x[5]};
    }
}

// Bytes of the input or one of the strings and some bytes.
static size_t make_block(char *block, size_t room)
{
    unsigned which = next(1);
    size_t n = next(which & 0x80 ? 2 : 1), at = 0;
    n = MIN(n, room);
    if (which % 32 < ARRAY_SIZE(strings)) {
        at = MIN(strlen(strings[which % 32]), n);
        memcpy(block, strings[which % 32], at);
    }
    for (; at < n; at++) {
        block[at] = (char)next(1);
    }
    return n;
}

static void high_block(struct client *c, bool out, size_t size, bool complete)
{
    static char block[MESSAGE_MAX];
    uint64_t x[7] = {0x564d5868, 0x10000, size, c->id << 16 | 0x5659, 0, 0, 0};
    x[out ? 6 : 4] = c->high;
    x[out ? 5 : 6] = c->low;
    size_t got = 0;
    char *buffer = message_high_begin(tools, x, out, true, &got);
    if (buffer == NULL) {
        return;
    }
    REQUIRE(got == size && size != 0 && size <= MESSAGE_MAX);
    if (out) {
        size_t made = make_block(block, size);
        memset(block + made, 'x', size - made);
        memcpy(buffer, block, complete ? size : size / 2);
    } else {
        memcpy(block, buffer, size);
    }
    if (next(1) & 1) { // somebody else in the middle
        uint64_t y[7];
        REQUIRE(call(c, CLOSE, 0, true, y) == 0);
    }
    message_high_end(tools, x, out, complete);
    REQUIRE(x[1] == 0x10000 && x[2] == size);
}

// A whole exchange, as a client does it.
static void exchange(struct client *c)
{
    static char request[4096], answer[MESSAGE_MAX];
    uint64_t x[7];
    size_t size = make_block(request, sizeof(request));
    if ((call(c, SENDSIZE, size, true, x) & 1) == 0) {
        return;
    }
    for (size_t at = 0; at < size; at += 4) {
        uint32_t piece = 0;
        memcpy(&piece, request + at, MIN(size - at, (size_t)4));
        REQUIRE(call(c, SENDPAYLOAD, piece, true, x) == 1);
    }
    if ((call(c, RECVSIZE, 0, true, x) & 2) == 0) {
        return;
    }
    size_t n = x[1];
    REQUIRE(x[3] >> 16 == 1 && n >= 2 && n <= MESSAGE_MAX);
    for (size_t at = 0; at < n; at += 4) {
        REQUIRE(call(c, RECVPAYLOAD, 1, true, x) == 1 && x[3] >> 16 == 2);
        uint32_t piece = (uint32_t)x[1];
        memcpy(answer + at, &piece, MIN(n - at, (size_t)4));
    }
    REQUIRE(call(c, RECVSTATUS, 1, true, x) == 1);
    bool rpci = answer[1] == ' ' && (answer[0] == '0' || answer[0] == '1');
    REQUIRE(rpci || memchr("rpCSOT", answer[0], 6) != NULL);
}

static void check(void)
{
    unsigned used = 0;
    for (unsigned i = 0; i < TOOLS_CHANNELS; i++) {
        const struct channel *c = &tools->channel[i];
        bool moves = c->state == CHANNEL_SENDING || c->state == CHANNEL_RECEIVING;
        REQUIRE(moves == (c->buffer != NULL) && !c->copying);
        REQUIRE(!moves || (c->done <= c->size && c->size <= MESSAGE_MAX));
        used += moves;
    }
    REQUIRE(used + tools->free_buffers == TOOLS_BUFFERS);
    REQUIRE(tools->guestinfo.used <= tools->guestinfo.size);
    size_t cursor = 0;
    struct text key, value;
    while (guestinfo_next(&tools->guestinfo, &cursor, &key, &value)) {
        REQUIRE(key.size > 10 && key.size <= GUESTINFO_KEY_MAX && value.size != 0);
    }
    REQUIRE(cursor == tools->guestinfo.used);
}

static void step(void)
{
    unsigned op = next(1);
    struct client *c = &clients[op >> 4 & 7];
    uint64_t x[7];
    struct tools_report report;
    switch (op & 15) {
    case 0:
    case 1:
        open_one(c, next(1));
        break;
    case 2:
        high_block(c, true, next(2), op & 0x80);
        break;
    case 3:
        high_block(c, false, next(2), op & 0x80);
        break;
    case 4:
        now += next(1);
        break;
    case 5:
        (void)tools_order(tools, (enum tools_order)(next(1) % ORDER_COUNT));
        tools_report(tools, &report);
        break;
    case 6: // whatever cookie
        *c = (struct client){next(1), next(4), next(4)};
        break;
    case 7:
        (void)call(c, next(1) % 8, next(4), op & 0x80, x);
        break;
    case 8:
        (void)call(c, SENDSIZE, next(2), true, x);
        break;
    default:
        exchange(c);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vm_config config = {.name = "vm", .memory = 1 << 20};
    bytes = data;
    left = size;
    now = 1;
    memset(clients, 0, sizeof(clients));
    tools = tools_create(&config, 1);
    while (left > 0) {
        step();
        check();
    }
    tools_destroy(tools);
    return 0;
}
