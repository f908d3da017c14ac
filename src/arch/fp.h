// SPDX-License-Identifier: Apache-2.0
// FP/SIMD and SVE registers to and from memory; CPTR_EL2.TFP must be clear, for SVE's also TZ.
#pragma once

#include <stdbool.h>

struct fp_regs;

void fp_save(struct fp_regs *to);
void fp_restore(const struct fp_regs *from);

// Z, P and FFR at ZCR_EL2's vector length, laid out as cpu/sve.h says; of fp only FPSR and FPCR.
// sve_save() says whether anything is set that FP/SIMD registers do not hold.
bool sve_save(void *area, struct fp_regs *fp);
void sve_restore(const void *area, const struct fp_regs *fp);
// The vector length in bytes.
unsigned sve_vector_bytes(void);
