// SPDX-License-Identifier: Apache-2.0
#include "cpu/sve.h"

#include "lib/bits.h"

#include <string.h>

#define VECTOR_BYTES 16 // of an FP/SIMD register

size_t sve_area_size(unsigned length)
{
    return 32 * (size_t)length + 17 * (size_t)length / 8;
}

static char *vector(void *area, unsigned length, unsigned n)
{
    return (char *)area + (size_t)n * length;
}

void sve_widen(void *area, unsigned length, const struct fp_regs *fp)
{
    memset(area, 0, sve_area_size(length));
    for (unsigned n = 0; n < 32; n++) {
        memcpy(vector(area, length, n), &fp->v[n], VECTOR_BYTES);
    }
}

void sve_narrow(struct fp_regs *fp, const void *area, unsigned length)
{
    for (unsigned n = 0; n < 32; n++) {
        memcpy(&fp->v[n], (const char *)area + (size_t)n * length, VECTOR_BYTES);
    }
}

void sve_write_vector(void *area, unsigned length, unsigned n, const struct fp_regs *fp)
{
    memset(vector(area, length, n), 0, length);
    memcpy(vector(area, length, n), &fp->v[n], VECTOR_BYTES);
}

uint16_t sve_common_lengths(uint16_t a, uint16_t b)
{
    unsigned differ = a ^ b;
    unsigned below_first = differ != 0 ? (differ & -differ) - 1 : ~0u;
    return (uint16_t)(a & b & below_first);
}

unsigned sve_longest(uint16_t lengths)
{
    return 16 * (unsigned)(bit_last(lengths | 1) + 1); // 16 bytes are everywhere
}
