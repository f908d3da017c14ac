// SPDX-License-Identifier: Apache-2.0
#include "trap/efi.h"

#include "call/efi_runtime.h"
#include "trap/caller.h"

// What a call takes without the kind of memory in which it need not be: an access to a Device page
// of RAM would have to be made as the guest makes it.
enum trap_result efi_upcall(struct vcpu *v)
{
    struct caller caller;
    count(&v->count, CNT_CALL_EFI);
    caller_init(&caller, v);
    caller.normal_only = true;
    if (efi_runtime_call(v, &caller.face) == PORT_AGAIN) {
        caller_again(v);
    }
    return TRAP_RETRY;
}
