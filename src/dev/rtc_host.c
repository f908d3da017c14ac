// SPDX-License-Identifier: Apache-2.0
#include "dev/rtc_host.h"

#include "arch/gic.h"
#include "cpu/timer.h"

static uint64_t epoch, epoch_counter;

void rtc_host_init(hpa_t base)
{
    if (base.v != 0) {
        epoch = mmio_read32(base.v); // RTCDR
        epoch_counter = timer_now();
    }
}

uint64_t rtc_host_now(void)
{
    return epoch == 0 ? 0 : epoch + (timer_now() - epoch_counter) / timer_frequency();
}

bool rtc_host_time(uint64_t *seconds, uint32_t *microseconds)
{
    uint64_t ticks = timer_now() - epoch_counter, frequency = timer_frequency();
    *seconds = epoch + ticks / frequency;
    *microseconds = (uint32_t)(ticks % frequency * 1000000 / frequency);
    return epoch != 0;
}
