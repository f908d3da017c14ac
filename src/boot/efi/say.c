// SPDX-License-Identifier: Apache-2.0
#include "boot/efi/loader.h"

#include "lib/bits.h"
#include "lib/print.h"

#include <stdarg.h>

#define LINE_MAX 320

static void write_line(const struct loader *l, const char *text)
{
    uint16_t wide[LINE_MAX + 3];
    size_t n = 0;
    for (; text[n] != '\0' && n < LINE_MAX; n++) {
        wide[n] = (uint8_t)text[n];
    }
    wide[n++] = '\r';
    wide[n++] = '\n';
    wide[n] = 0;
    if (l->system->out != NULL) {
        l->system->out->output_string(l->system->out, wide);
    }
}

void efi_say(const struct loader *l, const char *fmt, ...)
{
    char text[LINE_MAX];
    size_t len = format(text, sizeof(text), "%s: ", l->name);
    va_list args;
    va_start(args, fmt);
    vformat(text + len, sizeof(text) - len, fmt, args);
    va_end(args);
    write_line(l, text);
}

static const char *status_text(efi_status status)
{
    switch (status) {
    case EFI_LOAD_ERROR:
        return "load error";
    case EFI_INVALID_PARAMETER:
        return "invalid parameter";
    case EFI_UNSUPPORTED:
        return "unsupported";
    case EFI_DEVICE_ERROR:
        return "device error";
    case EFI_OUT_OF_RESOURCES:
        return "out of resources";
    case EFI_NOT_FOUND:
        return "not found";
    default:
        return "error";
    }
}

efi_status efi_fail(const struct loader *l, efi_status status, const char *fmt, ...)
{
    char text[LINE_MAX];
    va_list args;
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    efi_say(l, "error: %.250s (status 0x%lx, %s)", text, (unsigned long)status,
            status_text(status));
    return status;
}
