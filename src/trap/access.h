// SPDX-License-Identifier: Apache-2.0
// Accesses to emulated devices.
#pragma once

#include "trap/trap.h"

#include <stdbool.h>
#include <stdint.h>

// A stage-2 abort of a data access that is not to RAM.
struct fault {
    uint64_t esr;
    uint64_t far; // the guest's virtual address, tag included
    uint64_t ipa; // of the byte at far
};

// From the syndrome (ISS.ISV = 1): one general register.
enum trap_result access_by_syndrome(struct vcpu *v, const struct fault *f);

// From the instruction itself.
enum trap_result access_by_instruction(struct vcpu *v, const struct fault *f);
