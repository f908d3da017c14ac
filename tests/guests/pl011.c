// SPDX-License-Identifier: Apache-2.0
// The PL011 of a VM (Arm DDI 0183) as far as a driver can see it without a line to the outside.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/test.h"
#include "lib/timer.h"

#define DR       0x00
#define RSR      0x04
#define FR       0x18
#define ILPR     0x20
#define IBRD     0x24
#define FBRD     0x28
#define LCRH     0x2c
#define CR       0x30
#define IFLS     0x34
#define IMSC     0x38
#define RIS      0x3c
#define MIS      0x40
#define ICR      0x44
#define DMACR    0x48
#define PERIPHID 0xfe0

#define FR_RXFE  (1u << 4)
#define FR_TXFF  (1u << 5)
#define FR_TXFE  (1u << 7)
#define TXI      (1u << 5)
#define UART_SPI 33

static uint32_t get(unsigned reg)
{
    return mmio_read32(machine.uart + reg);
}

static void set(unsigned reg, uint32_t value)
{
    mmio_write32(machine.uart + reg, value);
}

TEST(setup)
{
    mmu_on();
    gic_init();
    gic_setup(UART_SPI);
}

TEST(identification)
{
    static const uint8_t ids[] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    for (unsigned i = 0; i < 8; i++) {
        EXPECT_EQ(get(PERIPHID + i * 4) & 0xff, ids[i]);
        set(PERIPHID + i * 4, ~0u);
        EXPECT_EQ(get(PERIPHID + i * 4) & 0xff, ids[i]);
    }
}

TEST(flags_at_rest)
{
    EXPECT(wait_for(get(FR) & FR_TXFE, 100000));
    EXPECT(get(FR) & FR_RXFE);
    EXPECT(!(get(FR) & FR_TXFF));
}

TEST(line_settings_are_kept)
{
    uint32_t ibrd = get(IBRD), fbrd = get(FBRD), lcrh = get(LCRH), ifls = get(IFLS);

    set(IBRD, 0x1234);
    set(FBRD, 0x2a);
    set(LCRH, 0x70);
    set(IFLS, 0x1b);
    EXPECT_EQ(get(IBRD), 0x1234);
    EXPECT_EQ(get(FBRD), 0x2a);
    EXPECT_EQ(get(LCRH), 0x70);
    EXPECT_EQ(get(IFLS), 0x1b);
    set(IBRD, ibrd);
    set(FBRD, fbrd);
    set(LCRH, lcrh);
    set(IFLS, ifls);
}

TEST(control_is_kept)
{
    uint32_t cr = get(CR);

    set(CR, 0x301);
    EXPECT_EQ(get(CR), 0x301);
    set(CR, cr | 1);
}

TEST(masks_are_kept)
{
    set(IMSC, 0x7ff & ~TXI);
    EXPECT_EQ(get(IMSC), 0x7ff & ~TXI);
    set(IMSC, 0);
    EXPECT_EQ(get(IMSC), 0);
}

TEST(nothing_received)
{
    EXPECT_EQ(get(RIS) & 0x50, 0); /* receive and receive-timeout */
    EXPECT_EQ(get(RSR) & 0xf, 0);
}

TEST(transmit_interrupt)
{
    set(IMSC, 0);
    set(ICR, 0x7ff);
    EXPECT_EQ(get(RIS) & TXI, 0);
    print("(transmit)\n");
    EXPECT(wait_for(get(RIS) & TXI, 100000));
    EXPECT_EQ(get(MIS) & TXI, 0);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    set(IMSC, TXI);
    EXPECT_EQ(get(MIS) & TXI, TXI);
    EXPECT_EQ(gic_poll(), UART_SPI);
    set(ICR, TXI);
    EXPECT_EQ(get(MIS), 0);
    gic_eoi(UART_SPI);
    delay_us(1000);
    EXPECT_EQ(gic_ack(), GIC_SPURIOUS);
    set(IMSC, 0);
}

TEST(read_only_registers_ignore_writes)
{
    uint32_t fr = get(FR);

    set(FR, 0);
    set(RIS, ~0u);
    set(MIS, ~0u);
    EXPECT_EQ(get(FR), fr);
    EXPECT_EQ(get(MIS), 0);
}

TEST(no_dma)
{
    EXPECT_EQ(get(DMACR) & 7, 0);
    EXPECT_EQ(get(ILPR), 0);
}
