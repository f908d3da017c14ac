// SPDX-License-Identifier: Apache-2.0
// The virtual PL011: registers, both directions, and the level of its interrupt after every step.
#include "dev/pl011.h"
#include "irq/vgic.h"
#include "lib/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    DR = 0x00,
    RSR = 0x04,
    FR = 0x18,
    IBRD = 0x24,
    FBRD = 0x28,
    LCRH = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44,
    DMACR = 0x48,
};

#define RX  (1u << 4)
#define TX  (1u << 5)
#define RT  (1u << 6)
#define FEN (1u << 4)

static struct pl011 uart;
static bool line;
static unsigned line_changes;
static char sent[64];
static size_t sent_count;

void vgic_set_spi(struct vgic *g, uint32_t intid, bool level)
{
    assert_ptr_equal(g, &line);
    assert_int_equal(intid, PL011_INTID);
    assert_int_not_equal(level, line);
    line = level;
    line_changes++;
}

static void transmit(void *context, uint8_t byte)
{
    assert_ptr_equal(context, sent);
    assert_int_equal(uart.lock.next, uart.lock.owner); // not held
    sent[sent_count++ % sizeof(sent)] = (char)byte;
}

static uint32_t get(uint64_t offset)
{
    return (uint32_t)uart.dev.ops->read(&uart.dev, NULL, offset, 4);
}

static void set(uint64_t offset, uint32_t value)
{
    uart.dev.ops->write(&uart.dev, NULL, offset, 4, value);
    assert_int_equal(line, (uart.ris & uart.imsc) != 0);
}

static size_t type(const char *text)
{
    return pl011_receive(&uart, (const uint8_t *)text, strlen(text));
}

static int setup(void **state)
{
    (void)state;
    memset(&uart, 0, sizeof(uart));
    line = false;
    line_changes = 0;
    sent_count = 0;
    pl011_init(&uart, (struct vgic *)&line, transmit, sent);
    return 0;
}

static void test_reset_values(void **state)
{
    (void)state;
    assert_int_equal(uart.dev.base.v, 0x09000000);
    assert_int_equal(uart.dev.size, 0x1000);
    assert_int_equal(get(FR), 0x90);
    assert_int_equal(get(CR), 0x300);
    assert_int_equal(get(IFLS), 0x12);
    assert_int_equal(get(IMSC), 0);
    assert_int_equal(get(RIS), 0);
    assert_int_equal(get(DR), 0);
    assert_int_equal(get(RSR), 0);
    assert_int_equal(get(0x100), 0);
}

static void test_identification(void **state)
{
    static const uint8_t ids[] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(get(0xfe0 + 4 * i), ids[i]);
        set(0xfe0 + 4 * i, 0xffffffff);
        assert_int_equal(get(0xfe0 + 4 * i), ids[i]);
    }
}

static void test_fields_that_exist_are_kept(void **state)
{
    static const struct {
        uint32_t offset, mask;
    } regs[] = {{IBRD, 0xffff}, {FBRD, 0x3f},  {LCRH, 0xff}, {CR, 0xff87},
                {IFLS, 0x3f},   {IMSC, 0x7ff}, {DMACR, 7}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
        set(regs[i].offset, 0xffffffff);
        assert_int_equal(get(regs[i].offset), regs[i].mask);
        set(regs[i].offset, 0);
        assert_int_equal(get(regs[i].offset), 0);
    }
}

static void test_narrow_and_wide_accesses(void **state)
{
    (void)state;
    set(IBRD, 0x1234);
    assert_int_equal(uart.dev.ops->read(&uart.dev, NULL, IBRD, 1), 0x34);
    assert_int_equal(uart.dev.ops->read(&uart.dev, NULL, IBRD + 1, 1), 0x12);
    assert_int_equal(uart.dev.ops->read(&uart.dev, NULL, IBRD, 2), 0x1234);
    assert_int_equal(uart.dev.ops->read(&uart.dev, NULL, 0x20, 8), 0);
    assert_int_equal(uart.dev.ops->read(&uart.dev, NULL, FR + 1, 1), 0);
    uart.dev.ops->write(&uart.dev, NULL, DR, 1, 'a');
    uart.dev.ops->write(&uart.dev, NULL, DR, 2, 'b');
    uart.dev.ops->write(&uart.dev, NULL, DR, 8, 'c');
    assert_memory_equal(sent, "abc", 3);
}

// Linux fills the FIFO, then waits for the transmit interrupt; sending takes no time here.
static void test_transmit_interrupt(void **state)
{
    (void)state;
    set(IMSC, TX);
    assert_false(line);
    set(DR, 'x');
    assert_true(line);
    assert_int_equal(get(RIS), TX);
    assert_int_equal(get(MIS), TX);
    set(ICR, TX);
    assert_false(line);
    set(DR, 'y');
    assert_true(line);
    set(IMSC, 0);
    assert_false(line);
    assert_int_equal(get(RIS), TX);
    assert_int_equal(get(FR) & 0x28, 0); // not busy, not full
}

static void test_receive_without_fifo(void **state)
{
    (void)state;
    set(IMSC, RX | RT);
    assert_int_equal(type("ab"), 2);
    assert_true(line);
    assert_int_equal(get(RIS), RX | RT);
    assert_int_equal(get(FR) & 0x10, 0);
    assert_int_equal(get(DR), 'a');
    assert_true(line);
    assert_int_equal(get(DR), 'b');
    assert_false(line);
    assert_int_equal(get(RIS), 0);
    assert_int_equal(get(FR) & 0x10, 0x10);
}

static void test_receive_levels(void **state)
{
    static const unsigned levels[] = {2, 4, 8, 12, 14};
    (void)state;
    set(LCRH, FEN);
    for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
        set(IFLS, i << 3);
        for (unsigned n = 1; n < levels[i]; n++) {
            type("z");
            assert_int_equal(get(RIS), RT);
        }
        type("z");
        assert_int_equal(get(RIS), RX | RT);
        get(DR);
        assert_int_equal(get(RIS), RT);
        while (!(get(FR) & 0x10)) {
            get(DR);
        }
        assert_int_equal(get(RIS), 0);
    }
}

// What is cleared while bytes wait comes back with the next byte, so that none waits for ever.
static void test_cleared_timeout_returns(void **state)
{
    (void)state;
    set(LCRH, FEN);
    set(IMSC, RT);
    type("a");
    set(ICR, RT | RX);
    assert_false(line);
    type("b");
    assert_true(line);
    assert_int_equal(get(DR), 'a');
    assert_true(line);
    assert_int_equal(get(DR), 'b');
    assert_false(line);
}

static void test_overflow_is_refused(void **state)
{
    uint8_t text[300];
    (void)state;
    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)i;
    }
    assert_int_equal(pl011_receive(&uart, text, sizeof(text)), 256);
    assert_int_equal(get(FR) & 0x50, 0x40); // full, not empty
    assert_int_equal(pl011_receive(&uart, text, 1), 0);
    assert_int_equal(get(DR), 0);
    assert_int_equal(pl011_receive(&uart, text + 7, 2), 1);
    for (unsigned i = 1; i < 256; i++) {
        assert_int_equal(get(DR), i);
    }
    assert_int_equal(get(DR), 7);
    assert_int_equal(get(FR), 0x90);
    assert_int_equal(get(DR), 0);
}

static void test_loop_back(void **state)
{
    (void)state;
    set(CR, 0x381);
    set(IMSC, RX);
    set(DR, 'q');
    assert_int_equal(sent_count, 0);
    assert_true(line);
    assert_int_equal(get(DR), 'q');
    assert_false(line);
}

static void test_reset(void **state)
{
    (void)state;
    set(IMSC, 0x7ff);
    set(LCRH, 0x70);
    type("abc");
    assert_true(line);
    uart.dev.ops->reset(&uart.dev);
    assert_false(line);
    test_reset_values(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset_values, setup),
        cmocka_unit_test_setup(test_identification, setup),
        cmocka_unit_test_setup(test_fields_that_exist_are_kept, setup),
        cmocka_unit_test_setup(test_narrow_and_wide_accesses, setup),
        cmocka_unit_test_setup(test_transmit_interrupt, setup),
        cmocka_unit_test_setup(test_receive_without_fifo, setup),
        cmocka_unit_test_setup(test_receive_levels, setup),
        cmocka_unit_test_setup(test_cleared_timeout_returns, setup),
        cmocka_unit_test_setup(test_overflow_is_refused, setup),
        cmocka_unit_test_setup(test_loop_back, setup),
        cmocka_unit_test_setup(test_reset, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
