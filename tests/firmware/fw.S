// SPDX-License-Identifier: Apache-2.0
// A firmware without PSCI, for QEMU's virt with secure=on: every CPU comes here at EL3, from the
// flash at 0. CPU 0 goes on at EL2 with the kernel; each other one waits at EL2 in RAM as the method
// says. A board as it might be, and as broken as the faults say.
//
// What is where in RAM (tests/system/test_firmware.py puts it there, and makes the device tree):
#define KERNEL    0x40200000
#define TREE      0x4a000000
#define BASE      0x4f000000 // this code, from here on reserved: 2 MiB
#define PARAMS    0x4f100000 // method; then, from 8 on, a fault for each CPU, of 8 bytes each
#define RELEASE   0x4f110000 // spin table: 8 bytes a CPU
#define REGISTERS 0x4f120000 // brcm,bcm2836-l1-intc, as far as mailbox 3 goes

#define METHOD_SPIN_TABLE 1
#define METHOD_BCM2836    2
#define METHOD_SHARED     3 // a spin table with one word for all, RELEASE

#define FAULT_DEAD  1 // never looks
#define FAULT_EL1   2 // comes at EL1
#define FAULT_CROSS 3 // looks where another CPU is called: its number is one more in the lowest bit
#define FAULT_LATE  4 // comes, seconds after it was called

#define GICD 0x08000000
#define GICR 0x080a0000
#define MAILBOX_3 0x8c

    .section .text
    .global _start
_start:
    adr     x0, _start
    ldr     x1, =BASE
    adr     x2, end
1:  ldp     x3, x4, [x0], #16           // all CPUs do, the same
    stp     x3, x4, [x1], #16
    cmp     x0, x2
    b.lo    1b
    dsb     sy
    ic      iallu
    dsb     sy
    isb
    ldr     x0, =(BASE + in_ram - _start)
    br      x0

in_ram:
    mrs     x1, mpidr_el1
    and     x19, x1, #0xff              // its number: clusters of 16
    ubfx    x1, x1, #8, #8
    add     x19, x19, x1, lsl #4
    adr     x0, vectors
    msr     vbar_el3, x0
    mov     x0, #0x501                  // RW, HCE, NS
    orr     x0, x0, #0x30               // RES1
    msr     scr_el3, x0
    msr     cptr_el3, xzr
    msr     mdcr_el3, xzr
    ldr     x0, =62500000
    msr     cntfrq_el0, x0
    mov     x0, #0xf
    msr     S3_6_C12_C12_5, x0          // ICC_SRE_EL3
    isb
    ldr     x0, =0x30c50830
    msr     sctlr_el2, x0
    mov     x0, #(1 << 31)
    msr     hcr_el2, x0

    // Its redistributor awake, all its interrupts non-secure.
    ldr     x0, =GICR
    add     x0, x0, x19, lsl #17
    str     wzr, [x0, #0x14]
1:  ldr     w1, [x0, #0x14]
    tbnz    w1, #2, 1b
    add     x0, x0, #0x10000
    mov     w1, #-1
    str     w1, [x0, #0x80]
    cbnz    x19, secondary

    ldr     x0, =GICD
    mov     w1, #0x30                   // ARE_S, ARE_NS
    str     w1, [x0]
    mov     w1, #-1
    add     x0, x0, #0x84
    mov     x2, #31
1:  str     w1, [x0], #4
    subs    x2, x2, #1
    b.ne    1b
    ldr     x0, =KERNEL
    msr     elr_el3, x0
    mov     x0, #0x3c9                  // EL2h, DAIF
    msr     spsr_el3, x0
    ldr     x0, =TREE
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    eret

secondary:
    ldr     x20, =PARAMS
    add     x21, x20, #8
    ldr     x21, [x21, x19, lsl #3]     // its fault
    ldr     x20, [x20]
    cmp     x21, #FAULT_DEAD
    b.eq    dead
    adr     x0, waits
    msr     elr_el3, x0
    mov     x0, #0x3c9
    msr     spsr_el3, x0
    eret
dead:
    wfi
    b       dead

    // At EL2, on Non-secure memory.
waits:
    mov     x22, x19
    cmp     x21, #FAULT_CROSS
    b.ne    1f
    eor     x22, x22, #1
1:  cmp     x20, #METHOD_SHARED
    csel    x22, xzr, x22, eq
    cmp     x20, #METHOD_BCM2836
    b.eq    2f
    ldr     x23, =RELEASE
    add     x23, x23, x22, lsl #3
    b       3f
2:  ldr     x23, =REGISTERS
    add     x23, x23, x22, lsl #4
3:  wfe
    cmp     x20, #METHOD_BCM2836
    b.eq    4f
    ldr     x24, [x23]
    b       5f
4:  ldr     w24, [x23, #MAILBOX_3]
5:  cbz     x24, 3b

    cmp     x21, #FAULT_LATE
    b.ne    6f
    mrs     x0, cntpct_el0
    ldr     x1, =(62500000 * 3)
    add     x0, x0, x1
5:  mrs     x1, cntpct_el0
    cmp     x1, x0
    b.lo    5b
6:  cmp     x21, #FAULT_EL1
    b.ne    7f
    mov     x0, #0x3c5                  // EL1h, DAIF
    msr     spsr_el2, x0
    msr     elr_el2, x24
    ldr     x0, =0x30d00800
    msr     sctlr_el1, x0
    eret
7:  mov     x0, xzr
    br      x24

    // SMC: nobody knows the function. Anything else: stop here.
    .balign 2048
vectors:
    .rept   8
    b       .
    .balign 128
    .endr
    msr     tpidr_el3, x29
    mrs     x29, esr_el3
    lsr     x29, x29, #26
    cmp     x29, #0x17
    b.ne    .
    mrs     x29, tpidr_el3              // the caller's frame
    mov     x0, #-1
    eret
    .balign 128
    .rept   7
    b       .
    .balign 128
    .endr
    .ltorg
    .balign 16
end:
