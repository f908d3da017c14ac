// SPDX-License-Identifier: Apache-2.0
// Exceptions into EL2, and the way back.
//
// While a guest runs, SP_EL2 points to its struct vcpu, so an exit stores registers with no register to spare. HVC, SMC
// and interrupts (the short way) store only what C may clobber, x0-x18 and x30, and x19, which then holds the vCPU;
// x20-x29 stay in the machine, where C preserves them. Everything else (the full way) stores all of them, since a
// handler may want any. Afterwards the vCPU's attention bits decide: 0 goes straight back to the guest, anything else
// leaves through trap_leave(), for which the rest is stored first, because from there on another CPU may
// pick this vCPU up.

#include "arch/layout.h"

.macro save_short
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
    stp     x30, x2, [sp, #240]
    str     x3, [sp, #VCPU_PSTATE]
    mov     x19, sp
.endm

.macro save_rest base
    stp     x20, x21, [\base, #160]
    stp     x22, x23, [\base, #176]
    stp     x24, x25, [\base, #192]
    stp     x26, x27, [\base, #208]
    stp     x28, x29, [\base, #224]
.endm

.macro to_host_stack
    ldr     x3, [sp, #VCPU_HOST_SP]
    mov     sp, x3
    mov     x0, x19
.endm

// sp: the vCPU. Nothing may be speculated past ERET.
.macro restore_short
    ldr     x3, [sp, #VCPU_PSTATE]
    ldp     x30, x2, [sp, #240]
    msr     spsr_el2, x3
    msr     elr_el2, x2
    ldp     x18, x19, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp]
    eret
    dsb     nsh
    isb
.endm

    .text
// save_short leaves x0 and x1 alone.
sync_lower:
    mrs     x1, esr_el2
    lsr     x0, x1, #26
    cmp     x0, #0x16                   // EC of HVC from AArch64
    b.ne    sync_full
    save_short
    to_host_stack
    bl      trap_call
short_return:
    ldr     w0, [x19, #VCPU_ATTENTION]
    cbnz    w0, short_leave
    mov     sp, x19
    restore_short

short_leave:
    save_rest x19
leave:
    mov     x0, x19
leave_next:
    bl      trap_leave                  // returns the vCPU to enter, its state loaded
    ldr     w1, [x0, #VCPU_ATTENTION]
    cbnz    w1, leave_next
    mov     sp, x0
enter_full:
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    restore_short

sync_full:
    save_short
    save_rest sp
    to_host_stack
    bl      trap_sync
full_return:
    ldr     w0, [x19, #VCPU_ATTENTION]
    mov     sp, x19
    cbz     w0, enter_full
    ldr     x3, [sp, #VCPU_HOST_SP]
    mov     sp, x3
    b       leave

    .global vcpu_enter_first
vcpu_enter_first:
    mov     x0, xzr
    b       leave_next

// Of CPUs whose stage-2 data aborts may be something else (ERRATUM_STAGE2_FIRST).
sync_checked:
    mrs     x1, esr_el2
    lsr     x0, x1, #26
    cmp     x0, #0x24                   // EC of a data abort
    b.ne    sync_lower
    save_short
    save_rest sp
    to_host_stack
    bl      trap_sync_checked
    b       full_return

irq_lower:
    save_short
    to_host_stack
    bl      trap_irq
    b       short_return

irq_lower_gicv2:
    save_short
    to_host_stack
    bl      trap_irq_gicv2
    b       short_return

serror_lower:
    mrs     x1, esr_el2
    save_short
    save_rest sp
    to_host_stack
    bl      trap_serror
    b       full_return

// An exception taken from EL2 itself: Newel is broken. The stack may be what broke, so the frame is built on the
// emergency stack; CNTHP_CVAL_EL2 holds x0 for the moment, as no timer matters any more.
// x1 on entry to el2_broken: which vector.
.macro el2_exception which
    msr     cnthp_cval_el2, x0
    mrs     x0, tpidr_el2
    ldr     x0, [x0, #PERCPU_EMERGENCY_SP]
    sub     x0, x0, #FRAME_SIZE
    stp     x1, x2, [x0, #8]
    mov     x1, #\which
    b       el2_broken
.endm

el2_broken:
    stp     x3, x4, [x0, #24]
    stp     x5, x6, [x0, #40]
    stp     x7, x8, [x0, #56]
    stp     x9, x10, [x0, #72]
    stp     x11, x12, [x0, #88]
    stp     x13, x14, [x0, #104]
    stp     x15, x16, [x0, #120]
    stp     x17, x18, [x0, #136]
    stp     x19, x20, [x0, #152]
    stp     x21, x22, [x0, #168]
    stp     x23, x24, [x0, #184]
    stp     x25, x26, [x0, #200]
    stp     x27, x28, [x0, #216]
    stp     x29, x30, [x0, #232]
    mov     x2, sp
    str     x2, [x0, #248]
    mrs     x3, cnthp_cval_el2
    str     x3, [x0]
    mrs     x3, elr_el2
    mrs     x4, esr_el2
    stp     x3, x4, [x0, #256]
    mrs     x3, far_el2
    mrs     x4, spsr_el2
    stp     x3, x4, [x0, #272]
    mov     sp, x0
    bl      el2_fault                   // (frame, vector); does not return

.macro from_el2 which
    .balign 128
    el2_exception \which
.endm
.macro from_guest target, forget
    .balign 128
    stp     x0, x1, [sp]
    \forget
    b       \target
.endm

// What makes the CPU forget the branches that the guest took (Arm, "Spectre-BHB", section on software mitigation; DEN0028,
// SMCCC_ARCH_WORKAROUND_1 and 3). x0 and x1 are free. The numbers of branches stand in cpu/errata.c.
.macro forget_nothing
.endm
.macro forget_by_loop
    mrs     x0, tpidr_el2
    ldr     w0, [x0, #PERCPU_BHB_LOOPS]
1:  b       2f
2:  subs    x0, x0, #1
    b.ne    1b
    dsb     nsh
    isb
.endm
.macro forget_by_instruction
    hint    #22                         // CLRBHB
    isb
.endm
// For CPUs that call the firmware, and may need more: CLRBHB is a NOP where it does not exist.
.macro forget_as_told
    mrs     x0, tpidr_el2
    ldr     w0, [x0, #PERCPU_EXIT_CALL]
    cbz     w0, 1f
    stp     x2, x3, [sp, #16]
    smc     #0                          // clobbers x0-x3 at most
    ldp     x2, x3, [sp, #16]
1:  mrs     x0, tpidr_el2
    ldr     w0, [x0, #PERCPU_BHB_LOOPS]
    hint    #22                         // CLRBHB
    cbz     w0, 4f
2:  b       3f
3:  subs    x0, x0, #1
    b.ne    2b
    dsb     nsh
4:  isb
.endm

.macro vectors forget, sync, irq
    .balign 2048
    from_el2 0
    from_el2 1
    from_el2 2
    from_el2 3
    from_el2 4
    from_el2 5
    from_el2 6
    from_el2 7
    from_guest \sync, \forget
    from_guest \irq, \forget
    from_guest \irq, \forget         // FIQ: Newel gives the GIC no group 0; spurious
    from_guest serror_lower, \forget
    from_guest \sync, \forget            // from AArch32: the same, EL0 only
    from_guest \irq, \forget
    from_guest \irq, \forget
    from_guest serror_lower, \forget
.endm

.macro tables irq
    vectors forget_nothing, sync_lower, \irq
    vectors forget_by_loop, sync_lower, \irq
    vectors forget_by_instruction, sync_lower, \irq
    vectors forget_as_told, sync_lower, \irq
    vectors forget_as_told, sync_checked, \irq
.endm

    .balign 2048
el2_vectors:
    tables irq_lower
    tables irq_lower_gicv2

// x0: which table.
    .global cpu_vectors_install
cpu_vectors_install:
    adrp    x1, el2_vectors
    add     x1, x1, :lo12:el2_vectors
    add     x1, x1, x0, lsl #11
    msr     vbar_el2, x1
    isb
    ret
