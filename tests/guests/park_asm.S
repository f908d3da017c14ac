// SPDX-License-Identifier: Apache-2.0
// What a CPU is like that the parking code has let go, written down before anything is changed,
// then CPU_OFF.

    .text
    .global park_probe_entry
park_probe_entry:
    mrs x2, mpidr_el1
    and x3, x2, #7
    adrp x1, probes
    add x1, x1, :lo12:probes
    add x1, x1, x3, lsl #6
    mrs x4, currentel
    stp x0, x4, [x1]
    mrs x3, sctlr_el1
    mrs x4, daif
    stp x3, x4, [x1, #16]
    adrp x4, probe_gicc
    ldr x4, [x4, :lo12:probe_gicc]
    cbz x4, 1f
    ldr w3, [x4]                // GICC_CTLR
    b 2f
1:  mrs x3, icc_igrpen1_el1
2:  stp x2, x3, [x1, #32]
    mrs x3, cntkctl_el1
    str x3, [x1, #48]
    dsb sy
    ldr x3, [x1, #56]
    add x3, x3, #1
    str x3, [x1, #56]
    dsb sy
    mov x0, #0x0002
    movk x0, #0x8400, lsl #16
    hvc #0
    b .
