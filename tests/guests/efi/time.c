// SPDX-License-Identifier: Apache-2.0
// The clock, and the alarm that wakes the VM up.
#include "efi/efi.h"

TEST(time_is_the_clocks)
{
    struct time t;
    uint32_t capabilities[3], before;

    EFI_ONLY;
    before = mmio_read32(machine.rtc);
    EXPECT_EQ(call(GET_TIME, P(&t), P(capabilities), 0, 0, 0), SUCCESS);
    EXPECT_EQ(capabilities[0], 1);
    EXPECT(mmio_read32(machine.rtc) - before <= 2);
    EXPECT_EQ((before / 3600) % 24 == t.hour || (before + 2) / 3600 % 24 == t.hour, true);
    EXPECT(t.year >= 1970 && t.month >= 1 && t.month <= 12 && t.day >= 1 && t.zone == 0x7ff);
}

TEST(time_is_set)
{
    static const struct {
        struct time t;
        uint32_t seconds;
    } known[] = {
        {{1970, 1, 1, 0, 0, 0, 0, 0, 0x7ff, 0, 0}, 0},
        {{2000, 2, 29, 23, 59, 30, 0, 0, 0x7ff, 0, 0}, 951868770},
        {{2000, 3, 1, 0, 0, 0, 0, 0, 0x7ff, 0, 0}, 951868800},
        {{2026, 12, 31, 12, 34, 56, 0, 0, 0x7ff, 1, 0}, 1798720496},
        {{2026, 12, 31, 12, 34, 56, 0, 0, -60, 3, 0}, 1798716896},
        {{2100, 2, 28, 0, 0, 0, 0, 0, 0x7ff, 0, 0}, 4107456000},
        {{2100, 3, 1, 0, 0, 0, 0, 0, 1440, 0, 0}, 4107628800},
    };
    struct time now;

    EFI_ONLY;
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct time *t = &known[i].t;

        EXPECT_EQ(call(SET_TIME, P(t), 0, 0, 0, 0), SUCCESS);
        EXPECT(mmio_read32(machine.rtc) - known[i].seconds <= 2);
        EXPECT_EQ(call(GET_TIME, P(&now), 0, 0, 0, 0), SUCCESS);
        EXPECT(now.year == t->year && now.month == t->month && now.day == t->day);
        EXPECT(now.hour == t->hour && now.minute == t->minute && now.second - t->second <= 2);
        EXPECT(now.zone == t->zone && now.daylight == t->daylight);
    }
}

TEST(wrong_times)
{
    static const struct time wrong[] = {
        {1899, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0},          {10000, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},          {2026, 13, 1, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0},        {2026, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0, 0, 0, 0, 0, 0},         {2100, 2, 29, 0, 0, 0, 0, 0, 0, 0, 0},
        {2026, 4, 31, 0, 0, 0, 0, 0, 0, 0, 0},         {2026, 1, 1, 24, 0, 0, 0, 0, 0, 0, 0},
        {2026, 1, 1, 0, 60, 0, 0, 0, 0, 0, 0},         {2026, 1, 1, 0, 0, 60, 0, 0, 0, 0, 0},
        {2026, 1, 1, 0, 0, 0, 0, 1000000000, 0, 0, 0}, {2026, 1, 1, 0, 0, 0, 0, 0, 1441, 0, 0},
        {2026, 1, 1, 0, 0, 0, 0, 0, -1441, 0, 0},      {2026, 1, 1, 0, 0, 0, 0, 0, 0, 4, 0},
    };
    uint32_t before;

    EFI_ONLY;
    before = mmio_read32(machine.rtc);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        EXPECT_EQ(call(SET_TIME, P(&wrong[i]), 0, 0, 0, 0), INVALID_PARAMETER);
    }
    EXPECT(mmio_read32(machine.rtc) - before <= 2);
}

/* ---- the alarm ---- */

static void expect_alarm(bool enabled, bool pending, const struct time *t)
{
    uint8_t is[2];
    struct time at;

    memset(&at, 0x55, sizeof(at));
    EXPECT_EQ(call(GET_WAKEUP_TIME, P(&is[0]), P(&is[1]), P(&at), 0, 0), SUCCESS);
    EXPECT(is[0] == enabled && is[1] == pending);
    EXPECT(t == NULL || !memcmp(&at, t, sizeof(at)));
}

static bool came(void)
{
    uint8_t is[2] = {0, 0};
    struct time at;

    return call(GET_WAKEUP_TIME, P(&is[0]), P(&is[1]), P(&at), 0, 0) == SUCCESS && is[1];
}

TEST(alarm_of_who_runs)
{
    static const struct time noon = {2026, 11, 27, 12, 0, 0, 0, 0, 0x7ff, 0, 0};
    struct time t = noon, wrong = noon, zoned = {2026, 11, 27, 14, 0, 30, 0, 0, -60, 1, 0};

    EFI_ONLY;
    wrong.day = 31;
    EXPECT_EQ(call(SET_TIME, P(&noon), 0, 0, 0, 0), SUCCESS);
    EXPECT_EQ(call(SET_WAKEUP_TIME, 1, P(&zoned), 0, 0, 0), SUCCESS);
    expect_alarm(true, false, &zoned);
    EXPECT_EQ(call(SET_WAKEUP_TIME, 1, P(&wrong), 0, 0, 0), INVALID_PARAMETER);
    expect_alarm(true, false, &zoned);
    zoned.zone = 600; /* ten hours and two: has passed */
    zoned.hour = 1;
    EXPECT_EQ(call(SET_WAKEUP_TIME, 1, P(&zoned), 0, 0, 0), SUCCESS);
    expect_alarm(true, true, &zoned);
    EXPECT_EQ(call(SET_WAKEUP_TIME, 0xff00, 8, 0, 0, 0), SUCCESS); /* a BOOLEAN is a byte */
    expect_alarm(false, false, &zoned);
    t.second = 2;
    EXPECT_EQ(call(SET_WAKEUP_TIME, 1, P(&t), 0, 0, 0), SUCCESS);
    expect_alarm(true, false, &t);
    EXPECT(wait_for(came(), 20000000));
    EXPECT_EQ(call(GET_TIME, P(&wrong), 0, 0, 0, 0), SUCCESS);
    EXPECT(wrong.hour == 12 && (wrong.minute != 0 || wrong.second >= 2));
    EXPECT_EQ(call(SET_WAKEUP_TIME, 0, 0, 0, 0, 0), SUCCESS);
    expect_alarm(false, false, &t);
}

static volatile bool stop;

/* Whatever the clock shows, by its registers. */
static void turn_clock(uint64_t seed)
{
    while (!stop) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        mmio_write32(machine.rtc + 8, seed >> 32 & 7 ? 1800000000 + (seed >> 40 & 3) : seed >> 33);
    }
}

TEST(alarm_while_the_clock_is_turned)
{
    static const struct time t = {2027, 1, 15, 8, 0, 2, 0, 0, 0x7ff, 0, 0}; /* 1800000002 */
    unsigned pending = 0, ahead = 0;
    uint8_t is[2];
    struct time at;

    EFI_ONLY;
    stop = false;
    EXPECT_EQ(cpu_start(1, turn_clock, arg_u64("seed", 1)), PSCI_SUCCESS);
    for (unsigned i = 0; i < 3000 || ((!pending || !ahead) && i < 300000); i++) {
        EXPECT_EQ(call(SET_WAKEUP_TIME, 1, P(&t), 0, 0, 0), SUCCESS);
        EXPECT_EQ(call(GET_WAKEUP_TIME, P(&is[0]), P(&is[1]), P(&at), 0, 0), SUCCESS);
        EXPECT(is[0] == 1 && at.month >= 1 && at.month <= 12 && at.hour < 24);
        pending += is[1];
        ahead += !is[1];
        EXPECT_EQ(call(SET_WAKEUP_TIME, i % 3, P(&t), 0, 0, 0), SUCCESS);
    }
    stop = true;
    EXPECT(cpu_join(1));
    EXPECT(pending != 0 && ahead != 0);
    EXPECT_EQ(call(SET_WAKEUP_TIME, 0, 0, 0, 0, 0), SUCCESS);
}
