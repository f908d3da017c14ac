// SPDX-License-Identifier: Apache-2.0
// The serial line's driver against registers that are plain memory: what they say stays until the
// test changes it.
#include "dev/uart_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t pl011[0x400];
static uint8_t ns[8];
static unsigned received;

#define FR   pl011[0x18 / 4]
#define LCRH pl011[0x2c / 4]
#define CR   pl011[0x30 / 4]
#define IMSC pl011[0x38 / 4]

#define FR_RXFE 0x10u
#define FR_TXFF 0x20u
#define FR_TXFE 0x80u
#define INT_TX  0x20u

static void receive(uint8_t byte)
{
    assert_int_equal(byte, 'k');
    received++;
}

static void pl011_up(void)
{
    memset(pl011, 0, sizeof(pl011));
    FR = FR_TXFE | FR_RXFE;
    const struct uart_config config = {.type = UART_PL011, .base = (uintptr_t)pl011};
    uart_early_init(&config);
}

static void test_nothing_there(void **state)
{
    (void)state;
    const struct uart_config config = {.type = UART_NONE};
    uart_early_init(&config);
    uart_write("x", 1);
    uart_flush();
    uart_interrupt();
    assert_int_equal(uart_backlog(), 0);
}

static void test_pl011_init(void **state)
{
    (void)state;
    pl011_up();
    assert_int_equal(LCRH, 0x70);
    assert_int_equal(CR, 0x301);
    uart_write("ab", 2);
    assert_int_equal(pl011[0], 'b');
}

static void test_ns16550_polled(void **state)
{
    (void)state;
    const struct uart_config config = {.type = UART_NS16550, .base = (uintptr_t)ns, .io_width = 1};
    memset(ns, 0, sizeof(ns));
    ns[3] = 0x83;
    ns[5] = 0x60;
    uart_early_init(&config);
    assert_int_equal(ns[3], 0x03);
    uart_write("ab", 2);
    assert_int_equal(ns[0], 'b');
}

static void test_stuck_transmitter_is_given_up(void **state)
{
    (void)state;
    pl011_up();
    FR = FR_TXFF | FR_RXFE;
    for (unsigned i = 0; i < 100; i++) {
        uart_write("lost", 4);
    }
    FR = FR_TXFE | FR_RXFE;
    uart_write("!", 1);
    assert_int_equal(pl011[0], '!');
}

static void fill_ring(void)
{
    static const char text[1024] = "text";
    for (unsigned i = 0; i < 64; i++) {
        uart_write(text, sizeof(text));
    }
}

static void test_ring(void **state)
{
    (void)state;
    pl011_up();
    uart_start_locking();
    uart_start_irq(receive);
    uart_write("abc", 3);
    assert_int_equal(uart_backlog(), 0);
    assert_int_equal(IMSC, 0x50);

    FR = FR_TXFF | FR_RXFE;
    uart_write("abc", 3);
    assert_int_equal(uart_backlog(), 3);
    assert_int_equal(IMSC, 0x50 | INT_TX);
    FR = FR_TXFE | FR_RXFE;
    uart_interrupt();
    assert_int_equal(uart_backlog(), 0);
    assert_int_equal(IMSC, 0x50);
    assert_int_equal(pl011[0], 'c');

    FR = FR_TXFF | FR_RXFE;
    fill_ring();
    assert_int_equal(uart_backlog(), 65536);
    uart_write("more", 4);
    assert_in_range(uart_backlog(), 65000, 65536);
    FR = FR_TXFE | FR_RXFE;
    uart_flush();
    assert_int_equal(uart_backlog(), 0);
    assert_int_equal(pl011[0], 'e');
}

static void test_receive_is_bounded(void **state)
{
    (void)state;
    FR = FR_TXFE; // always one more byte
    pl011[0] = 'k';
    uart_interrupt();
    assert_int_equal(received, 64);
    pl011[0] = 0x400 | 'k'; // a break
    uart_interrupt();
    assert_int_equal(received, 64);
    FR = FR_TXFE | FR_RXFE;
}

static void test_panic_is_polled(void **state)
{
    (void)state;
    FR = FR_TXFF | FR_RXFE;
    uart_write("pending", 7);
    FR = FR_TXFE | FR_RXFE;
    uart_panic();
    assert_int_equal(pl011[0], 'g');
    assert_int_equal(IMSC, 0);
    uart_write("x", 1);
    assert_int_equal(pl011[0], 'x');
    assert_int_equal(uart_backlog(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_pl011_init),
        cmocka_unit_test(test_ns16550_polled),
        cmocka_unit_test(test_stuck_transmitter_is_given_up),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_receive_is_bounded),
        cmocka_unit_test(test_panic_is_polled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
