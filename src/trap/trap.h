// SPDX-License-Identifier: Apache-2.0
// What a guest did that came to EL2, and what becomes of it.
#pragma once

#include "cpu/vcpu.h"

// The four ends of every handler. None touches the program counter itself.
enum trap_result {
    TRAP_EMULATED,  // done: go on after the instruction
    TRAP_RETRY,     // execute it again, or (HVC, whose ELR is already past it) just go on
    TRAP_FAULT,     // an exception was injected by trap/inject.h
    TRAP_UNHANDLED, // inject Undefined Instruction, count it, say so in the log
};

// Of a data abort on a CPU that may report one of stage 1 as one of stage 2 (ERRATUM_STAGE2_FIRST).
// True, with HPFAR_EL2 right, if it is what it seems; else the guest makes its access once more.
bool abort_is_of_stage2(const struct vcpu *v, uint64_t esr);

typedef enum trap_result trap_handler(struct vcpu *v, uint64_t esr);

// trap_absent: instructions of a feature that the guest is not shown (SME, LS64...):
// UNDEFINED.
trap_handler trap_hvc, trap_smc, trap_wfx, trap_sysreg, trap_data_abort, trap_instruction_abort,
    trap_fp, trap_sve, trap_pauth, trap_cp14, trap_debug, trap_illegal, trap_absent;

// The IT block's state (Arm ARM G1.9.1) of an AArch32 PSTATE after one more instruction of it.
uint64_t aarch32_advance_it(uint64_t pstate);
