// SPDX-License-Identifier: Apache-2.0
#include "dev/bcm2835_pm.h"

#include "arch/mmio.h"

enum { PM_RSTC = 0x1c, PM_RSTS = 0x20, PM_WDOG = 0x24 };

#define PASSWORD      0x5a000000u // or a write is ignored
#define RSTC_CONFIG   0x30u
#define RSTC_FULL     0x20u
#define RSTS_HALT     0x555u // partition 63, in bits of every second place
#define WATCHDOG_TICK 10u    // of 16 us

void bcm2835_pm_leave(hpa_t pm, bool halt)
{
    if (halt) {
        mmio_write32(pm.v + PM_RSTS, PASSWORD | mmio_read32(pm.v + PM_RSTS) | RSTS_HALT);
    }
    mmio_write32(pm.v + PM_WDOG, PASSWORD | WATCHDOG_TICK);
    uint32_t config = mmio_read32(pm.v + PM_RSTC) & ~RSTC_CONFIG & 0xffffffu;
    mmio_write32(pm.v + PM_RSTC, PASSWORD | config | RSTC_FULL);
}
