// SPDX-License-Identifier: Apache-2.0
// The PL031 real-time clock of a VM (Arm DDI 0224).
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/test.h"
#include "lib/timer.h"

#define DR       0x00
#define MR       0x04
#define LR       0x08
#define CR       0x0c
#define IMSC     0x10
#define RIS      0x14
#define MIS      0x18
#define ICR      0x1c
#define PERIPHID 0xfe0
#define RTC_SPI  34

static uint32_t get(unsigned reg)
{
    return mmio_read32(machine.rtc + reg);
}

static void set(unsigned reg, uint32_t value)
{
    mmio_write32(machine.rtc + reg, value);
}

TEST(setup)
{
    mmu_on();
    gic_init();
    gic_setup(RTC_SPI);
}

TEST(identification)
{
    static const uint8_t ids[] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    for (unsigned i = 0; i < 8; i++) {
        EXPECT_EQ(get(PERIPHID + i * 4) & 0xff, ids[i]);
    }
    EXPECT_EQ(get(CR) & 1, 1);
}

TEST(advances_by_the_second)
{
    uint32_t first = get(DR);
    uint64_t start;

    EXPECT(wait_for(get(DR) != first, 1500000));
    start = timer_now();
    EXPECT_EQ(get(DR), first + 1);
    EXPECT(wait_for(get(DR) == first + 2, 1500000));
    EXPECT(timer_now() - start > timer_us(800000));
}

TEST(load_sets_the_time)
{
    uint32_t now = get(DR);

    set(LR, 1000000);
    EXPECT(get(DR) - 1000000 <= 1);
    set(LR, now);
    EXPECT(get(DR) - now <= 1);
}

TEST(match_interrupt)
{
    uint64_t start;

    set(ICR, 1);
    set(IMSC, 1);
    EXPECT_EQ(get(IMSC), 1);
    EXPECT_EQ(get(RIS), 0);
    set(MR, get(DR) + 1);
    start = timer_now();
    EXPECT(wait_for(get(RIS) & 1, 2500000));
    EXPECT(timer_now() - start < timer_us(2100000));
    EXPECT_EQ(get(MIS), 1);
    EXPECT_EQ(gic_poll(), RTC_SPI);
    set(ICR, 1);
    EXPECT_EQ(get(RIS), 0);
    gic_eoi(RTC_SPI);
    set(IMSC, 0);
    gic_teardown(RTC_SPI);
}
