// SPDX-License-Identifier: Apache-2.0
// Accesses to emulated devices.
#pragma once

#include "arch/sysreg_bits.h"
#include "mem/space.h"
#include "trap/trap.h"

#include <stdbool.h>
#include <stdint.h>

// A stage-2 abort of a data access that is not to RAM.
struct fault {
    uint64_t esr;
    uint64_t far; // the guest's virtual address, tag included
    uint64_t ipa; // of the byte at far
};

// A value that was read, as the register named by the syndrome gets it.
static inline uint64_t syndrome_extend(uint64_t esr, uint64_t value, unsigned size)
{
    if (esr & ISS_SSE) {
        unsigned shift = 64 - 8 * size;
        value = (uint64_t)((int64_t)(value << shift) >> shift);
        return esr & ISS_SF ? value : (uint32_t)value;
    }
    return value;
}

// From the syndrome (ISS.ISV = 1): one general register.
enum trap_result access_by_syndrome(struct vcpu *v, const struct fault *f);

// From the instruction itself.
enum trap_result access_by_instruction(struct vcpu *v, const struct fault *f);

// Newel could not access the guest's memory at ipa on its behalf. True if the guest is to try
// again: it was not populated, or an override was lifted; false if it gets an abort.
bool ram_access_settled(struct vcpu *v, uint64_t ipa, enum space_access access);
