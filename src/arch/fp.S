// SPDX-License-Identifier: Apache-2.0
// The one place where Newel's own code names SIMD registers.
    .arch armv8-a+fp+simd
    .text
    .global fp_save
fp_save:
    stp     q0, q1, [x0, #0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x0, #64]
    stp     q6, q7, [x0, #96]
    stp     q8, q9, [x0, #128]
    stp     q10, q11, [x0, #160]
    stp     q12, q13, [x0, #192]
    stp     q14, q15, [x0, #224]
    stp     q16, q17, [x0, #256]
    stp     q18, q19, [x0, #288]
    stp     q20, q21, [x0, #320]
    stp     q22, q23, [x0, #352]
    stp     q24, q25, [x0, #384]
    stp     q26, q27, [x0, #416]
    stp     q28, q29, [x0, #448]
    stp     q30, q31, [x0, #480]
    mrs     x1, fpsr
    mrs     x2, fpcr
    str     x1, [x0, #512]
    str     x2, [x0, #520]
    ret

    .global fp_restore
fp_restore:
    ldp     q0, q1, [x0, #0]
    ldp     q2, q3, [x0, #32]
    ldp     q4, q5, [x0, #64]
    ldp     q6, q7, [x0, #96]
    ldp     q8, q9, [x0, #128]
    ldp     q10, q11, [x0, #160]
    ldp     q12, q13, [x0, #192]
    ldp     q14, q15, [x0, #224]
    ldp     q16, q17, [x0, #256]
    ldp     q18, q19, [x0, #288]
    ldp     q20, q21, [x0, #320]
    ldp     q22, q23, [x0, #352]
    ldp     q24, q25, [x0, #384]
    ldp     q26, q27, [x0, #416]
    ldp     q28, q29, [x0, #448]
    ldp     q30, q31, [x0, #480]
    ldr     x1, [x0, #512]
    ldr     x2, [x0, #520]
    msr     fpsr, x1
    msr     fpcr, x2
    ret

// SVE: Z0-Z31 at the vector length that ZCR_EL2 gives, then P0-P15, then FFR (src/cpu/sve.h).
    .arch armv8.2-a+fp+simd+sve
#define NUMBERS 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
#define P_NUMBERS 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15

// x0: the area, x1: its struct fp_regs. Returns whether anything is set beyond bit 127 of a Z register, in a P register
// or in FFR. Leaves the registers as they were.
    .global sve_save
sve_save:
    mrs     x2, fpsr
    mrs     x3, fpcr
    str     x2, [x1, #512]
    str     x3, [x1, #520]
    addvl   x1, x0, #16
    addvl   x1, x1, #16
    .irp n, NUMBERS
    str     z\n, [x0, #\n, mul vl]
    .endr
    .irp n, P_NUMBERS
    str     p\n, [x1, #\n, mul vl]
    .endr
    rdffr   p0.b
    str     p0, [x1, #16, mul vl]
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    orr     z0.d, z0.d, z\n\().d
    .endr
    ptrue   p1.d, vl2
    cpy     z0.d, p1/m, #0              // FP/SIMD's own bits
    .irp n, 0, 1                        // sixteen P registers are as long as two Z registers
    ldr     z1, [x1, #\n, mul vl]
    orr     z0.d, z0.d, z1.d
    .endr
    ptrue   p1.b
    cmpne   p2.b, p1/z, z0.b, #0
    orrs    p2.b, p1/z, p0.b, p2.b
    cset    w2, ne
    .irp n, 0, 1
    ldr     z\n, [x0, #\n, mul vl]
    .endr
    .irp n, 0, 1, 2
    ldr     p\n, [x1, #\n, mul vl]
    .endr
    mov     w0, w2
    ret

    .global sve_restore
sve_restore:
    ldr     x2, [x1, #512]
    ldr     x3, [x1, #520]
    msr     fpsr, x2
    msr     fpcr, x3
    addvl   x1, x0, #16
    addvl   x1, x1, #16
    ldr     p0, [x1, #16, mul vl]
    wrffr   p0.b
    .irp n, P_NUMBERS
    ldr     p\n, [x1, #\n, mul vl]
    .endr
    .irp n, NUMBERS
    ldr     z\n, [x0, #\n, mul vl]
    .endr
    ret

    .global sve_vector_bytes
sve_vector_bytes:
    rdvl    x0, #1
    ret
