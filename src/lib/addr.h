// SPDX-License-Identifier: Apache-2.0
// The three kinds of address, as types that do not convert into one another.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SHIFT  12
#define PAGE_SIZE   (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_MASK   (PAGE_SIZE - 1)
#define BLOCK_SHIFT 21
#define BLOCK_SIZE  (UINT64_C(1) << BLOCK_SHIFT)

// Host-physical: an address on the machine's bus. EL2 maps all of it at the same virtual address.
typedef struct {
    uint64_t v;
} hpa_t;

// Guest-physical (IPA): an address that a VM takes for physical; stage 2 turns it into a hpa_t.
typedef struct {
    uint64_t v;
} gpa_t;

// Guest-virtual: an address that a guest's own stage 1 translates.
typedef struct {
    uint64_t v;
} gva_t;

static inline hpa_t hpa(uint64_t v)
{
    return (hpa_t){v};
}

static inline gpa_t gpa(uint64_t v)
{
    return (gpa_t){v};
}

static inline gva_t gva(uint64_t v)
{
    return (gva_t){v};
}

static inline hpa_t hpa_add(hpa_t a, uint64_t n)
{
    return hpa(a.v + n);
}

static inline gpa_t gpa_add(gpa_t a, uint64_t n)
{
    return gpa(a.v + n);
}

// EL2's own view of a host-physical address, valid where the page belongs to Newel or its caller
// has the right to look into it.
static inline void *hpa_ptr(hpa_t a)
{
    return (void *)(uintptr_t)a.v;
}

static inline hpa_t ptr_hpa(const void *p)
{
    return hpa((uint64_t)(uintptr_t)p);
}

static inline bool is_aligned(uint64_t v, uint64_t power_of_two)
{
    return (v & (power_of_two - 1)) == 0;
}

static inline uint64_t align_down(uint64_t v, uint64_t power_of_two)
{
    return v & ~(power_of_two - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t power_of_two)
{
    return align_down(v + power_of_two - 1, power_of_two);
}

// Is [base, base+size) a range that neither is empty nor wraps, and that ends at or below limit?
static inline bool range_fits(uint64_t base, uint64_t size, uint64_t limit)
{
    return size != 0 && base < limit && size <= limit - base;
}

static inline bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}
