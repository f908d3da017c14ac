// SPDX-License-Identifier: Apache-2.0
// The machine's real-time clock (PL031), read once; the counter carries it on.
#pragma once

#include "lib/addr.h"

#include <stdbool.h>

// base 0: there is none, and the epoch stays 0.
void rtc_host_init(hpa_t base);

// Seconds since 1970 now, 0 if the machine has no clock. Any CPU.
uint64_t rtc_host_now(void);

// The same with microseconds; false if the machine has no clock.
bool rtc_host_time(uint64_t *seconds, uint32_t *microseconds);
