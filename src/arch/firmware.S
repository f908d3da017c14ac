// SPDX-License-Identifier: Apache-2.0
// Into the firmware's functions and out of them (arch/firmware.h). Meanwhile exceptions at EL2 have a table of vectors of
// their own, so that none of them passes for Newel's.

#include "arch/firmware_layout.h"

    .bss
    .balign 8
running:                                // the struct firmware_context that runs
    .zero   8

    .text
.macro get_running reg
    adrp    \reg, running
    ldr     \reg, [\reg, :lo12:running]
.endm

    .global firmware_run
firmware_run:
    stp     x29, x30, [sp, #-112]!
    mov     x29, sp
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    mrs     x1, vbar_el2
    mrs     x2, tpidr_el2
    stp     x1, x2, [sp, #96]
    mov     x1, sp
    str     x1, [x0, #FIRMWARE_OWN_SP]
    adrp    x1, running
    str     x0, [x1, :lo12:running]
    adrp    x1, firmware_vectors
    add     x1, x1, :lo12:firmware_vectors
    msr     vbar_el2, x1
    isb
    ldp     x1, x2, [x0, #FIRMWARE_PC]
    msr     elr_el2, x1
    msr     spsr_el2, x2
    dsb     ish                         // of what it wrote on another CPU
    ldp     x30, x1, [x0, #FIRMWARE_X30]
    mov     sp, x1
    ldp     x28, x29, [x0, #224]
    ldp     x26, x27, [x0, #208]
    ldp     x24, x25, [x0, #192]
    ldp     x22, x23, [x0, #176]
    ldp     x20, x21, [x0, #160]
    ldp     x18, x19, [x0, #144]
    ldp     x16, x17, [x0, #128]
    ldp     x14, x15, [x0, #112]
    ldp     x12, x13, [x0, #96]
    ldp     x10, x11, [x0, #80]
    ldp     x8, x9, [x0, #64]
    ldp     x6, x7, [x0, #48]
    ldp     x4, x5, [x0, #32]
    ldp     x2, x3, [x0, #16]
    ldp     x0, x1, [x0]
    eret
    dsb     nsh
    isb

// Where its function returns to. An interrupt may be taken until they are masked.
    .global firmware_returned
firmware_returned:
    msr     daifset, #15
    get_running x1
    str     x0, [x1]
    mov     w0, #FIRMWARE_RETURNED_NUMBER
// x1: the context, w0: firmware_run()'s result.
leave:
    dsb     ish
    ldr     x2, [x1, #FIRMWARE_OWN_SP]
    mov     sp, x2
    ldp     x2, x3, [sp, #96]
    msr     vbar_el2, x2
    msr     tpidr_el2, x3
    isb
    ldp     x27, x28, [sp, #80]
    ldp     x25, x26, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x21, x22, [sp, #32]
    ldp     x19, x20, [sp, #16]
    ldp     x29, x30, [sp], #112
    ret

// x0 and x1 are on its stack: if that is full, this is a fault.
interrupted:
    get_running x0
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    stp     x8, x9, [x0, #64]
    stp     x10, x11, [x0, #80]
    stp     x12, x13, [x0, #96]
    stp     x14, x15, [x0, #112]
    stp     x16, x17, [x0, #128]
    stp     x18, x19, [x0, #144]
    stp     x20, x21, [x0, #160]
    stp     x22, x23, [x0, #176]
    stp     x24, x25, [x0, #192]
    stp     x26, x27, [x0, #208]
    stp     x28, x29, [x0, #224]
    ldp     x2, x3, [sp], #16
    stp     x2, x3, [x0]
    mov     x2, sp
    stp     x30, x2, [x0, #FIRMWARE_X30]
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
    stp     x2, x3, [x0, #FIRMWARE_PC]
    mov     x1, x0
    mov     w0, #FIRMWARE_INTERRUPTED_NUMBER
    b       leave

// Nothing of it is needed any more but for the report.
faulted:
    get_running x1
    str     x30, [x1, #FIRMWARE_X30]
    mrs     x2, elr_el2
    str     x2, [x1, #FIRMWARE_PC]
    mrs     x2, esr_el2
    mrs     x3, far_el2
    stp     x2, x3, [x1, #FIRMWARE_ESR]
    mov     w0, #FIRMWARE_FAULTED_NUMBER
    b       leave

    .balign 2048
firmware_vectors:
    .rept   5                           // SP_EL0, which it has no business with; synchronous
    .balign 128
    b       faulted
    .endr
    .balign 128
    stp     x0, x1, [sp, #-16]!
    b       interrupted
    .rept   10                          // FIQ and SError, which are masked; no lower level runs
    .balign 128
    b       faulted
    .endr
    .balign 128
