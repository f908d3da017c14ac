// SPDX-License-Identifier: Apache-2.0
// Vectors for measurements: the IRQ entry is the mark itself; then acknowledge, complete, count. x16, x17 are the
// interrupted loop's to lose only after they are put on the stack.

    .text
    .macro vectors name, mark, quiet
    .balign 2048
    .global \name
\name:
    .fill 0x280 / 4, 4, 0xd4200000  // anything else is a BRK, and shows
    orr \mark, \mark, \mark
    stp x16, x17, [sp, #-16]!
    mrs x16, icc_iar1_el1
    .if \quiet
    msr cntv_ctl_el0, xzr
    isb
    .endif
    msr icc_eoir1_el1, x16
    adrp x17, bench_events
    ldr x16, [x17, :lo12:bench_events]
    add x16, x16, #1
    str x16, [x17, :lo12:bench_events]
    ldp x16, x17, [sp], #16
    eret
    .balign 128
    .fill 0x500 / 4, 4, 0xd4200000
    .endm

    vectors bench_ipi_vectors, x23, 0
    vectors bench_timer_vectors, x25, 1
