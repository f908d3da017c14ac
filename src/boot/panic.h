// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>
#include <stdnoreturn.h>

// What vectors.S stores of an exception taken from EL2 itself.
struct el2_frame {
    uint64_t x[31];
    uint64_t sp, elr, esr, far, spsr;
};

noreturn void el2_fault(const struct el2_frame *f, unsigned vector);
