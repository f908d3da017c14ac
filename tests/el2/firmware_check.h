// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mon/monitor.h"

// "firmware": functions made here are run as firmware's are (arch/firmware.h). One that fills all
// registers, and finds them as they were after its interrupts; one that never returns, and is given
// up; ones that fault, each in its way. Says what came of each, in a line.
void run_firmware_check(const struct invocation *in);
