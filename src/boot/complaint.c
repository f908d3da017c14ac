// SPDX-License-Identifier: Apache-2.0
#include "boot/complaint.h"

#include "lib/bits.h"
#include "lib/print.h"

#include <stdarg.h>

void complaint_write(const struct complaint *c, const char *fmt, ...)
{
    if (c->size == 0) {
        return;
    }
    size_t len = format(c->text, c->size, "%s: ", c->about);
    len = MIN(len, c->size - 1);
    va_list args;
    va_start(args, fmt);
    vformat(c->text + len, c->size - len, fmt, args);
    va_end(args);
    for (char *at = c->text; *at != '\0'; at++) {
        *at = *at < 0x20 || *at > 0x7e ? '?' : *at;
    }
}
