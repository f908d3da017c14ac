// SPDX-License-Identifier: Apache-2.0
// The runtime services of a VM's EFI (UEFI 2.10, chapter 8): what its stubs hand up by HVC
// #EFI_UPCALL, X9 holding the number of the service (vm/firmware/efi_tables.h) and X0 to X4 its
// arguments.
#pragma once

#include "cpu/vcpu.h"
#include "dev/port.h"

// By the vCPU's own CPU, its VM having an EFI. memory is the caller's. PORT_DONE: the status is in
// x0, and no other register has changed. PORT_AGAIN: nothing has happened yet; the HVC is to be
// executed once more.
enum port_end efi_runtime_call(struct vcpu *v, struct port_memory *memory);
