// SPDX-License-Identifier: Apache-2.0
// A vCPU's SVE registers in memory (Arm ARM B1.2): Z0-Z31 of the vector length, P0-P15 of an eighth
// of it, FFR. An FP/SIMD register is the low 128 bits of a Z register.
#pragma once

#include "cpu/vcpu.h"

#include <stddef.h>
#include <stdint.h>

#define SVE_MAX_LENGTHS 16 // 16, 32, ... 256 bytes

// All lengths are vector lengths in bytes: a multiple of 16, at most 256.
size_t sve_area_size(unsigned length);

// The FP/SIMD registers as SVE sees them, all else being zero; and back.
void sve_widen(void *area, unsigned length, const struct fp_regs *fp);
void sve_narrow(struct fp_regs *fp, const void *area, unsigned length);

// What an FP/SIMD instruction that writes register n does to Z<n>.
void sve_write_vector(void *area, unsigned length, unsigned n, const struct fp_regs *fp);

// Of two CPUs' lengths (bit n: 16 * (n + 1) bytes) those up to which they agree: whatever limit a
// guest sets below, it finds the same length on both.
uint16_t sve_common_lengths(uint16_t a, uint16_t b);
// The longest of them.
unsigned sve_longest(uint16_t lengths);
