// SPDX-License-Identifier: Apache-2.0
// Stand-ins for lib/log.c, for tests of what others log: the lines, each with its end, in logged[],
// which a test empties.
#pragma once

#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char logged[4096];

static void log_line(const char *fmt, va_list args)
{
    size_t len = strlen(logged);
    vsnprintf(logged + len, sizeof(logged) - len, fmt, args);
    strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
}

void log_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_line(fmt, args);
    va_end(args);
}

void log_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_line(fmt, args);
    va_end(args);
}

void log_guest(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_line(fmt, args);
    va_end(args);
}
