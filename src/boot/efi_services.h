// SPDX-License-Identifier: Apache-2.0
// The runtime services of the firmware that started Newel, called at EL2 (UEFI 2.10, 8.1, 2.3.6):
// by physical addresses, which nobody has given virtual ones, on a stack of their own with a guard
// page, and with no memory that is both written to and executed.
#pragma once

#include "boot/platform.h"
#include "lib/efi.h"

// Maps what the services need. NULL, and why, if they cannot be called. Until
// efi_services_in_turns() a call runs to its end at once. A fault in the firmware is a line in the
// log, and EFI_DEVICE_ERROR from then on. One caller at a time, always on the same CPU.
efi_host_call_fn *efi_services_init(const struct platform *p, const char **why);

// From now on a call is left after about a millisecond, and at each interrupt, which is served
// then. The caller is a step of Newel's work (cpu/sched.h).
void efi_services_in_turns(void);

// Before the machine goes off: a call that is under way comes to its end, within ten seconds, since
// what the firmware is about to write may be its own as well (EDK2 erases a block of the flash and
// writes all of it anew). Further calls fail. Any CPU, with any lock but that of the work queue.
void efi_services_finish(void);
// Newel is broken: nothing is waited for any more.
void efi_services_abandon(void);
