// SPDX-License-Identifier: Apache-2.0
// Single steps: ERET to one instruction with PSTATE.SS set; the exception must come right after it.
// TPIDR_EL0 says where that is.

    .macro step_over name:req, insn:vararg
    .global \name
\name:
    adr x1, 2f
    msr tpidr_el0, x1
    mov x0, #0x84000000
    mov x1, #0x2001             // MDSCR_EL1: KDE, SS
    msr mdscr_el1, x1
    isb
    mov x1, #0x5                // EL1h
    movk x1, #0x20, lsl #16     // SS; D clear
    orr x1, x1, #0xc0           // I, F
    msr spsr_el1, x1
    adr x1, 1f
    msr elr_el1, x1
    isb
    eret
1:  \insn
2:  nop
    ret
    .endm

    .text
    step_over step_over_nop, nop
    step_over step_over_trap, mrs x2, id_aa64pfr0_el1
    step_over step_over_hvc, hvc #0
