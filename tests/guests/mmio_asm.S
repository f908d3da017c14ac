// SPDX-License-Identifier: Apache-2.0
// SIMD and floating-point loads and stores of one address. Loads: x0 = address, x1 = where the whole
// register goes; x0 = the base afterwards.

    .arch armv8-a+fp+simd
    .text

    .macro load name, insn:vararg
    .global simd_load_\name
simd_load_\name:
    movi v0.16b, #0xa5
    \insn
    str q0, [x1]
    ret
    .endm

    load s, ldr s0, [x0]
    load d, ldr d0, [x0]
    load q, ldr q0, [x0]
    load b_post, ldr b0, [x0], #4
    load ld1, ld1 {v0.2d}, [x0]

    .global simd_load_pair_s
simd_load_pair_s:
    ldp s0, s1, [x0]
    str d0, [x1]
    str d1, [x1, #8]
    ret

    .global simd_load_pair_d
simd_load_pair_d:
    ldp d0, d1, [x0]
    str d0, [x1]
    str d1, [x1, #8]
    ret

    .global simd_store_d
simd_store_d:
    fmov d0, x1
    str d0, [x0]
    ret

    .global simd_store_q
simd_store_q:
    fmov d0, x1
    mov v0.d[1], x2
    str q0, [x0]
    ret

    .global simd_store_pair_s
simd_store_pair_s:
    fmov s0, w1
    fmov s1, w2
    stp s0, s1, [x0]
    ret
