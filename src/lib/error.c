// SPDX-License-Identifier: Apache-2.0
#include "lib/error.h"

const char *error_text(int err)
{
    switch (err) {
    case 0:
        return "success";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_INVALID:
        return "invalid argument";
    case ERR_RANGE:
        return "out of range";
    case ERR_EXISTS:
        return "exists already";
    case ERR_NOENT:
        return "not found";
    case ERR_BUSY:
        return "busy";
    case ERR_UNSUPPORTED:
        return "not supported";
    case ERR_ACCESS:
        return "access denied";
    case ERR_TIMEOUT:
        return "timed out";
    case ERR_IO:
        return "input/output error";
    default:
        return "unknown error";
    }
}
