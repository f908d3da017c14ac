// SPDX-License-Identifier: Apache-2.0
// Inner loops for whole memories. Each line is cleaned right behind its last store, while it is still in the cache.
    .arch armv8-a+fp+simd

.macro zero_line
    dc      zva, x0
    dc      civac, x0
    add     x0, x0, #64
.endm

.macro copy_line to_poc
    ldp     q0, q1, [x1], #32
    ldp     q2, q3, [x1], #32
    stp     q0, q1, [x0]
    stp     q2, q3, [x0, #32]
    .if \to_poc
    dc      civac, x0
    .endif
    add     x0, x0, #64
.endm

.macro copy name, to_poc
    .global \name
\name:
    cbz     x2, 2f
1:  .rept 4
    copy_line \to_poc
    .endr
    subs    x2, x2, #256
    b.hi    1b
2:  ret
.endm

    .text
    .global bulk_zero_lines_to_poc
bulk_zero_lines_to_poc:
    cbz     x1, 2f
1:  .rept 64                            // a page a turn
    zero_line
    .endr
    subs    x1, x1, #4096
    b.hi    1b
2:  ret
    .size   bulk_zero_lines_to_poc, . - bulk_zero_lines_to_poc

copy bulk_copy_lines_to_poc, 1
copy bulk_copy_lines, 0
