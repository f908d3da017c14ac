// SPDX-License-Identifier: Apache-2.0
// A call with something of its own in every register but X30 and SP, and what came of it.

    .arch_extension fp
    .arch_extension simd

// efi_invoke(function, const uint64_t arguments[5], uint64_t registers[31], fp: 32 * 16 bytes in and out)
// Before: x5-x8 and x10-x29 are 0x1000 + their number. Afterwards registers[n] is Xn, registers[30] NZCV; of it and of fp
// nothing but X0 and X9 may have changed.
    .text
    .global efi_invoke
efi_invoke:
    stp x29, x30, [sp, #-112]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp x2, x3, [sp, #96]
    mov x9, x0
    mov x30, x1
    .irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    ldr q\n, [x3, #16 * \n]
    .endr
    .irp n, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
    ldr q\n, [x3, #16 * \n]
    .endr
    .irp n, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    mov x\n, #0x1000 + \n
    .endr
    mov x0, #0xb0000000
    msr nzcv, x0
    ldp x0, x1, [x30]
    ldp x2, x3, [x30, #16]
    ldr x4, [x30, #32]
    blr x9
    ldr x30, [sp, #96]
    stp x0, x1, [x30]
    .irp n, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26
    str x\n, [x30, #8 * \n]
    .endr
    .irp n, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27
    str x\n, [x30, #8 * \n]
    .endr
    stp x28, x29, [x30, #224]
    mrs x1, nzcv
    str x1, [x30, #240]
    ldr x3, [sp, #104]
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    str q\n, [x3, #16 * \n]
    .endr
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #112
    ret

// efi_upcall(number, immediate is EFI's or not): by itself, without a stub.
    .global efi_upcall, efi_upcall_other
efi_upcall:
    mov x9, x0
    hvc #0xef1
    ret
efi_upcall_other:
    mov x9, x0
    hvc #0xef0
    ret
