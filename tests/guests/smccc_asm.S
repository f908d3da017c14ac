// SPDX-License-Identifier: Apache-2.0
// void smccc_snapshot_CONDUIT(fn, before[32], after[32]): x0-x30 and NZCV around one call.

    .text
    .macro snapshot name, word
    .global smccc_snapshot_\name
smccc_snapshot_\name:
    stp x29, x30, [sp, #-128]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp x1, x2, [sp, #96]
    str x18, [sp, #112]
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    movz x\n, #(0x1100 + \n)
    movk x\n, #(0xbe00 + \n), lsl #16
    movk x\n, #(0xca00 + \n), lsl #32
    movk x\n, #(0xf500 + \n), lsl #48
    .endr
    mov x2, #0
    msr nzcv, x2
    cmp x0, x0                  // Z and C
    str x0, [x1]
    ldr x1, [sp, #96]
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    str x\n, [x1, #(8 * \n)]
    .endr
    mrs x2, nzcv
    str x2, [x1, #248]
    mov x1, #0
    mov x2, #0
    .inst \word
    stp x0, x1, [sp, #-16]!
    ldr x1, [sp, #120]
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    str x\n, [x1, #(8 * \n)]
    .endr
    mrs x2, nzcv
    str x2, [x1, #248]
    ldp x0, x2, [sp], #16
    stp x0, x2, [x1]
    ldr x18, [sp, #112]
    ldp x27, x28, [sp, #80]
    ldp x25, x26, [sp, #64]
    ldp x23, x24, [sp, #48]
    ldp x21, x22, [sp, #32]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #128
    ret
    .endm

    snapshot hvc, 0xd4000002
    snapshot smc, 0xd4000003
