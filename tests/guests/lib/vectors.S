// SPDX-License-Identifier: Apache-2.0
// EL1 vectors of a payload: a full frame on the stack, then exc_dispatch(frame, vector).
// struct exc_frame in exc.h mirrors the offsets here.

    .macro entry n
    .balign 128
    sub sp, sp, #272
    stp x0, x1, [sp]
    mov x0, #\n
    b save_frame
    .endm

    .text
    .balign 2048
    .global guest_vectors
guest_vectors:
    entry 0
    entry 1
    entry 2
    entry 3
    entry 4
    entry 5
    entry 6
    entry 7
    entry 8
    entry 9
    entry 10
    entry 11
    entry 12
    entry 13
    entry 14
    entry 15

save_frame:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x1, elr_el1
    stp x30, x1, [sp, #240]
    mrs x2, spsr_el1
    str x2, [sp, #256]
    mov x1, x0
    mov x0, sp
    bl exc_dispatch
    ldr x2, [sp, #256]
    msr spsr_el1, x2
    ldp x30, x1, [sp, #240]
    msr elr_el1, x1
    ldp x28, x29, [sp, #224]
    ldp x26, x27, [sp, #208]
    ldp x24, x25, [sp, #192]
    ldp x22, x23, [sp, #176]
    ldp x20, x21, [sp, #160]
    ldp x18, x19, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp]
    add sp, sp, #272
    eret

    .macro push_callee_saved
    sub sp, sp, #112
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    mrs x9, daif
    str x9, [sp, #96]
    .endm

    .macro pop_callee_saved
    ldr x9, [sp, #96]
    msr daif, x9
    ldp x29, x30, [sp, #80]
    ldp x27, x28, [sp, #64]
    ldp x25, x26, [sp, #48]
    ldp x23, x24, [sp, #32]
    ldp x21, x22, [sp, #16]
    ldp x19, x20, [sp]
    add sp, sp, #112
    .endm

// uint64_t exc_guarded_call(fn, arg, uint64_t *recover_sp): 0 if fn returned.
    .global exc_guarded_call
exc_guarded_call:
    push_callee_saved
    mov x9, sp
    str x9, [x2]
    mov x9, x0
    mov x0, x1
    blr x9
    mov x0, #0
    pop_callee_saved
    ret

// uint64_t exc_el0_call(fn, arg, uint64_t *recover_sp, el0_stack): runs fn at EL0.
    .global exc_el0_call
exc_el0_call:
    push_callee_saved
    mov x9, sp
    str x9, [x2]
    msr sp_el0, x3
    msr elr_el1, x0
    mov x9, #0x3c0
    msr spsr_el1, x9
    adr x30, el0_return
    mov x0, x1
    isb
    eret
el0_return:
    svc #0x7e1

// void exc_recover(uint64_t sp, uint64_t value): leaves the handler, the call above returns value.
    .global exc_recover
exc_recover:
    mov sp, x0
    mov x0, x1
    pop_callee_saved
    ret
