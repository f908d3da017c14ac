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

#define likely(cond)   __builtin_expect(!!(cond), 1)
#define unlikely(cond) __builtin_expect(!!(cond), 0)
// The same pointer, of which the compiler does not know that it is a constant: then fields are
// reached from one register, where it would compute the address of each.
#define IN_REGISTER(pointer)                         \
    ({                                               \
        __typeof__(pointer) in_register = (pointer); \
        __asm__("" : "+r"(in_register));             \
        in_register;                                 \
    })
// The same value, of which the compiler does not know where it came from: then two steps by
// constants that instructions can hold are not folded into one by a constant that must be made.
#define RECOMPUTED(value)                       \
    ({                                          \
        __typeof__(value) recomputed = (value); \
        __asm__("" : "+r"(recomputed));         \
        recomputed;                             \
    })
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
