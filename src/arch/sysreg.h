// SPDX-License-Identifier: Apache-2.0
// System registers by their architectural name: read_sysreg(esr_el2), write_sysreg(hcr_el2, v).
// Registers that the assembler does not know are given as S3_4_C12_C8_0 and the like, named in
// arch/sysreg_names.h.
#pragma once

#include <stdint.h>

#define read_sysreg(name)                                                    \
    ({                                                                       \
        uint64_t sysreg_value;                                               \
        __asm__ volatile("mrs %0, " SYSREG_NAME(name) : "=r"(sysreg_value)); \
        sysreg_value;                                                        \
    })

#define write_sysreg(name, value) \
    __asm__ volatile("msr " SYSREG_NAME(name) ", %x0" ::"rZ"((uint64_t)(value)) : "memory")

#define SYSREG_NAME(name)  SYSREG_NAME_(name)
#define SYSREG_NAME_(name) #name

#include "arch/sysreg_bits.h"

// Registers of extensions, which the assembler does not know by name.
#define ZCR_EL1 S3_0_C1_C2_0
#define ZCR_EL2 S3_4_C1_C2_0

#define ID_AA64ISAR2_EL1 S3_0_C0_C6_2
