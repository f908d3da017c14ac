// SPDX-License-Identifier: Apache-2.0
#include "dev/pl011.h"

#include "cpu/counters.h"
#include "irq/vgic.h"
#include "lib/bits.h"

#include <string.h>

enum {
    UARTDR = 0x000,
    UARTFR = 0x018,
    UARTILPR = 0x020,
    UARTIBRD = 0x024,
    UARTFBRD = 0x028,
    UARTLCR_H = 0x02c,
    UARTCR = 0x030,
    UARTIFLS = 0x034,
    UARTIMSC = 0x038,
    UARTRIS = 0x03c,
    UARTMIS = 0x040,
    UARTICR = 0x044,
    UARTDMACR = 0x048,
    UARTPERIPHID0 = 0xfe0,
};

#define FR_RXFE    BIT(4)
#define FR_RXFF    BIT(6)
#define FR_TXFE    BIT(7)
#define LCRH_FEN   BIT(4)
#define CR_LBE     BIT(7)
#define CR_RESET   0x300u
#define IFLS_RESET 0x12u
#define INT_RX     BIT(4)
#define INT_TX     BIT(5)
#define INT_RT     BIT(6)
#define INT_OE     BIT(10)
#define INT_ALL    0x7ffu
#define RX_FIFO    16u // as deep as a driver believes it to be

static const uint8_t ids[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

// With the lock held, so that levels reach the vGIC in the order in which they came about.
static void update_line(struct pl011 *u)
{
    bool level = (u->ris & u->imsc) != 0;
    if (level != u->line) {
        u->line = level;
        vgic_set_spi(u->vgic, PL011_INTID, level);
    }
}

// ---- receiving ----

// Bytes in the FIFO that make the receive interrupt (DDI 0183, 3.3.11).
static unsigned rx_trigger(const struct pl011 *u)
{
    static const uint8_t levels[8] = {2, 4, 8, 12, 14, 14, 14, 14};
    return u->lcr_h & LCRH_FEN ? levels[bits_get(u->ifls, 5, 3)] : 1;
}

// What comes has come: the 32 bit times of silence that make the timeout interrupt are over at
// once.
static void rx_arrived(struct pl011 *u)
{
    u->ris |= INT_RT;
    if (u->rx_count >= rx_trigger(u)) {
        u->ris |= INT_RX;
    }
}

// UARTFR follows, so that reading it, which a driver does before every byte, is a load. Sending
// takes no time: the transmitter is always empty and never busy.
static void set_rx_count(struct pl011 *u, unsigned count)
{
    uint32_t receiver = count == 0 ? FR_RXFE : count >= RX_FIFO ? FR_RXFF : 0;
    u->rx_count = count;
    __atomic_store_n(&u->fr, FR_TXFE | receiver, __ATOMIC_RELEASE);
}

static bool rx_put(struct pl011 *u, uint8_t byte)
{
    if (u->rx_count == sizeof(u->rx)) {
        return false;
    }
    u->rx[(u->rx_head + u->rx_count) % sizeof(u->rx)] = byte;
    set_rx_count(u, u->rx_count + 1);
    return true;
}

static uint32_t rx_get(struct pl011 *u)
{
    if (u->rx_count == 0) {
        return 0;
    }
    uint32_t byte = u->rx[u->rx_head];
    u->rx_head = (u->rx_head + 1) % sizeof(u->rx);
    set_rx_count(u, u->rx_count - 1);
    if (u->rx_count < rx_trigger(u)) {
        u->ris &= ~INT_RX;
    }
    if (u->rx_count == 0) {
        u->ris &= ~INT_RT;
    }
    return byte;
}

size_t pl011_receive(struct pl011 *u, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;
    spin_lock(&u->lock);
    while (taken < count && rx_put(u, bytes[taken])) {
        taken++;
    }
    if (taken != 0) {
        rx_arrived(u);
        update_line(u);
    }
    spin_unlock(&u->lock);
    return taken;
}

// ---- registers ----

static uint32_t flags(const struct pl011 *u)
{
    return __atomic_load_n(&u->fr, __ATOMIC_RELAXED);
}

static uint32_t read_locked(struct pl011 *u, uint32_t offset)
{
    switch (offset) {
    case UARTDR:
        return rx_get(u);
    case UARTILPR:
        return u->ilpr;
    case UARTIBRD:
        return u->ibrd;
    case UARTFBRD:
        return u->fbrd;
    case UARTLCR_H:
        return u->lcr_h;
    case UARTCR:
        return u->cr;
    case UARTIFLS:
        return u->ifls;
    case UARTIMSC:
        return u->imsc;
    case UARTRIS:
        return u->ris;
    case UARTMIS:
        return u->ris & u->imsc;
    case UARTDMACR:
        return u->dmacr;
    default:
        return offset >= UARTPERIPHID0 ? ids[(offset - UARTPERIPHID0) / 4] : 0;
    }
}

static OUTLINE uint64_t read_register(struct pl011 *u, uint64_t offset, unsigned size)
{
    uint32_t value;
    uint32_t at = (uint32_t)offset & ~UINT32_C(3);
    if (at == UARTFR) {
        value = flags(u);
    } else {
        spin_lock(&u->lock);
        value = read_locked(u, at);
        update_line(u);
        spin_unlock(&u->lock);
    }
    return value >> 8 * (offset & 3) & MASK(8 * MIN(size, 4u) - 1, 0);
}

static uint64_t pl011_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    struct pl011 *u = container_of(dev, struct pl011, dev);
    (void)v;
    if (offset == UARTFR) {
        return flags(u); // a driver polls it before every byte, by whatever size: all flags are in
                         // the lowest byte
    }
    return read_register(u, offset, size);
}

static void write_locked(struct pl011 *u, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case UARTILPR:
        u->ilpr = value & 0xff;
        break;
    case UARTIBRD:
        u->ibrd = value & 0xffff;
        break;
    case UARTFBRD:
        u->fbrd = value & 0x3f;
        break;
    case UARTLCR_H:
        u->lcr_h = value & 0xff;
        break;
    case UARTCR:
        u->cr = value & 0xff87;
        break;
    case UARTIFLS:
        u->ifls = value & 0x3f;
        break;
    case UARTIMSC:
        u->imsc = value & INT_ALL;
        break;
    case UARTICR:
        u->ris &= ~(value & INT_ALL);
        break;
    case UARTDMACR:
        u->dmacr = value & 7;
        break;
    default:
        break;
    }
    update_line(u);
}

static OUTLINE void write_register(struct pl011 *u, uint32_t offset, uint32_t value)
{
    spin_lock(&u->lock);
    write_locked(u, offset, value);
    spin_unlock(&u->lock);
}

// The byte has left at once: the FIFO has passed its transmit level. Looped back, it comes in
// again.
static OUTLINE void send_slowly(struct pl011 *u, uint8_t byte)
{
    spin_lock(&u->lock);
    bool loop = (u->cr & CR_LBE) != 0;
    u->ris |= INT_TX;
    if (loop && rx_put(u, byte)) {
        rx_arrived(u);
    } else if (loop) {
        u->ris |= INT_OE;
    }
    update_line(u);
    spin_unlock(&u->lock);
    if (!loop) {
        u->transmit(u->context, byte);
    }
}

// While the transmit interrupt is raised already, as in a run of bytes, one more changes nothing
// here.
static void send(struct pl011 *u, uint8_t byte)
{
    if ((u->cr & CR_LBE) == 0 && (__atomic_load_n(&u->ris, __ATOMIC_RELAXED) & INT_TX)) {
        u->transmit(u->context, byte);
    } else {
        send_slowly(u, byte);
    }
}

static void pl011_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                        uint64_t value)
{
    struct pl011 *u = container_of(dev, struct pl011, dev);
    (void)v;
    (void)size;
    if (offset == UARTDR) {
        send(u, (uint8_t)value);
    } else {
        write_register(u, (uint32_t)offset, (uint32_t)value);
    }
}

// ---- reset ----

static void pl011_reset(struct device *dev)
{
    struct pl011 *u = container_of(dev, struct pl011, dev);
    spin_lock(&u->lock);
    u->rx_head = 0;
    set_rx_count(u, 0);
    u->ris = u->imsc = u->lcr_h = u->ibrd = u->fbrd = u->dmacr = u->ilpr = 0;
    u->cr = CR_RESET;
    u->ifls = IFLS_RESET;
    update_line(u);
    spin_unlock(&u->lock);
}

static const struct device_ops pl011_ops = {
    .name = "pl011",
    .read = pl011_read,
    .write = pl011_write,
    .reset = pl011_reset,
};

void pl011_init(struct pl011 *u, struct vgic *vgic, void (*transmit)(void *, uint8_t),
                void *context)
{
    u->dev = (struct device){
        .ops = &pl011_ops, .base = gpa(PL011_BASE), .size = PL011_SIZE, .counter = CNT_MMIO_UART};
    u->vgic = vgic;
    u->transmit = transmit;
    u->context = context;
    u->line = false;
    u->ris = 0; // so that a reset of the vGIC before this one has nothing to be told
    pl011_reset(&u->dev);
}
