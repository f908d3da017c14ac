// SPDX-License-Identifier: Apache-2.0
// The three ways to call, with all registers a call has to do with taken from and put back into struct call, and those
// it has nothing to do with checked.

    .text
    .arch armv8-a+fp
// void NAME(struct call *): x0-x7 in and out; NZCV and the stack pointer's change out.
    .macro caller name, insn
    .global \name, \name\()_insn
\name:
    stp x29, x30, [sp, #-32]!
    str x0, [sp, #16]
    mov x8, sp
    mov x9, x0
    mov w10, #0xb0000000
    msr nzcv, x10
    ldp x0, x1, [x9]
    ldp x2, x3, [x9, #16]
    ldp x4, x5, [x9, #32]
    ldp x6, x7, [x9, #48]
\name\()_insn:
    \insn
    mrs x10, nzcv
    mov x11, sp
    sub x8, x11, x8
    ldr x9, [x11, #16]
    stp x0, x1, [x9]
    stp x2, x3, [x9, #16]
    stp x4, x5, [x9, #32]
    stp x6, x7, [x9, #48]
    stp x10, x8, [x9, #64]
    ldp x29, x30, [sp], #32
    ret
    .endm

    caller call_by_mrs, "mrs xzr, mdccsr_el0"
    caller call_by_hvc, "hvc #0x86"
    caller call_by_brk, "brk #0x86"
    caller call_by_smc, ".inst 0xd40010c3"      // SMC #0x86
    caller call_by_brk87, "brk #0x87"
    caller call_into_x5, "mrs x5, mdccsr_el0"

// void call_with_fp(struct call *): D8 to D15 and V0 hold their values over a call; 0 if so.
    .global call_with_fp
call_with_fp:
    stp x29, x30, [sp, #-16]!
    movz x10, #0x1234, lsl #48
    fmov v0.d[1], x10
    fmov d8, x10
    fmov d31, x10
    bl call_by_mrs
    fmov x0, v0.d[1]
    fmov x1, d8
    fmov x2, d31
    movz x10, #0x1234, lsl #48
    eor x0, x0, x10
    eor x1, x1, x10
    eor x2, x2, x10
    orr x0, x0, x1
    orr x0, x0, x2
    ldp x29, x30, [sp], #16
    ret

// BKPT #0x86 of A32 at EL0, from EL1: ends in an exception.
    .global bkpt_at_el0, bkpt_insn
bkpt_at_el0:
    adr x9, bkpt_insn
    msr elr_el1, x9
    mov x9, #0x1d0      // User mode, SError, IRQ and FIQ masked
    msr spsr_el1, x9
    isb
    eret
bkpt_insn:
    .inst 0xe1200876    // BKPT #0x86
