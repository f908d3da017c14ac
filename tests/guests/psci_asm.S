// SPDX-License-Identifier: Apache-2.0
// What a CPU finds at PSCI CPU_ON, written down before anything is changed, then CPU_OFF.

    .text
    .global psci_probe_entry
psci_probe_entry:
    adrp x1, probe
    add x1, x1, :lo12:probe
    mrs x2, currentel
    mrs x3, sctlr_el1
    stp x0, x2, [x1]
    mrs x4, daif
    stp x3, x4, [x1, #16]
    mrs x2, spsel
    mrs x3, mpidr_el1
    stp x2, x3, [x1, #32]
    mrs x2, nzcv
    mov x3, #1
    stp x2, x3, [x1, #48]
    dsb sy
    mov x0, #0x0002
    movk x0, #0x8400, lsl #16
    hvc #0
    b .
