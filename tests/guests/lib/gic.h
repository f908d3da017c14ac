// SPDX-License-Identifier: Apache-2.0
// The GIC of a payload, GICv3 (Arm IHI 0069) or where machine.gicc is not 0 GICv2 (Arm IHI 0048):
// register offsets and the few operations tests share.
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
#define GICD_ITARGETSR  0x0800
#define GICD_SGIR       0x0f00
#define GICD_CPENDSGIR  0x0f10
#define GICD_SPENDSGIR  0x0f20
#define GIC_V2_PIDR2    0x0fe8
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

#define GICC_CTLR  0x0000
#define GICC_PMR   0x0004
#define GICC_BPR   0x0008
#define GICC_IAR   0x000c
#define GICC_EOIR  0x0010
#define GICC_RPR   0x0014
#define GICC_HPPIR 0x0018
#define GICC_APR   0x00d0
#define GICC_IIDR  0x00fc
#define GICC_DIR   0x1000

#define GICC_CTLR_GRP0    (1u << 0)
#define GICC_CTLR_GRP1    (1u << 1)
#define GICC_CTLR_ACKCTL  (1u << 2)
#define GICC_CTLR_FIQEN   (1u << 3)
#define GICC_CTLR_EOIMODE (1u << 9)

#define GIC_SPURIOUS 1023
#define GIC_PRIO     0xa0

static inline uint64_t gicr_base(unsigned cpu)
{
    return machine.gicr + (uint64_t)cpu * GICR_STRIDE;
}

/* What the versions do each in their own way; machine.gicc says which one it is. The interrupts of
 * the tests are those that come as IRQs: Group 1 with GICv3, Group 0 with GICv2. */
struct gic_face {
    void (*init)(void);
    void (*sync)(void); /* until a write to the distributor has its effect */
    unsigned (*ack)(void);
    void (*eoi)(unsigned intid);
    void (*dir)(unsigned intid);
    unsigned (*highest)(void); /* pending */
    unsigned (*running)(void); /* priority */
    void (*set_mask)(unsigned priority);
    void (*set_binary_point)(unsigned n);
    unsigned (*binary_point)(void);
    void (*split_eoi)(bool on); /* EOImode */
    bool (*splits_eoi)(void);
    void (*open)(bool on); /* the CPU interface's group enable */
    bool (*is_open)(void);
    void (*route)(unsigned intid, uint64_t mpidr);
    void (*send_sgi)(unsigned sgi, uint16_t targets);
    void (*send_sgi_others)(unsigned sgi);
};

extern const struct gic_face gic_v3_face, gic_v2_face;

static inline const struct gic_face *gic_face(void)
{
    return machine.gicc ? &gic_v2_face : &gic_v3_face;
}

/* Distributor on, with GICv3 this CPU's redistributor awake, and its interface open at the lowest
 * mask. Every CPU calls it. */
#define gic_init() gic_face()->init()

/*
 * The address of the register bank word that holds intid: with GICv3 private interrupts in this
 * CPU's redistributor, others in the distributor. bank is a GICD_* offset, per_word how many
 * interrupts one word holds.
 */
uint64_t gic_word(unsigned intid, unsigned bank, unsigned per_word);

/* Set (ISx banks) or clear (ICx banks) one interrupt's bit, and read it. A GICv2's SGI is pending
 * from this CPU, and no longer from any. */
void gic_bit_write(unsigned intid, unsigned bank);
bool gic_bit_read(unsigned intid, unsigned bank);

void gic_set_priority(unsigned intid, uint8_t priority);
void gic_set_edge(unsigned intid, bool edge);
void gic_set_group1(unsigned intid, bool group1);
#define gic_route(intid, mpidr) gic_face()->route((intid), (mpidr))

/* The IRQs' group, priority GIC_PRIO, routed here, inactive, not pending, enabled. */
void gic_setup(unsigned intid);

/* Disabled, inactive, not pending. */
void gic_teardown(unsigned intid);

/* SGI to the CPUs of targets (bit per Aff0, other levels 0), or to all but this one. */
#define gic_send_sgi(sgi, targets) gic_face()->send_sgi((sgi), (targets))
#define gic_send_sgi_others(sgi)   gic_face()->send_sgi_others(sgi)

/* Polls the acknowledge register up to about two seconds: an INTID, or GIC_SPURIOUS. */
unsigned gic_poll(void);

/* INTIDs; whose a GICv2's SGI was is kept from the acknowledgement for the end. */
#define gic_ack()               gic_face()->ack()
#define gic_eoi(intid)          gic_face()->eoi(intid)
#define gic_dir(intid)          gic_face()->dir(intid)
#define gic_highest()           gic_face()->highest()
#define gic_running()           gic_face()->running()
#define gic_set_mask(priority)  gic_face()->set_mask(priority)
#define gic_set_binary_point(n) gic_face()->set_binary_point(n)
#define gic_binary_point()      gic_face()->binary_point()
#define gic_split_eoi(on)       gic_face()->split_eoi(on)
#define gic_splits_eoi()        gic_face()->splits_eoi()
#define gic_open(on)            gic_face()->open(on)
#define gic_is_open()           gic_face()->is_open()

/* True if an IRQ is signalled to this CPU now (ISR_EL1.I), waiting up to about a millisecond for
 * it. */
bool gic_irq_signalled(void);
