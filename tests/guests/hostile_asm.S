// SPDX-License-Identifier: Apache-2.0
// Into a shot and out of it again. From hostile_run's last MSR to hostile_back's, no memory is touched: the translation is
// whatever the shot has made of it, with this image mapped read-only.

#include "hostile/shot.h"

#define SCTLR_OFF 0x30d00800
#define EC_ILLEGAL_STATE 0x0e
#define EC_SVC64 0x15
#define EC_IABT_LOWER 0x20
#define EC_PC_ALIGN 0x22
#define EC_BREAKPOINT_LOWER 0x30
#define EC_STEP_SAME 0x33

    .text

.macro push_callee_saved
    sub     sp, sp, #96
    stp     x19, x20, [sp]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
.endm

.macro pop_callee_saved
    ldp     x19, x20, [sp]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    add     sp, sp, #96
.endm

// x0: this CPU's struct shot. MPIDR_EL1 is what a shot cannot change. Clobbers x1.
.macro shot_of_cpu
    mrs     x1, mpidr_el1
    and     x1, x1, #0xff
    adrp    x0, hostile_shots
    add     x0, x0, :lo12:hostile_shots
    add     x0, x0, x1, lsl #SHOT_SIZE_LOG
.endm

.macro sane_state
    msr     daifset, #0xf
    msr     spsel, #1
    mov     x0, #(SCTLR_OFF & 0xffff)
    movk    x0, #(SCTLR_OFF >> 16), lsl #16
    msr     sctlr_el1, x0
    adrp    x0, hostile_vectors
    add     x0, x0, :lo12:hostile_vectors
    msr     vbar_el1, x0
    isb
.endm

    .global hostile_run
hostile_run:
    push_callee_saved
    mov     x1, sp
    str     x1, [x0, #SHOT_SAVED_SP]
    ldr     x29, [x0, #SHOT_SCTLR]
    tbz     x29, #0, 1f
    ldp     x1, x2, [x0, #SHOT_TTBR0]
    msr     ttbr0_el1, x1
    msr     ttbr1_el1, x2
    ldp     x1, x2, [x0, #SHOT_TCR]
    msr     tcr_el1, x1
    msr     mair_el1, x2
1:  ldp     x30, x1, [x0, #SHOT_ENTRY]
    msr     elr_el1, x30
    msr     spsr_el1, x1
    mov     x27, #0
    adrp    x28, hostile_vectors
    add     x28, x28, :lo12:hostile_vectors
    msr     vbar_el1, x28
    ldp     x2, x3, [x0, #16]
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x8, x9, [x0, #64]
    ldp     x10, x11, [x0, #80]
    ldp     x12, x13, [x0, #96]
    ldp     x14, x15, [x0, #112]
    ldp     x16, x17, [x0, #128]
    ldp     x18, x19, [x0, #144]
    ldp     x20, x21, [x0, #160]
    ldp     x22, x23, [x0, #176]
    ldp     x24, x25, [x0, #192]
    ldp     x0, x1, [x0]
    msr     sctlr_el1, x29
    isb
    eret

// x26: why.
hostile_back:
    sane_state
    shot_of_cpu
    str     x26, [x0, #SHOT_ENDED_BY]
    str     x27, [x0, #SHOT_EXCEPTIONS]
    ldr     x1, [x0, #SHOT_SAVED_SP]
    mov     sp, x1
    pop_callee_saved
    ret

    .global hostile_enter
hostile_enter:
    push_callee_saved
    mov     x1, sp
    str     x1, [x0, #SHOT_LOOP_SP]
again:
    bl      hostile_loop
    shot_of_cpu
    ldr     x1, [x0, #SHOT_LOOP_SP]
    mov     sp, x1
    pop_callee_saved
    ret

// Where CPU_ON and CPU_SUSPEND with a wild entry point arrive in the end.
    .global hostile_landing
hostile_landing:
    sane_state
    shot_of_cpu
    ldr     x1, [x0, #SHOT_LOOP_SP]
    mov     sp, x1
    b       again

on_sync:
    mrs     x26, esr_el1
    lsr     x26, x26, #26
    cmp     x26, #EC_SVC64
    b.eq    hostile_back
    cmp     x26, #EC_ILLEGAL_STATE
    b.eq    hostile_back
    cmp     x26, #EC_IABT_LOWER
    b.lo    skip
    cmp     x26, #EC_PC_ALIGN
    b.ls    hostile_back
    cmp     x26, #EC_BREAKPOINT_LOWER
    b.lo    skip
    cmp     x26, #EC_STEP_SAME
    b.ls    hostile_back
skip:
    mrs     x26, elr_el1
    sub     x26, x26, x30
    cmp     x26, #SHOT_CODE_BYTES
    b.hs    strayed
    add     x26, x26, x30
    add     x26, x26, #4
    msr     elr_el1, x26
    add     x27, x27, #1
    eret
strayed:
    mov     x26, #0x1ff
    b       hostile_back

.macro sync
    .balign 128
    b       on_sync
.endm
.macro end_with n
    .balign 128
    mov     x26, #(0x100 + \n)
    b       hostile_back
.endm
.macro four n
    sync
    end_with \n + 1
    end_with \n + 2
    end_with \n + 3
.endm

    .balign 2048
hostile_vectors:
    four 0
    four 4
    four 8
    end_with 12
    end_with 13
    end_with 14
    end_with 15
