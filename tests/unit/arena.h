// SPDX-License-Identifier: Apache-2.0
// Host memory that stands for the machine's RAM: 1 GiB of address space, aligned to 1 GiB, of which
// only what a test touches becomes real.
#pragma once

#include "lib/check.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ARENA_SIZE (UINT64_C(1) << 30)

static inline uint64_t arena_base(void)
{
    static uint64_t base;

    if (base == 0) {
        void *p = mmap(NULL, 2 * ARENA_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED) {
            abort();
        }
        base = ((uint64_t)(uintptr_t)p + ARENA_SIZE - 1) & ~(ARENA_SIZE - 1);
    }
    return base;
}

// A generator of its own, so that a failure repeats: xorshift64*.
static inline uint64_t arena_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

// A CHECK of the code under test.
void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}
