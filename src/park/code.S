// SPDX-License-Identifier: Apache-2.0
// What a parked processor runs: a constant for Newel, which copies it to PARK_CODE in a page
// (page.h has the contract). Position-independent; no stack, no memory but its page and its GIC.
//
// Nothing wakes a CPU from WFE and from WFI alike: an SGI that is masked ends only WFI, SEV only
// WFE. So WFE has the timer's event stream besides, which brings it to look after every 2^13 ticks.
// No wake-up is lost: an SGI that comes after the look is still pending at the WFI, an SEV is kept
// by the event register.

#include "arch/layout.h"
#include "park/layout.h"

#define EVENT_STREAM (1 << 2 | 12 << 4) // EVNTEN, EVNTI: of CNTHCTL_EL2 and CNTKCTL_EL1 alike
#define EL1_MAY_COUNT 3                 // CNTHCTL_EL2: EL1PCTEN, EL1PCEN

#define AFFINITY 0xff00ffffff // of MPIDR_EL1

#define SGIS       0x0000ffff
#define PRIORITIES 0xa0a0a0a0

#define GICD_IGROUPR0    0x080
#define GICD_ISENABLER0  0x100
#define GICD_ICENABLER0  0x180
#define GICD_IPRIORITYR0 0x400
#define GICC_CTLR        0x00
#define GICC_PMR         0x04
#define GICC_IAR         0x0c
#define GICC_EOIR        0x10
#define GICR_WAKER       0x14
#define GICR_SGI         0x10000
#define WAKER_SLEEP      1 // bits
#define WAKER_ASLEEP     2
#define ICC_SRE_EL2_ON   9 // SRE, Enable

// Throughout: x19 page, x20 facts, x21 exception level, x22 GIC's version, x23 wait, x24 GICv2's CPU
// interface.

// SGIs alone, at one priority, from now on. x0: the registers' frame. 4-byte stores: a hypervisor
// may emulate them. group: orr for group 1, bic for group 0.
.macro take_sgis group
    ldr     w1, =SGIS
    mvn     w2, w1
    str     w2, [x0, #GICD_ICENABLER0]
    ldr     w2, [x0, #GICD_IGROUPR0]
    \group     w2, w2, w1
    str     w2, [x0, #GICD_IGROUPR0]
    ldr     w2, =PRIORITIES
    str     w2, [x0, #GICD_IPRIORITYR0]
    str     w2, [x0, #GICD_IPRIORITYR0 + 4]
    str     w2, [x0, #GICD_IPRIORITYR0 + 8]
    str     w2, [x0, #GICD_IPRIORITYR0 + 12]
    str     w1, [x0, #GICD_ISENABLER0]
.endm

    .section .rodata.park, "a"
    .balign 16
    .global park_code
park_code:
    msr     daifset, #0xf
    adr     x19, park_code
    sub     x19, x19, #PARK_CODE
    mov     x2, x19                     // where it came to
    mrs     x0, mpidr_el1
    ldr     x1, =AFFINITY
    and     x1, x0, x1
find:
    ldr     x3, [x19, #(PARK_FACTS + PARK_FACT_MPIDR)]
    cmp     x3, x1
    b.eq    found
    ldr     x19, [x19, #(PARK_FACTS + PARK_FACT_NEXT)]
    cbz     x19, stranger
    cmp     x19, x2
    b.ne    find
stranger:
    str     x0, [x2, #PARK_STRANGER]
    dsb     sy
1:  wfi
    b       1b

found:
    add     x20, x19, #PARK_FACTS
    ldr     x22, [x20, #PARK_FACT_GIC]
    ldr     x23, [x20, #PARK_FACT_WAIT]
    ldr     x24, [x20, #PARK_FACT_GIC_CPU_INTERFACE]
    mrs     x21, CurrentEL
    lsr     x21, x21, #2
    cmp     x21, #2
    b.ne    1f

    ldr     x0, =SCTLR_EL2_OFF
    msr     sctlr_el2, x0
    mov     x0, #(1 << 31)              // HCR_EL2.RW; E2H = 0
    msr     hcr_el2, x0
    isb
    mov     x0, #(EVENT_STREAM | EL1_MAY_COUNT)
    msr     cnthctl_el2, x0
    b       2f
1:  ldr     x0, =SCTLR_EL1_OFF
    msr     sctlr_el1, x0
    mov     x0, #EVENT_STREAM
    msr     cntkctl_el1, x0
2:  isb

    cmp     x22, #2
    b.lo    parked
    b.hi    open_v3

    ldr     x0, [x20, #PARK_FACT_GIC_DISTRIBUTOR]
    take_sgis bic                       // a CPU's own copies of the registers
    mov     w1, #0xff
    str     w1, [x24, #GICC_PMR]
    mov     w1, #1                      // group 0, or what the Non-secure view has in its place
    str     w1, [x24, #GICC_CTLR]
    b       parked

open_v3:
    ldr     x0, [x20, #PARK_FACT_GIC_REDISTRIBUTOR]
    ldr     w1, [x0, #GICR_WAKER]
    and     w1, w1, #~(1 << WAKER_SLEEP)
    str     w1, [x0, #GICR_WAKER]
1:  ldr     w1, [x0, #GICR_WAKER]
    tbnz    w1, #WAKER_ASLEEP, 1b       // one that stays asleep is a CPU that does not answer
    add     x0, x0, #GICR_SGI
    take_sgis orr
    cmp     x21, #2
    b.ne    2f
    mrs     x1, S3_4_C12_C9_5           // ICC_SRE_EL2
    mov     x2, #ICC_SRE_EL2_ON
    orr     x1, x1, x2
    msr     S3_4_C12_C9_5, x1
    isb
2:  mov     x1, #1
    msr     S3_0_C12_C12_5, x1          // ICC_SRE_EL1
    isb
    mov     x2, #0xff
    msr     S3_0_C4_C6_0, x2            // ICC_PMR_EL1
    msr     S3_0_C12_C12_4, xzr         // ICC_CTLR_EL1: EOI deactivates as well
    msr     S3_0_C12_C12_7, x1          // ICC_IGRPEN1_EL1
    isb

parked:
    mrs     x0, mpidr_el1
    str     x0, [x19, #PARK_MPIDR]
    dmb     sy
    str     w21, [x19, #PARK_STATE]
    dsb     sy
    sev                                 // for whoever waits for it

look:
    ldr     x25, [x19, #PARK_RELEASE]
    cbnz    x25, by_spin_table
    ldr     w0, [x19, #PARK_ID]
    ldr     w1, [x20, #PARK_FACT_ID]
    cmp     w0, w1
    b.ne    wait
    dmb     sy                          // an address that is read now was written before the id
    ldr     x25, [x19, #PARK_JUMP]
    cbnz    x25, by_mailbox
wait:
    dsb     sy
    cbnz    x23, 1f
    wfe
    b       2f
1:  wfi
2:  cmp     x22, #2
    b.lo    look
    b.hi    ack_v3
3:  ldr     w0, [x24, #GICC_IAR]
    ubfx    w1, w0, #0, #10
    cmp     w1, #1020
    b.hs    look
    str     w0, [x24, #GICC_EOIR]       // with the sender's number
    b       3b
ack_v3:
    mrs     x0, S3_0_C12_C12_0          // ICC_IAR1_EL1
    cmp     w0, #1020
    b.hs    look
    msr     S3_0_C12_C12_1, x0          // ICC_EOIR1_EL1
    isb
    b       ack_v3

by_mailbox:
    str     xzr, [x19, #PARK_JUMP]
    mov     x26, x19
    b       leave
by_spin_table:
    str     xzr, [x19, #PARK_RELEASE]
    mov     x26, xzr
leave:
    mov     w0, #PARK_RELEASED
    str     w0, [x19, #PARK_STATE]
    cmp     x22, #2
    b.lo    2f
    b.hi    1f
    str     wzr, [x24, #GICC_CTLR]
    b       2f
1:  msr     S3_0_C12_C12_7, xzr         // ICC_IGRPEN1_EL1
2:  cmp     x21, #2
    b.ne    3f
    mov     x0, #EL1_MAY_COUNT
    msr     cnthctl_el2, x0
    b       4f
3:  msr     cntkctl_el1, xzr
4:  ic      iallu
    dsb     sy
    isb
    mov     x0, x26
    br      x25
    .ltorg
    .org    park_code + PARK_CODE_SIZE  // an error if it is longer
