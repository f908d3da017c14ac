// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#define BIT(n) (UINT64_C(1) << (n))
// Bits hi down to lo, both included.
#define MASK(hi, lo) ((~UINT64_C(0) >> (63 - (hi))) & (~UINT64_C(0) << (lo)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define unlikely(cond) __builtin_expect(!!(cond), 0)
// Keeps a rare path, and the registers it needs, out of a frequent one.
#define OUTLINE __attribute__((noinline))

static inline uint64_t bits_get(uint64_t v, unsigned hi, unsigned lo)
{
    return (v >> lo) & (MASK(hi, lo) >> lo);
}

static inline uint64_t bits_set(uint64_t v, unsigned hi, unsigned lo, uint64_t field)
{
    return (v & ~MASK(hi, lo)) | ((field << lo) & MASK(hi, lo));
}

// Index of the lowest / highest set bit; v must not be 0.
static inline unsigned bit_first(uint64_t v)
{
    return (unsigned)__builtin_ctzll(v);
}

static inline unsigned bit_last(uint64_t v)
{
    return 63u - (unsigned)__builtin_clzll(v);
}
