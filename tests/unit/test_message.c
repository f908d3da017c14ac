// SPDX-License-Identifier: Apache-2.0
// Channels of the tools' messages: who may use them, in what order, and how many there are.
#include "call/backdoor.h"
#include "call/io_insn.h"
#include "cpu/drbg.h"
#include "tools_client.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(test_open_wants_a_cookie_and_a_known_protocol),
        TOOLS_TEST(test_a_channel_is_its_cookies),
        TOOLS_TEST(test_what_el1_opened_is_its_own),
        TOOLS_TEST(test_messages_in_the_wrong_order),
        TOOLS_TEST(test_an_interrupted_copy_changes_nothing),
        TOOLS_TEST(test_leaked_channels_are_bounded_and_reclaimed),
        TOOLS_TEST(test_leaked_messages_are_bounded_and_reclaimed),
        TOOLS_TEST(test_a_cookie_does_not_tell_the_next),
        TOOLS_TEST(test_a_block_populates_little_at_a_time),
        TOOLS_TEST(test_cookies_use_the_source_of_randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
