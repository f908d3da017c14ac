// SPDX-License-Identifier: Apache-2.0
// A function of the firmware's, run at EL2 as a context of its own: it is left at an interrupt, and
// gone on with later. One at a time on the whole machine.
#pragma once

#include "arch/firmware_layout.h"

#include <stdbool.h>
#include <stdint.h>

struct firmware_context {
    // While it is left: of the function.
    uint64_t x[31], sp, pc, pstate;
    uint64_t own_sp; // firmware.S: while it runs, of who went on with it
    // After FIRMWARE_FAULTED, with pc and x[30] as they were.
    uint64_t esr, far;
};

enum firmware_left {
    FIRMWARE_RETURNED = FIRMWARE_RETURNED_NUMBER,       // x[0] is its result
    FIRMWARE_INTERRUPTED = FIRMWARE_INTERRUPTED_NUMBER, // the interrupt is pending still
    FIRMWARE_FAULTED = FIRMWARE_FAULTED_NUMBER,         // it cannot be gone on with
};

// A call of function with up to eight arguments in c->x, on a stack that ends at sp (16-byte
// aligned). interruptible: with IRQs open, else with all exceptions masked.
void firmware_prepare(struct firmware_context *c, uint64_t function, uint64_t sp,
                      bool interruptible);
// Goes on with it. With all exceptions masked and HCR_EL2.IMO set. The FP/SIMD registers are the
// function's, before and after; a lower exception level's other registers stay.
enum firmware_left firmware_run(struct firmware_context *c);
