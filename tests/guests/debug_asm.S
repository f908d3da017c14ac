// SPDX-License-Identifier: Apache-2.0
// Code that is stepped through and broken into.

    .text

// What a step must get past: an instruction by itself, each followed by the place the step ends at.
    .balign 4
    .global step_plain, step_idreg, step_hvc
step_plain:
    nop
    nop
    ret
step_idreg:
    mrs     x1, id_aa64pfr0_el1
    nop
    ret
step_hvc:
    hvc     #0
    nop
    ret

    .global break_here
break_here:
    nop
    ret

// void step_at(code): one instruction at code with PSTATE.SS, at EL1 with debug exceptions unmasked.
    .global step_at
step_at:
    mov     x1, #0x1c5                  // EL1h, A, I and F masked
    orr     x1, x1, #(1 << 21)          // SS
    msr     spsr_el1, x1
    msr     elr_el1, x0
    mov     x0, #0x84000000             // PSCI_VERSION, for the HVC
    isb
    eret

// void unmasked_call(fn): fn with debug exceptions unmasked.
    .global unmasked_call
unmasked_call:
    stp     x29, x30, [sp, #-16]!
    msr     daifclr, #8
    isb
    blr     x0
    msr     daifset, #8
    ldp     x29, x30, [sp], #16
    ret

// void unmasked_store(address)
    .global unmasked_store, the_store
unmasked_store:
    msr     daifclr, #8
    isb
the_store:
    str     xzr, [x0]
    msr     daifset, #8
    ret
