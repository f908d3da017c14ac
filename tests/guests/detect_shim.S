// SPDX-License-Identifier: Apache-2.0
// The least of hypervisors, for the payload detect's truth table: enters the payload at EL1, sets
// the trap controls that it asks for by HVC #1, passes its other calls on to the firmware, and skips
// whatever traps. x0 to x4 of HVC #1: HCR_EL2, MDCR_EL2, CNTHCTL_EL2, CPTR_EL2, ICH_HCR_EL2.

#define PAYLOAD     0x40080000
#define OWN_OFFSET  0x7000000           // in RAM, out of the payload's way
#define HCR_RW      (1 << 31)
#define HCR_PAUTH   (3 << 40)           // APK, API: does not trap
#define EL1H_MASKED 0x3c5
#define SCTLR_RES1  0x30d00800
#define EC_HVC64    0x16

    .text
    .global _start
_start:                                 // the arm64 Image header, so that QEMU gives a device tree
    b       start
    .word   0
    .quad   OWN_OFFSET
    .quad   0x2000                      // image_size
    .quad   2                           // flags: little endian, 4 KiB pages
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   0
start:
    mov     x19, x0
    adr     x0, vectors
    msr     vbar_el2, x0
    mov     x0, #HCR_RW
    orr     x0, x0, #HCR_PAUTH
    msr     hcr_el2, x0
    mov     x0, #0xf
    msr     s3_4_c12_c9_5, x0           // ICC_SRE_EL2: the system registers, for EL1 too
    isb
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    msr     cntvoff_el2, xzr
    msr     vttbr_el2, xzr
    ldr     x0, =SCTLR_RES1
    msr     sctlr_el1, x0
    mov     x0, #EL1H_MASKED
    msr     spsr_el2, x0
    ldr     x0, =PAYLOAD
    msr     elr_el2, x0
    mov     x0, x19
    isb
    eret

trapped:
    msr     tpidr_el2, x18
    mrs     x18, esr_el2
    lsr     x18, x18, #26
    cmp     x18, #EC_HVC64
    b.eq    call
    mrs     x18, elr_el2
    add     x18, x18, #4
    msr     elr_el2, x18
    mrs     x18, tpidr_el2
    eret
call:
    mrs     x18, esr_el2
    tbnz    x18, #0, set
    mrs     x18, tpidr_el2
    .inst   0xd4000003                  // SMC #0
    eret
set:
    orr     x18, x0, #HCR_RW
    msr     hcr_el2, x18
    msr     mdcr_el2, x1
    msr     cnthctl_el2, x2
    msr     cptr_el2, x3
    msr     s3_4_c12_c11_0, x4          // ICH_HCR_EL2
    isb
    mrs     x18, tpidr_el2
    eret

    .balign 2048
vectors:
    .rept 8
    .balign 128
    b       .                           // nothing comes from EL2 itself
    .endr
    .balign 128
    b       trapped
    .rept 7
    .balign 128
    b       .
    .endr
