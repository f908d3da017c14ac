// SPDX-License-Identifier: Apache-2.0
// Where the machine and each of its CPUs come in.

#include "arch/layout.h"
#include "park/layout.h"

    .text
// x0: the device tree, or a struct handover. MMU and caches off, or (some loaders) on with an
// identity map; what the MMU was on for has to be clean to the point of coherency.
    .global primary_entry
primary_entry:
    msr     daifset, #0xf
    mov     x20, x0
    mrs     x1, CurrentEL
    mov     x21, x1
    bl      el2_quiesce

    // Lines that the loader left may neither hide what is written now with caches off, nor be
    // written back over it.
    adrp    x0, image_start
    adrp    x1, image_end
    bl      clean_inval_range

    bl      relocate
    adrp    x10, bss_start
    add     x10, x10, :lo12:bss_start
    adrp    x11, bss_end
    add     x11, x11, :lo12:bss_end
3:  cmp     x10, x11
    b.hs    4f
    stp     xzr, xzr, [x10], #16
    b       3b

4:  adrp    x0, image_start
    adrp    x1, image_end
    bl      inval_range
    ic      iallu
    dsb     sy
    isb

    adrp    x0, cpu_stacks
    add     x0, x0, :lo12:cpu_stacks
    mov     x1, #STACK_SLOT
    add     sp, x0, x1                  // CPU 0's slot ends where CPU 1's guard begins
    mov     x29, xzr
    mov     x30, xzr
    cmp     x21, #(2 << 2)
    b.ne    wrong_el
    mov     x0, #VECTORS_PLAIN
    bl      cpu_vectors_install
    mov     x0, x20
    bl      boot_primary                // does not return
wrong_el:
    mov     x0, x20
    lsr     x1, x21, #2
    bl      boot_wrong_el               // does not return

// Out of UEFI's world for good. x0: a struct handover, x1: where this image's copy is. This code,
// the copy and the handover are clean to the point of coherency.
    .global efi_leave
efi_leave:
    msr     daifset, #0xf
    mov     x20, x0
    mov     x21, x1
    bl      el2_quiesce
    ic      iallu
    dsb     sy
    isb
    mov     x0, x20
    br      x21

// A further CPU out of the parking code: x0 is its page, whose free part names its struct
// secondary_start; both were cleaned to the point of coherency. MMU and caches off.
    .global secondary_entry
secondary_entry:
    msr     daifset, #0xf
    ldr     x20, [x0, #PARK_FREE]
    bl      el2_quiesce
    ldr     x0, [x20, #SECONDARY_STACK]
    mov     sp, x0
    mov     x0, #VECTORS_PLAIN
    bl      cpu_vectors_install
    ldp     x0, x1, [x20, #SECONDARY_TTBR]
    ldr     x2, [x20, #SECONDARY_MAIR]
    bl      mmu_enable
    ldr     x0, [x20, #SECONDARY_CPU]
    mov     x29, xzr
    mov     x30, xzr
    bl      boot_secondary              // does not return

// EL2's controls in a known state with the MMU and the caches off; at EL1 nothing is touched.
el2_quiesce:
    mrs     x1, CurrentEL
    cmp     x1, #(2 << 2)
    b.ne    1f
    ldr     x1, =SCTLR_EL2_OFF
    msr     sctlr_el2, x1
    mov     x1, #(1 << 31)              // HCR_EL2.RW; E2H = 0
    msr     hcr_el2, x1
    mov     x1, #CPTR_EL2_INIT          // no FP trap
    msr     cptr_el2, x1
    isb
    msr     vttbr_el2, xzr
    msr     cnthctl_el2, xzr
    msr     cnthp_ctl_el2, xzr
    msr     mdcr_el2, xzr
    msr     hstr_el2, xzr
    isb
1:  ret

// x0: TTBR0_EL2, x1: TCR_EL2, x2: MAIR_EL2. Clobbers x3.
    .global mmu_enable
mmu_enable:
    tlbi    alle2
    dsb     nsh
    msr     mair_el2, x2
    msr     tcr_el2, x1
    msr     ttbr0_el2, x0
    isb
    ldr     x3, =SCTLR_EL2_ON
    msr     sctlr_el2, x3
    isb
    ic      iallu
    dsb     nsh
    isb
    ret

// [x0, x1) by lines; clobbers x2, x3, x4.
.macro by_line name, op
\name:
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4             // DminLine, log2 of words
    mov     x3, #4
    lsl     x3, x3, x2
    sub     x4, x3, #1
    bic     x0, x0, x4
1:  dc      \op, x0
    add     x0, x0, x3
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret
.endm
by_line clean_inval_range, civac
by_line inval_range, ivac

    .section .stacks, "aw", %nobits
    .balign 4096
    .global cpu_stacks
cpu_stacks:
    .skip   STACK_SLOT * MAX_CPUS
    .global emergency_stacks
emergency_stacks:
    .skip   EMERGENCY_SIZE * MAX_CPUS
    .global park_pages
park_pages:
    .skip   PARK_PAGE_SIZE * MAX_CPUS
    .size   park_pages, . - park_pages
