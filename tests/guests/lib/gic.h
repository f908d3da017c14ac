// SPDX-License-Identifier: Apache-2.0
// GICv3 of a payload (Arm IHI 0069): register offsets and the few operations tests share.
#pragma once

#include "lib/machine.h"
#include "lib/sysreg.h"

#define GICD_CTLR       0x0000
#define GICD_TYPER      0x0004
#define GICD_IIDR       0x0008
#define GICD_SETSPI_NSR 0x0040
#define GICD_IGROUPR    0x0080
#define GICD_ISENABLER  0x0100
#define GICD_ICENABLER  0x0180
#define GICD_ISPENDR    0x0200
#define GICD_ICPENDR    0x0280
#define GICD_ISACTIVER  0x0300
#define GICD_ICACTIVER  0x0380
#define GICD_IPRIORITYR 0x0400
#define GICD_ICFGR      0x0c00
#define GICD_IROUTER    0x6000
#define GIC_PIDR2       0xffe8

#define GICD_CTLR_GRP0 (1u << 0)
#define GICD_CTLR_GRP1 (1u << 1)
#define GICD_CTLR_ARE  (1u << 4)
#define GICD_CTLR_DS   (1u << 6)
#define GICD_CTLR_RWP  (1u << 31)

#define GICR_CTLR   0x0000
#define GICR_TYPER  0x0008
#define GICR_WAKER  0x0014
#define GICR_SGI    0x10000 /* the SGI frame: registers as in the distributor, word 0 only */
#define GICR_STRIDE 0x20000

#define GIC_SPURIOUS 1023
#define GIC_PRIO     0xa0

static inline uint64_t gicr_base(unsigned cpu)
{
    return machine.gicr + (uint64_t)cpu * GICR_STRIDE;
}

/* Distributor on, this CPU's redistributor awake and its interface open at the lowest mask. Every
 * CPU calls it. */
void gic_init(void);

/*
 * The address of the register bank word that holds intid: private interrupts in this CPU's
 * redistributor, others in the distributor. bank is a GICD_* offset, per_word how many interrupts
 * one word holds.
 */
uint64_t gic_word(unsigned intid, unsigned bank, unsigned per_word);

/* Set (ISx banks) or clear (ICx banks) one interrupt's bit, and read it. */
void gic_bit_write(unsigned intid, unsigned bank);
bool gic_bit_read(unsigned intid, unsigned bank);

void gic_set_priority(unsigned intid, uint8_t priority);
void gic_set_edge(unsigned intid, bool edge);
void gic_set_group1(unsigned intid, bool group1);
void gic_route(unsigned intid, uint64_t mpidr);

/* Group 1, priority GIC_PRIO, routed here, inactive, not pending, enabled. */
void gic_setup(unsigned intid);

/* Disabled, inactive, not pending. */
void gic_teardown(unsigned intid);

/* SGI to the CPUs of targets (bit per Aff0, other levels 0). */
void gic_send_sgi(unsigned sgi, uint16_t targets);

/* Polls the acknowledge register up to about 200 ms: an INTID, or GIC_SPURIOUS. */
unsigned gic_poll(void);

#define gic_ack()      ((unsigned)read_sysreg(icc_iar1_el1))
#define gic_eoi(intid) write_sysreg(icc_eoir1_el1, (intid))
#define gic_dir(intid) write_sysreg(icc_dir_el1, (intid))

/* True if an IRQ is signalled to this CPU now (ISR_EL1.I), waiting up to about a millisecond for
 * it. */
bool gic_irq_signalled(void);
