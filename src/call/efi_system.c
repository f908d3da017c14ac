// SPDX-License-Identifier: Apache-2.0
// ResetSystem() and the capsule services (UEFI 2.10, 8.5).
#include "call/efi_call.h"
#include "lib/bits.h"
#include "lib/log.h"

#define REASON_MAX 64u // characters that the log shows

// What the caller has to say about it, as far as it can be read: a text that ends with a NUL, in
// front of anything else.
static void read_reason(struct efi_call *c, char *out)
{
    efi_char16 text[REASON_MAX];
    size_t n = 0, bytes = MIN(c->x[2], (uint64_t)sizeof(text)) / 2 * 2;
    if (c->x[3] != 0 && efi_in(c, text, c->x[3], bytes) == EFI_SUCCESS) {
        for (; n < bytes / 2 && text[n] != 0; n++) {
            out[n] = (char)(text[n] < ' ' || text[n] > '~' ? '?' : text[n]);
        }
    }
    out[n] = '\0';
}

static void log_reason(struct efi_call *c)
{
    char reason[REASON_MAX + 1];
    read_reason(c, reason);
    if (reason[0] != '\0' || c->x[1] != EFI_SUCCESS) {
        log_guest("%s: ends by EFI, status 0x%lx: %s", c->vm->config->name, c->x[1], reason);
    }
}

// ResetSystem(IN type, IN status, IN size, IN *data OPTIONAL). A reset of some platform's own, of
// which there is none here, is one of those that there are (8.5.1).
efi_status efi_reset_system(struct efi_call *c)
{
    switch ((uint32_t)c->x[0]) {
    case EFI_RESET_COLD:
    case EFI_RESET_WARM:
    case EFI_RESET_PLATFORM:
        log_reason(c);
        vm_reset(c->vm);
        return EFI_SUCCESS;
    case EFI_RESET_SHUTDOWN:
        log_reason(c);
        vm_power_off(c->vm);
        return EFI_SUCCESS;
    default:
        return EFI_INVALID_PARAMETER;
    }
}

// UpdateCapsule(IN **capsules, IN count, IN list): there is nothing of a VM's firmware to update.
efi_status efi_update_capsule(struct efi_call *c)
{
    return c->x[1] == 0 ? EFI_INVALID_PARAMETER : EFI_UNSUPPORTED;
}

// QueryCapsuleCapabilities(IN **capsules, IN count, OUT *size, OUT *reset type)
efi_status efi_query_capsule_capabilities(struct efi_call *c)
{
    bool asked = c->x[1] != 0 && c->x[2] != 0 && c->x[3] != 0;
    return asked ? EFI_UNSUPPORTED : EFI_INVALID_PARAMETER;
}
