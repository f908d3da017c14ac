// SPDX-License-Identifier: Apache-2.0
#include "dev/uart_host.h"

#include "lib/bits.h"
#include "lib/spinlock.h"

#include <stdbool.h>

// PL011 registers (DDI 0183, 3.2) and fields.
#define PL011_DR   0x000u
#define PL011_FR   0x018u
#define PL011_LCRH 0x02cu
#define PL011_CR   0x030u
#define PL011_IMSC 0x038u
#define PL011_ICR  0x044u
#define DR_ERROR   (BIT(8) | BIT(9) | BIT(10)) // framing, parity, break
#define FR_BUSY    BIT(3)
#define FR_RXFE    BIT(4)
#define FR_TXFF    BIT(5)
#define FR_TXFE    BIT(7)
#define LCRH_FEN   BIT(4)
#define LCRH_WLEN8 (BIT(5) | BIT(6))
#define CR_ENABLED (BIT(0) | BIT(8) | BIT(9)) // UART, transmitter, receiver
#define INT_RX     BIT(4)
#define INT_TX     BIT(5)
#define INT_RT     BIT(6)
#define INT_ALL    0x7ffu

// NS16550A registers and fields.
#define NS_DATA   0u
#define NS_IER    1u
#define NS_IIR    2u // read
#define NS_FCR    2u // write
#define NS_LCR    3u
#define NS_MCR    4u
#define NS_LSR    5u
#define IER_RX    BIT(0)
#define IER_TX    BIT(1)
#define IIR_FIFO  (BIT(6) | BIT(7))
#define FCR_FIFO  (BIT(0))
#define LCR_DLAB  BIT(7)
#define MCR_OUT2  BIT(3)
#define LSR_DR    BIT(0)
#define LSR_ERROR (BIT(2) | BIT(3) | BIT(4))
#define LSR_THRE  BIT(5)
#define LSR_TEMT  BIT(6)

#define FIFO_DEPTH 16u
#define RING_SIZE  65536u     // a power of two
#define PATIENCE   (1u << 22) // reads of a register: seconds on any machine
#define RX_BATCH   64u        // bytes of one interrupt; more make the next one

struct uart_ops {
    void (*init)(void);
    unsigned (*room)(void); // bytes that the transmitter takes now without a look in between
    bool (*sent)(void);     // the last bit has left
    void (*put)(const uint8_t *bytes, unsigned count); // at most room()
    int (*get)(void);                                  // -1: none, -2: one with an error
    void (*interrupts)(bool rx, bool tx);
};

static struct {
    const struct uart_ops *ops;
    struct uart_config config;
    struct spinlock lock;
    bool locking, ringing, tx_interrupt;
    bool stuck; // the transmitter was waited for in vain
    void (*receive)(uint8_t byte);
    uint32_t head, tail; // bytes ever put into and taken out of the ring
    uint8_t ring[RING_SIZE];
} uart;

static uint32_t reg_read(unsigned offset)
{
    uintptr_t address = (uintptr_t)uart.config.base + offset;
    if (uart.config.io_width == 1) {
        return *(volatile uint8_t *)address;
    }
    return *(volatile uint32_t *)address;
}

static void reg_write(unsigned offset, uint32_t value)
{
    uintptr_t address = (uintptr_t)uart.config.base + offset;
    if (uart.config.io_width == 1) {
        *(volatile uint8_t *)address = (uint8_t)value;
    } else {
        *(volatile uint32_t *)address = value;
    }
}

// LCR_H may change only while the UART is off and idle (DDI 0183, 3.3.8).
static void pl011_host_init(void)
{
    uint32_t lcr = reg_read(PL011_LCRH);
    uint32_t want = lcr | LCRH_FEN | ((lcr & LCRH_WLEN8) == 0 ? LCRH_WLEN8 : 0);
    reg_write(PL011_IMSC, 0);
    reg_write(PL011_ICR, INT_ALL);
    if (want != lcr) {
        for (unsigned i = 0; i < PATIENCE && (reg_read(PL011_FR) & FR_BUSY) != 0; i++) {
        }
        reg_write(PL011_CR, 0);
        reg_write(PL011_LCRH, want);
    }
    reg_write(PL011_CR, reg_read(PL011_CR) | CR_ENABLED);
}

static unsigned pl011_host_room(void)
{
    uint32_t flags = reg_read(PL011_FR);
    if ((flags & FR_TXFE) != 0) {
        return FIFO_DEPTH;
    }
    return (flags & FR_TXFF) == 0;
}

static bool pl011_host_sent(void)
{
    return (reg_read(PL011_FR) & (FR_TXFE | FR_BUSY)) == FR_TXFE;
}

static void pl011_host_put(const uint8_t *bytes, unsigned count)
{
    volatile uint32_t *data = (volatile uint32_t *)((uintptr_t)uart.config.base + PL011_DR);
    for (unsigned i = 0; i < count; i++) {
        *data = bytes[i];
    }
}

static int pl011_host_get(void)
{
    if ((reg_read(PL011_FR) & FR_RXFE) != 0) {
        return -1;
    }
    uint32_t data = reg_read(PL011_DR);
    return (data & DR_ERROR) != 0 ? -2 : (int)(data & 0xff);
}

static void pl011_host_interrupts(bool rx, bool tx)
{
    reg_write(PL011_IMSC, (uint32_t)((rx ? INT_RX | INT_RT : 0) | (tx ? INT_TX : 0)));
}

static const struct uart_ops pl011_ops = {
    .init = pl011_host_init,
    .room = pl011_host_room,
    .sent = pl011_host_sent,
    .put = pl011_host_put,
    .get = pl011_host_get,
    .interrupts = pl011_host_interrupts,
};

static uint32_t ns_read(unsigned reg)
{
    return reg_read(reg << uart.config.reg_shift);
}

static void ns_write(unsigned reg, uint32_t value)
{
    reg_write(reg << uart.config.reg_shift, value);
}

static void ns_init(void)
{
    ns_write(NS_LCR, ns_read(NS_LCR) & ~(uint32_t)LCR_DLAB);
    ns_write(NS_IER, 0);
    ns_write(NS_FCR, FCR_FIFO);
    ns_write(NS_MCR, ns_read(NS_MCR) | MCR_OUT2);
}

static unsigned ns_room(void)
{
    if ((ns_read(NS_LSR) & LSR_THRE) == 0) {
        return 0;
    }
    return (ns_read(NS_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_DEPTH : 1;
}

static bool ns_sent(void)
{
    return (ns_read(NS_LSR) & LSR_TEMT) != 0;
}

static void ns_put(const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ns_write(NS_DATA, bytes[i]);
    }
}

static int ns_get(void)
{
    uint32_t status = ns_read(NS_LSR);
    if ((status & LSR_DR) == 0) {
        return -1;
    }
    uint32_t data = ns_read(NS_DATA);
    return (status & LSR_ERROR) != 0 ? -2 : (int)(data & 0xff);
}

static void ns_interrupts(bool rx, bool tx)
{
    ns_write(NS_IER, (uint32_t)((rx ? IER_RX : 0) | (tx ? IER_TX : 0)));
}

static const struct uart_ops ns_ops = {
    .init = ns_init,
    .room = ns_room,
    .sent = ns_sent,
    .put = ns_put,
    .get = ns_get,
    .interrupts = ns_interrupts,
};

// Its THRE says that there is room for one byte (BCM2835 ARM Peripherals, 2.2.2, AUX_MU_LSR_REG).
static unsigned aux_room(void)
{
    return (ns_read(NS_LSR) & LSR_THRE) != 0 ? 1 : 0;
}

static const struct uart_ops aux_ops = {
    .init = ns_init,
    .room = aux_room,
    .sent = ns_sent,
    .put = ns_put,
    .get = ns_get,
    .interrupts = ns_interrupts,
};

static bool lock(void)
{
    bool taken = uart.locking;
    if (taken) {
        spin_lock(&uart.lock);
    }
    return taken;
}

static void unlock(bool taken)
{
    if (taken) {
        spin_unlock(&uart.lock);
    }
}

void uart_early_init(const struct uart_config *config)
{
    uart.config = *config;
    if (config->type == UART_PL011) {
        uart.ops = &pl011_ops;
        uart.config.io_width = 4;
    } else if (config->type == UART_NS16550) {
        uart.ops = &ns_ops;
        uart.config.io_width = config->io_width == 4 ? 4 : 1;
    } else if (config->type == UART_BCM2835_AUX) {
        uart.ops = &aux_ops;
        uart.config.reg_shift = 2;
        uart.config.io_width = 4;
    } else {
        uart.ops = NULL;
        return;
    }
    uart.ops->init();
}

void uart_start_locking(void)
{
    uart.locking = true;
}

// Waits for room, once for long; a line found stuck is not waited for again until it moves by
// itself.
static unsigned wait_for_room(void)
{
    unsigned tries = uart.stuck ? 1 : PATIENCE;
    for (unsigned i = 0; i < tries; i++) {
        unsigned room = uart.ops->room();
        if (room != 0) {
            uart.stuck = false;
            return room;
        }
    }
    uart.stuck = true;
    return 0;
}

static void write_polled(const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        unsigned room = wait_for_room();
        if (room == 0) {
            return;
        }
        room = MIN(room, (unsigned)count);
        uart.ops->put(bytes, room);
        bytes += room;
        count -= room;
    }
}

static bool ring_empty(void)
{
    return uart.head == uart.tail;
}

static void send_from_ring(unsigned room)
{
    while (room > 0 && !ring_empty()) {
        uint32_t at = uart.tail % RING_SIZE;
        unsigned count = MIN(room, MIN(uart.head - uart.tail, RING_SIZE - at));
        uart.ops->put(&uart.ring[at], count);
        uart.tail += count;
        room -= count;
    }
}

// As much of the ring as goes without waiting.
static void drain(void)
{
    while (!ring_empty()) {
        unsigned room = uart.ops->room();
        if (room == 0) {
            return;
        }
        send_from_ring(room);
    }
}

static void set_tx_interrupt(void)
{
    bool want = !ring_empty();
    if (want != uart.tx_interrupt) {
        uart.tx_interrupt = want;
        uart.ops->interrupts(uart.receive != NULL, want);
    }
}

// Makes room in a full ring, by waiting or, on a line that is stuck, by dropping what is oldest.
static void make_ring_room(void)
{
    unsigned room = wait_for_room();
    if (room == 0) {
        uart.tail += FIFO_DEPTH;
    } else {
        send_from_ring(room);
    }
}

// Straight into the transmitter while it is empty; the number of bytes that it took.
static size_t send_directly(const uint8_t *bytes, size_t count)
{
    size_t done = 0;
    while (ring_empty() && done < count) {
        unsigned room = uart.ops->room();
        if (room == 0) {
            break;
        }
        room = (unsigned)MIN(room, count - done);
        uart.ops->put(bytes + done, room);
        done += room;
    }
    return done;
}

static void write_ringed(const uint8_t *bytes, size_t count)
{
    for (size_t i = send_directly(bytes, count); i < count; i++) {
        if (uart.head - uart.tail == RING_SIZE) {
            make_ring_room();
        }
        uart.ring[uart.head++ % RING_SIZE] = bytes[i];
    }
    set_tx_interrupt();
}

void uart_write(const char *bytes, size_t count)
{
    if (uart.ops == NULL) {
        return;
    }
    bool taken = lock();
    if (uart.ringing) {
        write_ringed((const uint8_t *)bytes, count);
    } else {
        write_polled((const uint8_t *)bytes, count);
    }
    unlock(taken);
}

size_t uart_backlog(void)
{
    return __atomic_load_n(&uart.head, __ATOMIC_RELAXED) -
           __atomic_load_n(&uart.tail, __ATOMIC_RELAXED);
}

void uart_start_irq(void (*receive)(uint8_t byte))
{
    if (uart.ops == NULL) {
        return;
    }
    bool taken = lock();
    uart.receive = receive;
    uart.ringing = true;
    uart.ops->interrupts(receive != NULL, false);
    unlock(taken);
}

void uart_interrupt(void)
{
    uint8_t batch[RX_BATCH];
    unsigned count = 0;
    if (uart.ops == NULL) {
        return;
    }
    bool taken = lock();
    for (unsigned i = 0; i < RX_BATCH; i++) {
        int byte = uart.ops->get();
        if (byte == -1) {
            break;
        }
        if (byte >= 0) {
            batch[count++] = (uint8_t)byte;
        }
    }
    drain();
    set_tx_interrupt();
    unlock(taken);
    for (unsigned i = 0; i < count && uart.receive != NULL; i++) {
        uart.receive(batch[i]);
    }
}

static void flush_ring(void)
{
    while (!ring_empty()) {
        unsigned room = wait_for_room();
        if (room == 0) {
            return;
        }
        send_from_ring(room);
    }
}

void uart_flush(void)
{
    if (uart.ops == NULL) {
        return;
    }
    bool taken = lock();
    flush_ring();
    for (unsigned i = 0; i < PATIENCE && !uart.stuck && !uart.ops->sent(); i++) {
    }
    unlock(taken);
}

void uart_panic(void)
{
    uart.locking = false;
    if (uart.ops == NULL || !uart.ringing) {
        return;
    }
    uart.ringing = false;
    uart.ops->interrupts(false, false);
    flush_ring();
}
