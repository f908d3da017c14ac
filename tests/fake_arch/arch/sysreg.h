// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for arch/sysreg.h: system registers are members of one struct, which tests
// fill and look into. A register that is not here does not compile.
#pragma once

#include <stdint.h>

struct fake_sysregs {
    uint64_t esr_el1, elr_el1, spsr_el1, far_el1, vbar_el1, sctlr_el1, sp_el0, sp_el1;
    uint64_t tcr_el1, ttbr0_el1, ttbr1_el1, mdscr_el1;
    uint64_t afsr0_el1, afsr1_el1, mair_el1, amair_el1, contextidr_el1;
    uint64_t mdcr_el2, hcr_el2, far_el2, hpfar_el2;
    uint64_t ccsidr_el1, clidr_el1, csselr_el1;
    uint64_t S3_4_C5_C2_3; // VSESR_EL2
};

extern struct fake_sysregs fake_sysregs;

#define read_sysreg(name)         (fake_sysregs.name)
#define write_sysreg(name, value) ((void)(fake_sysregs.name = (value)))

#include "arch/sysreg_bits.h"
