// SPDX-License-Identifier: Apache-2.0
// A VM's tools as Newel sees them: channels, RPCI, TCLO and guestinfo, by a client that does what
// open-vm-tools does, on a clock turned by hand.
#include "call/backdoor.h"
#include "call/io_insn.h"
#include "call/tools.h"
#include "cpu/drbg.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/log.h"
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
static char logged[4096];
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

static void log_line(const char *fmt, va_list args)
{
    size_t len = strlen(logged);
    vsnprintf(logged + len, sizeof(logged) - len, fmt, args);
    strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
}

void log_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_line(fmt, args);
    va_end(args);
}

void log_guest(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_line(fmt, args);
    va_end(args);
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
static const char *turn(struct client *c, const char *result)
{
    static char told[256];
    send(c, result, strlen(result), true);
    if (receive(c, told, true) < 0) {
        told[0] = '\0';
    }
    return told;
}

// vmtoolsd up to where it only polls.
static struct client greeted(const char *name)
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

// ---- Channels ----

static void test_open_wants_a_cookie_and_a_known_protocol(void **state)
{
    (void)state;
    struct client none = {0};
    assert_int_equal(simple(&none, OPEN, RPCI), 0);
    assert_int_equal(simple(&none, OPEN, 0x41414141u | COOKIE), 0);
    struct client a = opened(RPCI), b = opened(RPCI);
    assert_int_not_equal(a.id, b.id);
    assert_true(a.high != b.high && a.low != b.low && a.low != 0);
    assert_int_equal(simple(&a, CLOSE, 0), SUCCESS);
    assert_int_equal(simple(&a, CLOSE, 0), 0);
    assert_int_equal(simple(&b, 7, 0), 0);
}

static void test_a_channel_is_its_cookies(void **state)
{
    (void)state;
    struct client a = opened(RPCI), b = opened(RPCI);
    struct client wrong = {a.id, b.high, b.low}, half = {a.id, a.high, a.low ^ 1};
    struct client beyond = {200, a.high, a.low};
    assert_int_equal(simple(&wrong, SENDSIZE, 4), 0);
    assert_int_equal(simple(&half, CLOSE, 0), 0);
    assert_int_equal(simple(&beyond, SENDSIZE, 4), 0);
    assert_int_equal(simple(&a, SENDSIZE, 4), SUCCESS | HB);
    char data[4] = "log ";
    assert_false(high(&wrong, true, data, 4));
    assert_false(high(&half, true, data, 4));
    assert_true(high(&a, true, data, 4));
}

static void test_what_el1_opened_is_its_own(void **state)
{
    (void)state;
    uint64_t x[7];
    struct client c = {0};
    assert_int_equal(call(&c, OPEN, RPCI | COOKIE, x, true), SUCCESS);
    c = (struct client){(unsigned)(x[3] >> 16), (uint32_t)x[4], (uint32_t)x[5]};
    assert_int_equal(call(&c, SENDSIZE, 4, x, false), 0);
    assert_int_equal(call(&c, SENDSIZE, 4, x, true), SUCCESS | HB);
    // Nor may EL0 go on, by either port, with what EL1 began.
    assert_int_equal(call(&c, SENDPAYLOAD, 0, x, false), 0);
    char data[4] = "log ";
    assert_false(high(&c, true, data, 4));
    assert_int_equal(call(&c, SENDPAYLOAD, 0x20676f6c, x, true), SUCCESS);
    assert_int_equal(call(&c, RECVSIZE, 0, x, true), SUCCESS | DORECV | HB);
    assert_false(high(&c, false, data, x[1]));
}

static void test_messages_in_the_wrong_order(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    char data[8] = "log abc";
    assert_int_equal(simple(&c, SENDPAYLOAD, 0), 0);
    assert_int_equal(simple(&c, RECVPAYLOAD, 1), 0);
    assert_int_equal(simple(&c, RECVSTATUS, 1), 0);
    assert_int_equal(simple(&c, RECVSIZE, 0), SUCCESS);
    assert_false(high(&c, true, data, 7));
    assert_int_equal(simple(&c, SENDSIZE, MESSAGE_MAX + 1), 0);
    assert_int_equal(simple(&c, SENDSIZE, UINT32_MAX), 0);
    assert_int_equal(simple(&c, SENDSIZE, 7), SUCCESS | HB);
    assert_false(high(&c, true, data, 8));
    assert_false(high(&c, true, data, 0));
    assert_false(high(&c, false, data, 7));
    assert_int_equal(simple(&c, RECVSIZE, 0), SUCCESS);
    assert_true(high(&c, true, data, 4)); // in two pieces
    assert_false(high(&c, true, data, 4));
    assert_true(high(&c, true, data + 4, 3));
    assert_int_equal(simple(&c, SENDPAYLOAD, 0), 0);
    // An answer given up, one begun anew, and a request in place of an answer.
    assert_int_equal(simple(&c, RECVPAYLOAD, 0), SUCCESS);
    assert_int_equal(simple(&c, RECVSIZE, 0), SUCCESS);
    assert_string_equal(rpc(&c, "log x"), "1 ");
    send(&c, "log y", 5, true);
    assert_string_equal(rpc(&c, "nothing"), "0 Unknown command");
    // More is read than there is: zeroes, not what lies behind.
    send(&c, "log y", 5, false);
    for (int i = 0; i < 4; i++) {
        uint64_t x[7];
        assert_int_equal(call(&c, RECVPAYLOAD, 1, x, false), SUCCESS);
        assert_int_equal(x[1], i == 0 ? 0x2031 : 0);
    }
}

static void test_an_interrupted_copy_changes_nothing(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    char data[] = "log";
    assert_int_equal(simple(&c, SENDSIZE, 3), SUCCESS | HB);
    uint64_t x[7] = {MAGIC, SUCCESS << 16, 3, (uint64_t)c.id << 16 | 0x5659, 0, c.low, c.high};
    size_t size;
    assert_non_null(message_high_begin(tools, x, true, false, &size));
    // Nobody else gets at it meanwhile.
    assert_null(message_high_begin(tools, x, true, false, &size));
    assert_int_equal(simple(&c, CLOSE, 0), 0);
    uint64_t before[7];
    memcpy(before, x, sizeof(x));
    message_high_end(tools, x, true, false);
    assert_memory_equal(x, before, sizeof(x));
    assert_true(high(&c, true, data, 3));
    assert_int_equal(receive(&c, reply, true), 2);
}

static void test_leaked_channels_are_bounded_and_reclaimed(void **state)
{
    (void)state;
    struct client first = opened(RPCI), c;
    for (unsigned i = 1; i < TOOLS_CHANNELS; i++) {
        (void)opened(RPCI);
    }
    assert_false(try_open(&c, RPCI));
    later(TOOLS_IDLE_SECONDS - 1);
    assert_string_equal(rpc(&first, "log alive"), "1 ");
    assert_false(try_open(&c, RPCI));
    later(1);
    for (unsigned i = 1; i < TOOLS_CHANNELS; i++) { // all but the first, which was used
        assert_true(try_open(&c, RPCI));
    }
    assert_string_equal(rpc(&first, "log alive"), "1 ");
    assert_false(try_open(&c, RPCI));
}

static void test_leaked_messages_are_bounded_and_reclaimed(void **state)
{
    (void)state;
    struct client c[TOOLS_BUFFERS + 1];
    for (unsigned i = 0; i <= TOOLS_BUFFERS; i++) {
        c[i] = opened(RPCI);
        unsigned status = simple(&c[i], SENDSIZE, MESSAGE_MAX);
        assert_int_equal(status, i < TOOLS_BUFFERS ? SUCCESS | HB : 0);
    }
    later(TOOLS_IDLE_SECONDS);
    assert_string_equal(rpc(&c[TOOLS_BUFFERS], "log x"), "1 ");
    assert_int_equal(simple(&c[0], SENDPAYLOAD, 0), 0); // its message is lost, not the channel
    assert_string_equal(rpc(&c[0], "log x"), "1 ");
}

static uint64_t cookie(void)
{
    struct client c = opened(RPCI);
    return (uint64_t)c.high << 32 | c.low;
}

static uint64_t mix(uint64_t v)
{
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

static uint64_t unmix(uint64_t v)
{
    v = (v ^ v >> 31 ^ v >> 62) * UINT64_C(0x319642b2d24d8ec3);
    v = (v ^ v >> 27 ^ v >> 54) * UINT64_C(0x96de1b173f119089);
    return v ^ v >> 30 ^ v >> 60;
}

// Splitmix64 can be turned back: whoever knew one cookie and the time knew the next.
static void test_a_cookie_does_not_tell_the_next(void **state)
{
    (void)state;
    uint64_t secret = unmix(cookie());
    later(1);
    uint64_t guess = mix(mix(secret + UINT64_C(0x9e3779b97f4a7c15) + now));
    uint64_t second = cookie(), third = cookie(); // at the same time
    assert_true(second != guess && second != third);
}

// The last test: from here on there is a source. The same clock, and another VM.
static void test_cookies_use_the_source_of_randomness(void **state)
{
    static const uint8_t seed[DRBG_SEED] = "as good as any";
    uint64_t counted = cookie();
    assert_int_equal(unmake(state), 0);
    drbg_add(seed, sizeof(seed));
    assert_int_equal(make(state), 0);
    uint64_t first = cookie();
    assert_int_equal(unmake(state), 0);
    assert_int_equal(make(state), 0);
    assert_true(first != counted && first != cookie());
}

// ---- The ports ----

static struct vm vm;
static unsigned touched, reads;

// Each page lies in a block of its own that was not there before.
static enum port_end read_lazy(struct port_memory *m, uint64_t va, void *to, size_t size)
{
    unsigned page = (unsigned)(va / PAGE_SIZE);
    (void)m;
    memset(to, 'x', size);
    reads++;
    if (page >= touched) {
        touched = page + 1;
        vm.space.counters.blocks_populated++;
    }
    return PORT_DONE;
}

static void test_a_block_populates_little_at_a_time(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    struct io_insn rep_outsb;
    struct port_bus bus = {0};
    struct vcpu v = {.vm = &vm};
    struct port_memory memory = {.read = read_lazy};
    uint64_t *x = v.regs.x;
    unsigned exits = 0;
    enum port_end end;
    vm.tools = tools;
    backdoor_add(&bus);
    assert_true(io_decode(0x18, &rep_outsb));
    assert_int_equal(simple(&c, SENDSIZE, 5 * PAGE_SIZE), SUCCESS | HB);
    x[IO_AX] = MAGIC;
    x[IO_BX] = SUCCESS << 16;
    x[IO_CX] = 5 * PAGE_SIZE;
    x[IO_DX] = (uint64_t)c.id << 16 | 0x5659;
    x[IO_DI] = c.low;
    x[IO_BP] = c.high;
    do {
        unsigned before = touched;
        reads = 0;
        end = io_execute(&rep_outsb, &bus, &v, x, &memory);
        assert_true(touched - before <= 1);
        exits++;
    } while (end == PORT_AGAIN);
    assert_int_equal(end, PORT_DONE);
    assert_int_equal(exits, 5);
    assert_int_equal(reads, 5);
    assert_int_equal(receive(&c, reply, true), 17);
}

// ---- RPCI ----

static void test_guestinfo(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "0 No value found");
    assert_string_equal(rpc(&c, "info-set guestinfo.x one two  three"), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "1 one two  three");
    assert_string_equal(rpc_sized(&c, "info-get guestinfo.x", 21, true), "1 one two  three");
    assert_string_equal(rpc_sized(&c, "info-set guestinfo.y Y", 23, true), "1 "); // with its NUL
    assert_string_equal(rpc(&c, "info-get guestinfo.y"), "1 Y");
    assert_string_equal(rpc(&c, "info-set guestinfo.x four"), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "1 four");
    assert_string_equal(rpc(&c, "info-set guestinfo.x "), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.x"), "0 No value found");
    assert_string_equal(rpc(&c, "info-get guestinfo.y"), "1 Y");
    assert_string_equal(rpc(&c, "info-get guestinfo."), "0 No value found");
    assert_string_equal(rpc(&c, "info-get"), "0 No value found");
    assert_string_equal(rpc(&c, "info-set guestinfo. v"), "0 Invalid key");
    assert_string_equal(rpc(&c, "info-set machine.id v"), "0 Invalid key");
    assert_string_equal(rpc(&c, "info-set guestinfo.a\tb v"), "0 Invalid key");
    assert_string_equal(rpc(&c, "info-set guestinfo.ovfEnv v"), "0 Permission denied");
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.ovfEnv", "<e>"), 0);
    assert_string_equal(rpc(&c, "info-get guestinfo.ovfEnv"), "1 <e>");
}

static void test_guestinfo_is_bounded(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    static char request[MESSAGE_MAX];
    unsigned kept = 0;
    memset(request, 'v', sizeof(request));
    for (unsigned i = 0; i < 6; i++) {
        char key[32];
        int len = snprintf(key, sizeof(key), "info-set guestinfo.k%u ", i);
        memcpy(request, key, (size_t)len);
        const char *answer = rpc_sized(&c, request, sizeof(request), true);
        kept += strcmp(answer, "1 ") == 0;
        assert_string_equal(answer, i < 4 ? "1 " : "0 Value too long");
    }
    assert_int_equal(kept, 4);
    memcpy(request, "info-set guestinfo.k3 ", 22); // full, but this one gives way to itself
    assert_string_equal(rpc_sized(&c, request, sizeof(request), true), "1 ");
    assert_int_equal(strlen(rpc(&c, "info-get guestinfo.k3")), MESSAGE_MAX - 22 + 2);
    assert_string_equal(rpc(&c, "info-set guestinfo.k0 "), "1 ");
    assert_string_equal(rpc_sized(&c, request, sizeof(request), true), "1 ");
    char key[GUESTINFO_KEY_MAX + 16] = "info-set guestinfo.";
    memset(key + 19, 'k', sizeof(key) - 19);
    memcpy(key + sizeof(key) - 3, " v", 3);
    assert_string_equal(rpc(&c, key), "0 Invalid key");
}

// Each pair costs a search in the guest's exit, and a line on the operator's terminal.
static void test_guestinfo_has_few_pairs(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    char request[64];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(request, sizeof(request), "info-set guestinfo.%u v", i);
        const char *answer = rpc(&c, request);
        assert_string_equal(answer, i < GUESTINFO_PAIRS_MAX ? "1 " : "0 Value too long");
    }
    assert_string_equal(rpc(&c, "info-set guestinfo.3 w"), "1 "); // in place of itself
    assert_string_equal(rpc(&c, "info-set guestinfo.300 "), "1 ");
    assert_string_equal(rpc(&c, "info-set guestinfo.4 "), "1 ");
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.x", "y"), 0);
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.z", "y"), ERR_NOMEM);
}

static void test_guestinfo_for_the_operator(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    char text[8], key[64];
    size_t size, cursor = 0;
    assert_string_equal(rpc(&c, "info-set guestinfo.b a\nbcdefghij"), "1 ");
    assert_int_equal(tools_guestinfo_set(tools, "guestinfo.c", "C"), 0);
    assert_int_equal(tools_guestinfo_set(tools, "c", "C"), ERR_INVALID);
    assert_true(tools_guestinfo_get(tools, "guestinfo.b", text, sizeof(text), &size));
    assert_string_equal(text, "a?bcdef");
    assert_int_equal(size, 11);
    assert_true(tools_guestinfo_next(tools, &cursor, key, sizeof(key), text, 8, &size));
    assert_string_equal(key, "guestinfo.b");
    assert_true(tools_guestinfo_next(tools, &cursor, key, sizeof(key), text, 8, &size));
    assert_string_equal(key, "guestinfo.c");
    assert_false(tools_guestinfo_next(tools, &cursor, key, sizeof(key), text, 8, &size));
    tools_reset(tools); // what is shared outlives the guest's reset
    assert_int_equal(simple(&c, CLOSE, 0), 0);
    assert_true(tools_guestinfo_get(tools, "guestinfo.c", text, sizeof(text), &size));
}

static void test_guestinfo_of_the_manifest(void **state)
{
    (void)state;
    static struct vm_config with = {.name = "vm",
                                    .guestinfo = {{"a.b", {"one", 3}}, {"ovfEnv", {"<e>", 3}}},
                                    .guestinfo_count = 2};
    tools_destroy(tools);
    tools = tools_create(&with, 7);
    struct client c = opened(RPCI);
    assert_string_equal(rpc(&c, "info-get guestinfo.a.b"), "1 one");
    assert_string_equal(rpc(&c, "info-get guestinfo.ovfEnv"), "1 <e>");
    assert_string_equal(rpc(&c, "info-set guestinfo.a.b two"), "1 ");
    assert_string_equal(rpc(&c, "info-get guestinfo.a.b"), "1 two");
}

static void test_guestlib(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    later(3);
    assert_string_equal(rpc(&c, "guestlib.info.get 4"), "0 3");
    const char *answer = rpc(&c, "guestlib.info.get 3");
    assert_memory_equal(answer, "1 \3\0\0\0", 6);
    assert_true(memcmp(answer + 6, "\0\0\0\0\0\0\0\0", 8) != 0);
    uint8_t size[4];
    memcpy(size, answer + 14, 4);
    size_t data = size[0] | (size_t)size[1] << 8;
    // 17 statistics; the last is milliseconds since the start, 64 bits, valid.
    assert_memory_equal(answer + 18, "\0\0\0\21\0\0\0\1\0\0\0\1\0\0\0\0", 16);
    assert_memory_equal(answer + 18 + data - 16, "\0\0\0\21\0\0\0\1\0\0\0\0\0\0\x0b\xb8", 16);
    assert_int_equal(data, 4 + 15 * 12 + 2 * 16);
}

static void test_log_is_one_line(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    assert_string_equal(rpc(&c, "log toolbox: a\x1b[31m\nb"), "1 ");
    assert_string_equal(logged, "vm: tools: toolbox: a?[31m?b\n");
}

// ---- vmtoolsd, start to end: what it sent to a small test host, in its order ----

static void vmtoolsd_says(struct client *rpci, const char *const *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rpc_sized(rpci, requests[i], strlen(requests[i]) + i % 2, true), "1 ");
    }
}

static void check_what_vmtoolsd_reported(void)
{
    struct tools_report report;
    tools_report(tools, &report);
    assert_true(report.running);
    assert_int_equal(report.version, 12352);
    assert_int_equal(report.version_type, 4);
    assert_string_equal(report.version_text, "12.2.0");
    assert_string_equal(report.ip, "192.0.2.2");
    assert_string_equal(report.fact[FACT_HOSTNAME], "lab");
    assert_string_equal(report.fact[FACT_UPTIME], "99248");
    assert_int_equal(report.channels, 2);
    assert_int_equal(report.unknown_rpcs, 0);
}

static void test_vmtoolsd(void **state)
{
    static const char *const early[] = {
        "info-set guestinfo.vmtools.description open-vm-tools 12.2.0 build 21223074",
        "info-set guestinfo.vmtools.versionString 12.2.0",
        "info-set guestinfo.vmtools.versionNumber 12352",
        "info-set guestinfo.vmtools.buildNumber 21223074",
    };
    static const char *const reset[] = {
        "vmx.capability.unified_loop toolbox",
        "log toolbox: Version: 12.2.0.41219 (build-21223074)",
    };
    static const char *const capabilities[] = {
        "tools.capability.hgfs_server toolbox 1",
        "SetGuestInfo  7 99248",
        "tools.capability.statechange ",
        "tools.capability.softpowerop_retry ",
        "tools.capability.features 36=0",
        "tools.capability.guest_conf_directory /etc/vmware-tools",
        "tools.set.versiontype 12352 4",
    };
    static const char *const periodic[] = {
        "info-set guestinfo.ip 192.0.2.2",
        "SetGuestInfo  8 \5",
        "SetGuestInfo  4 build-21223074",
        "SetGuestInfo  1 lab",
        "SetGuestInfo  10 \1",
        "SetGuestDiskInfo {\n\"version\":\"1\"}",
    };
    (void)state;
    struct client tclo = opened(TCLO), rpci = opened(RPCI);
    vmtoolsd_says(&rpci, early, ARRAY_SIZE(early));
    assert_false(tools_running(tools));
    assert_string_equal(turn(&tclo, ""), "reset");
    assert_int_equal(simple(&rpci, CLOSE, 0), SUCCESS);
    rpci = opened(RPCI);
    vmtoolsd_says(&rpci, reset, ARRAY_SIZE(reset));
    assert_string_equal(turn(&tclo, "OK ATR toolbox"), "ping");
    assert_string_equal(turn(&tclo, "OK "), "Capabilities_Register");
    vmtoolsd_says(&rpci, capabilities, ARRAY_SIZE(capabilities));
    const char *told = turn(&tclo, "OK ");
    for (unsigned i = 0; i < 5; i++) {
        assert_memory_equal(told, "Set_Option ", 11);
        told = turn(&tclo, i == 2 ? "ERROR Unknown or invalid option" : "OK ");
    }
    assert_string_equal(told, "");
    vmtoolsd_says(&rpci, periodic, ARRAY_SIZE(periodic));
    check_what_vmtoolsd_reported();
    assert_int_equal(simple(&tclo, CLOSE, 0), SUCCESS);
    assert_false(tools_running(tools));
}

static void test_os_details(void **state)
{
    (void)state;
    struct client c = opened(RPCI);
    struct tools_report report;
    static char request[17 + 646 + 40];
    memcpy(request, "SetGuestInfo  11 \1\0\0\0debian12-64", 32);
    strcpy(request + 17 + 133, "Debian GNU/Linux 12 (bookworm)");
    strcpy(request + 17 + 646, "bitness='64'");
    assert_string_equal(rpc_sized(&c, request, sizeof(request), true), "1 ");
    tools_report(tools, &report);
    assert_string_equal(report.fact[FACT_OS_NAME], "debian12-64");
    assert_string_equal(report.fact[FACT_OS], "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(rpc_sized(&c, request, 17 + 645, true), "1 "); // too short: left out
}

// ---- TCLO ----

static void test_orders_need_tools(void **state)
{
    (void)state;
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), ERR_NOENT);
    struct client other = greeted("toolbox-dnd");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), ERR_NOENT);
    struct client c = greeted("toolbox");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), ERR_BUSY);
    assert_string_equal(turn(&other, ""), "");
    assert_string_equal(turn(&c, ""), "OS_Halt");
    later(TOOLS_ALIVE_SECONDS);
    assert_int_equal(tools_order(tools, ORDER_REBOOT), ERR_NOENT);
    assert_string_equal(turn(&c, ""), "");
    assert_int_equal(tools_order(tools, ORDER_REBOOT), 0);
}

static void test_shutdown_is_carried_out(void **state)
{
    (void)state;
    struct client c = greeted("toolbox"), rpci = opened(RPCI);
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_string_equal(turn(&c, ""), "OS_Halt");
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(logged, "");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 1 1"), "1 ");
    assert_string_equal(logged, "vm: tools: shutdown under way\n");
}

static void test_a_failed_script_is_tried_twice(void **state)
{
    (void)state;
    struct client c = greeted("toolbox"), rpci = opened(RPCI);
    assert_int_equal(tools_order(tools, ORDER_REBOOT), 0);
    assert_string_equal(turn(&c, ""), "OS_Reboot");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 0 1"), "1 "); // not of this
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 0 2"), "1 ");
    assert_string_equal(turn(&c, ""), "OS_Reboot");
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(rpc(&rpci, "tools.os.statechange.status 0 2"), "1 ");
    assert_string_equal(turn(&c, ""), "");
    assert_string_equal(logged, "vm: tools: reboot failed: the guest's script\n");
}

static void test_refused_and_unanswered_orders(void **state)
{
    (void)state;
    struct client c = greeted("toolbox");
    assert_int_equal(tools_order(tools, ORDER_SYNC_TIME), 0);
    assert_string_equal(turn(&c, ""), "Time_Synchronize 1");
    assert_string_equal(turn(&c, "ERROR Unable to sync time"), "");
    assert_string_equal(logged, "vm: tools: ERROR Unable to sync time\n"
                                "vm: tools: setting of the clock refused by the guest\n");
    logged[0] = '\0';
    assert_int_equal(tools_order(tools, ORDER_SYNC_TIME), 0);
    assert_string_equal(turn(&c, ""), "Time_Synchronize 1");
    assert_string_equal(turn(&c, "OK "), "");
    assert_string_equal(logged, "vm: tools: setting of the clock done\n");
    logged[0] = '\0';
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_string_equal(turn(&c, ""), "OS_Halt");
    later(61);
    assert_string_equal(turn(&c, ""), "ping");
    assert_string_equal(logged, "vm: tools: shutdown not answered\n");
}

static void test_an_order_survives_the_tools_restart(void **state)
{
    (void)state;
    struct client c = greeted("toolbox");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    assert_string_equal(turn(&c, ""), "OS_Halt");
    assert_int_equal(simple(&c, CLOSE, 0), SUCCESS);
    c = opened(TCLO);
    assert_string_equal(turn(&c, ""), "reset");
    const char *told = turn(&c, "OK ATR toolbox");
    for (unsigned i = 0; i < 7; i++) {
        told = turn(&c, "OK ");
    }
    assert_string_equal(told, "OS_Halt");
}

static void test_a_pause_is_no_silence(void **state)
{
    (void)state;
    tools_resumed(tools); // without tools
    struct client c = greeted("toolbox");
    assert_string_equal(turn(&c, ""), "");
    assert_int_equal(tools_order(tools, ORDER_SHUTDOWN), 0);
    later(1000);
    tools_resumed(tools);
    assert_true(tools_running(tools));
    assert_string_equal(turn(&c, ""), "OS_Halt");
    assert_string_equal(turn(&c, "OK "), "Time_Synchronize 1");
    assert_string_equal(logged, "");
}

static void test_tclo_channels_are_few(void **state)
{
    (void)state;
    struct client c[TOOLS_TCLO], more;
    for (unsigned i = 0; i < TOOLS_TCLO; i++) {
        c[i] = opened(TCLO);
    }
    assert_false(try_open(&more, TCLO));
    assert_true(try_open(&more, RPCI));
    assert_int_equal(simple(&c[0], CLOSE, 0), SUCCESS);
    assert_true(try_open(&more, TCLO));
    assert_string_equal(turn(&more, ""), "reset");
    later(TOOLS_IDLE_SECONDS); // programs that died without closing theirs do not lock others out
    assert_string_equal(turn(&c[1], ""), "reset");
    assert_true(try_open(&more, TCLO));
    assert_string_equal(turn(&c[1], "OK ATR toolbox"), "ping");
    assert_string_equal(turn(&more, ""), "reset");
    tools_reset(tools);
    assert_true(try_open(&more, TCLO));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(test_open_wants_a_cookie_and_a_known_protocol),
        TEST(test_a_channel_is_its_cookies),
        TEST(test_what_el1_opened_is_its_own),
        TEST(test_messages_in_the_wrong_order),
        TEST(test_an_interrupted_copy_changes_nothing),
        TEST(test_leaked_channels_are_bounded_and_reclaimed),
        TEST(test_leaked_messages_are_bounded_and_reclaimed),
        TEST(test_a_cookie_does_not_tell_the_next),
        TEST(test_a_block_populates_little_at_a_time),
        TEST(test_guestinfo),
        TEST(test_guestinfo_is_bounded),
        TEST(test_guestinfo_has_few_pairs),
        TEST(test_guestinfo_for_the_operator),
        TEST(test_guestinfo_of_the_manifest),
        TEST(test_guestlib),
        TEST(test_log_is_one_line),
        TEST(test_vmtoolsd),
        TEST(test_os_details),
        TEST(test_orders_need_tools),
        TEST(test_shutdown_is_carried_out),
        TEST(test_a_failed_script_is_tried_twice),
        TEST(test_refused_and_unanswered_orders),
        TEST(test_an_order_survives_the_tools_restart),
        TEST(test_a_pause_is_no_silence),
        TEST(test_tclo_channels_are_few),
        TEST(test_cookies_use_the_source_of_randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
