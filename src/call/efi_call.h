// SPDX-License-Identifier: Apache-2.0
// What the files of the runtime services share: one call, and its caller's memory.
//
// A service copies what it is given, once, before it looks at it; finds out that its answers can be
// written before it changes anything; and can begin anew at any point until then.
#pragma once

#include "dev/port.h"
#include "lib/efi.h"
#include "vm/vm.h"

struct efi_call {
    struct vcpu *v;
    struct vm *vm;
    struct guest_efi *efi;
    const uint64_t *x; // the arguments
    struct port_memory *memory;
};

// EFI_NOT_READY is no answer of any of them: the call is to be made once more.
typedef efi_status efi_service_fn(struct efi_call *c);

efi_service_fn efi_get_time, efi_set_time, efi_get_wakeup_time, efi_set_wakeup_time;
efi_service_fn efi_get_variable, efi_get_next_variable_name, efi_set_variable,
    efi_query_variable_info, efi_get_next_high_monotonic_count;
efi_service_fn efi_set_virtual_address_map, efi_convert_pointer;
efi_service_fn efi_reset_system, efi_update_capsule, efi_query_capsule_capabilities;

// Any size, at any address; a range may lie in pages of any kind. EFI_INVALID_PARAMETER where the
// caller could not access all of it, or the address is NULL; EFI_NOT_READY. The first and the last
// say that, too, when a block of the VM's memory had to be zeroed, which is work enough for one
// exit: what is longer than a page is to be found writable before it is written.
efi_status efi_in(const struct efi_call *c, void *to, uint64_t from, size_t size);
efi_status efi_out(const struct efi_call *c, uint64_t to, const void *from, size_t size);
efi_status efi_writable(const struct efi_call *c, uint64_t to, size_t size);

// efi_out() to what was given, too, after efi_writable(): a call that has begun with it cannot be
// made once more. EFI_DEVICE_ERROR where the memory changed under it.
efi_status efi_out_last(const struct efi_call *c, uint64_t to, const void *from, size_t size);
