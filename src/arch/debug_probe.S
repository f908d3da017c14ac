// SPDX-License-Identifier: Apache-2.0
// Registers that the architecture has on every CPU and QEMU (10.0.2) has not: the value, or all ones
// where the read is UNDEFINED. Before any guest runs, since ELR_EL2 and SPSR_EL2 are lost.

    .text
.macro probe name, register
    .global \name
\name:
    mrs     x1, vbar_el2
    adrp    x2, probe_vectors
    add     x2, x2, :lo12:probe_vectors
    msr     vbar_el2, x2
    isb
    mov     x0, #-1
    mrs     x0, \register
    msr     vbar_el2, x1
    isb
    ret
.endm
    probe   debug_probe_authstatus, dbgauthstatus_el1
    probe   debug_probe_prcr, dbgprcr_el1

    .balign 2048
probe_vectors:
    .skip   0x200                       // nothing but this can happen
    mrs     x2, elr_el2
    add     x2, x2, #4
    msr     elr_el2, x2
    eret
    .balign 2048
