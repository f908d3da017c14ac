// SPDX-License-Identifier: Apache-2.0

    .arch_extension fp
    .arch_extension simd
    .text
// void victim_fp_fill(uint64_t seed): every vector register its own value.
    .global victim_fp_fill
victim_fp_fill:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    dup     v\n\().2d, x0
    add     x0, x0, #1
    .endr
    ret

// uint64_t victim_fp_differences(uint64_t seed): 0 if they hold them still.
    .global victim_fp_differences
victim_fp_differences:
    mov     x1, #0
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    umov    x2, v\n\().d[0]
    umov    x3, v\n\().d[1]
    eor     x2, x2, x0
    eor     x3, x3, x0
    orr     x1, x1, x2
    orr     x1, x1, x3
    add     x0, x0, #1
    .endr
    mov     x0, x1
    ret
