// SPDX-License-Identifier: Apache-2.0
// Fill and check whole register banks from a seed. fp: q0-q31, FPCR, FPSR; a seed of 0 in fp_check asks for all
// registers zero. sve: z0-z31, p0-p15, FFR. sys: EL1's registers that no one else here uses.

    .arch armv8.2-a+fp+simd+sve
    .text

#define NUMBERS 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31

    .global fp_fill
fp_fill:
    mov x1, #0x0100
    movk x1, #0x0302, lsl #16
    .irp n, NUMBERS
    madd x2, x0, x1, x0
    add x2, x2, #\n
    fmov d\n, x2
    mvn x2, x2
    mov v\n\().d[1], x2
    .endr
    and x2, x0, #0x3
    lsl x2, x2, #22
    msr fpcr, x2
    and x2, x0, #0x1f
    msr fpsr, x2
    ret

    .macro differs reg, want, code
    cmp \reg, \want
    mov x4, #\code
    b.ne 9f
    .endm

    .global fp_check
fp_check:
    cbz x0, fp_check_zero
    mov x1, #0x0100
    movk x1, #0x0302, lsl #16
    .irp n, NUMBERS
    madd x2, x0, x1, x0
    add x2, x2, #\n
    fmov x3, d\n
    differs x3, x2, \n + 1
    mvn x2, x2
    mov x3, v\n\().d[1]
    differs x3, x2, \n + 1
    .endr
    and x2, x0, #0x3
    lsl x2, x2, #22
    mrs x3, fpcr
    differs x3, x2, 40
    and x2, x0, #0x1f
    mrs x3, fpsr
    differs x3, x2, 41
    mov x4, #0
9:  mov x0, x4
    ret

fp_check_zero:
    .irp n, NUMBERS
    fmov x3, d\n
    differs x3, xzr, \n + 1
    mov x3, v\n\().d[1]
    differs x3, xzr, \n + 1
    .endr
    mov x4, #0
9:  mov x0, x4
    ret

    .global sve_fill
sve_fill:
    ptrue p0.b
    setffr
    .irp n, NUMBERS
    add x2, x0, #\n
    index z\n\().d, x2, #3
    .endr
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    add x2, x0, #(\n * 3)
    and x2, x2, #31
    whilelo p\n\().b, xzr, x2
    .endr
    ret

// 0, or 100 + the first register with a bit set above bit 127.
    .global sve_check_above
sve_check_above:
    sub sp, sp, #512
    str p0, [sp]
    str p1, [sp, #1, mul vl]
    ptrue p0.b
    ptrue p1.b, vl16
    not p0.b, p0/z, p1.b
    .irp n, NUMBERS
    mov x4, #(100 + \n)
    cmpne p1.b, p0/z, z\n\().b, #0
    b.ne 9f
    .endr
    mov x4, #0
9:  ldr p0, [sp]
    ldr p1, [sp, #1, mul vl]
    add sp, sp, #512
    mov x0, x4
    ret

    .global sve_check
sve_check:
    sub sp, sp, #1024
    str z0, [sp]
    str z1, [sp, #1, mul vl]
    str p0, [sp, #16, mul vl]
    ptrue p0.b
    ldr z1, [sp]
    mov x2, x0
    index z0.d, x2, #3
    cmpne p0.d, p0/z, z0.d, z1.d
    mov x4, #1
    b.ne 9f
    ptrue p0.b
    ldr z1, [sp, #1, mul vl]
    add x2, x0, #1
    index z0.d, x2, #3
    cmpne p0.d, p0/z, z0.d, z1.d
    mov x4, #2
    b.ne 9f
    .irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ptrue p0.b
    add x2, x0, #\n
    index z0.d, x2, #3
    cmpne p0.d, p0/z, z0.d, z\n\().d
    mov x4, #(\n + 1)
    b.ne 9f
    .endr
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    ptrue p0.b
    cntp x3, p0, p\n\().b
    add x2, x0, #(\n * 3)
    and x2, x2, #31
    cntb x5
    cmp x2, x5
    csel x2, x2, x5, lo
    differs x3, x2, 50 + \n
    .endr
    mov x4, #0
9:  add sp, sp, #1024
    mov x0, x4
    ret

    .macro sys op, reg, n
    add x2, x0, #\n
    lsl x2, x2, #2
    .ifc \op, set
    msr \reg, x2
    .else
    mrs x3, \reg
    differs x3, x2, \n
    .endif
    .endm

    .macro all_sys op
    sys \op, tpidr_el0, 1
    sys \op, tpidrro_el0, 2
    sys \op, far_el1, 3
    sys \op, elr_el1, 4
    sys \op, sp_el0, 5
    sys \op, contextidr_el1, 6
    sys \op, cntp_cval_el0, 7
    .endm

    .global sys_fill
sys_fill:
    all_sys set
    lsl x2, x0, #12
    and x2, x2, #0xfffff000
    msr ttbr1_el1, x2
    msr par_el1, x2
    isb
    ret

    .global sys_check
sys_check:
    all_sys check
    lsl x2, x0, #12
    and x2, x2, #0xfffff000
    mrs x3, ttbr1_el1
    differs x3, x2, 8
    mrs x3, par_el1
    and x3, x3, #0xfffff000
    differs x3, x2, 9
    mov x4, #0
9:  mov x0, x4
    ret
