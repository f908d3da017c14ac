// SPDX-License-Identifier: Apache-2.0
// The watchdog in the power management of the BCM2835 and its successors (Raspberry Pi; Linux,
// bindings/soc/bcm/brcm,bcm2835-pm.yaml), by which such a board without PSCI is reset.
#pragma once

#include "lib/addr.h"

#include <stdbool.h>

// Resets the machine within a fraction of a millisecond. halt: the boot firmware, started again,
// stops instead of booting, which is as near as the board comes to being off.
void bcm2835_pm_leave(hpa_t pm, bool halt);
