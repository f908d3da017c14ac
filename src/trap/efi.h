// SPDX-License-Identifier: Apache-2.0
// HVC #EFI_UPCALL: what the stubs of a VM's EFI runtime services execute (call/efi_runtime.h).
#pragma once

#include "trap/trap.h"
#include "vm/vm.h"

// Is there an EFI to call?
static inline bool efi_exists(const struct vcpu *v)
{
    return v->vm->efi.present;
}

// After the HVC, efi_exists().
enum trap_result efi_upcall(struct vcpu *v);
