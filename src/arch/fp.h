// SPDX-License-Identifier: Apache-2.0
// FP/SIMD registers to and from memory; CPTR_EL2.TFP must be clear.
#pragma once

struct fp_regs;

void fp_save(struct fp_regs *to);
void fp_restore(const struct fp_regs *from);
