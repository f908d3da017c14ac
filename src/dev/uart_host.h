// SPDX-License-Identifier: Apache-2.0
// The machine's serial line: an Arm PL011 (DDI 0183), an NS16550A, or the one in the BCM2835's
// auxiliary block ("mini UART"), which is nearly one.
//
// Three stages. Polled, from uart_early_init() on: no lock, no interrupt, for the boot CPU even
// with its MMU off. With a ring, from uart_start_irq() on: any CPU; what the transmitter does not
// take at once waits in the ring for its interrupt, so that nobody at EL2 spins on a slow line
// unless the ring is full. Polled again, for good, from uart_panic() on, whoever may hold the lock.
// No wait is for ever: a transmitter that takes nothing for long is given up, and its bytes are
// dropped.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum uart_type { UART_NONE, UART_PL011, UART_NS16550, UART_BCM2835_AUX };

struct uart_config {
    enum uart_type type;
    uint64_t base;      // host-physical
    unsigned reg_shift; // NS16550: registers lie 1 << reg_shift bytes apart
    unsigned io_width;  // NS16550: bytes of an access, 1 or 4 (0 counts as 1)
};

// Keeps the line's speed as the firmware left it. With UART_NONE whatever is written vanishes.
void uart_early_init(const struct uart_config *config);

// From now on other CPUs may write too: takes a lock. With the MMU and caches on.
void uart_start_locking(void);

// The ring and both interrupts. receive gets each byte that comes in, in the context of
// uart_interrupt(), no lock held. The caller enables the SPI at the interrupt controller
// afterwards, for one CPU.
void uart_start_irq(void (*receive)(uint8_t byte));

// The UART's interrupt, which is level-triggered: on the CPU that took it.
void uart_interrupt(void);

void uart_write(const char *bytes, size_t count);

// Bytes that wait in the ring, of 65536.
size_t uart_backlog(void);

// Waits until the ring is empty and the last byte has left, or the line is given up. Before the
// machine goes off.
void uart_flush(void);

void uart_panic(void);
