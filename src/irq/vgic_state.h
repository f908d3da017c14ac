// SPDX-License-Identifier: Apache-2.0
// What the virtual GIC's own files share. Everything here is under the VM's vgic lock unless it
// says otherwise.
//
// Where an interrupt's state is: in its bank, except while it is `placed` in a list register of a
// running vCPU. To fold is to take a vCPU's list registers back into the banks, to fill is to put
// the most urgent interrupts of the banks into list registers. Only the CPU that runs the vCPU can
// do either. A vCPU that does not run has nothing placed, so that its banks are exact. A register
// access that needs the state of a placed interrupt has it folded first, be it by another CPU
// (vgic_take()).
#pragma once

#include "arch/gic.h"
#include "cpu/vcpu.h"
#include "irq/vgic.h"
#include "irq/vgic_hw.h"
#include "lib/bits.h"
#include "lib/spinlock.h"

#define VGIC_SPI_BANKS (VGIC_SPIS / 32)
#define VGIC_BANKS     (1 + VGIC_SPI_BANKS) // bank 0 is a vCPU's own: SGIs and PPIs
#define VGIC_LRS       16
#define VGIC_NO_TARGET 0xff
#define VTIMER_BIT     (UINT32_C(1) << VGIC_PPI_VTIMER)
#define PMU_BIT        (UINT32_C(1) << VGIC_PPI_PMU)
#define PTIMER_BIT     (UINT32_C(1) << VGIC_PPI_PTIMER)

#define GICD_CTLR_ENABLE0 BIT(0)
#define GICD_CTLR_ENABLE1 BIT(1)
#define GICD_CTLR_ARE     BIT(4)
#define GICD_CTLR_DS      BIT(6)

// Accesses by the short ways (vgic_fast.c) are GICv3's system registers; with GICv2 slow is always
// true, and all goes through vgic_hw.h.

// ICH_HCR_EL2 of a vCPU that has no more interrupts than list registers. ICC_DIR_EL1 always traps
// (RES0 where the machine cannot): only guests in EOI mode 1 write it, and what one of them
// deactivates may be another vCPU's, which EOIcount would not tell.
#define VGIC_HCR (ICH_HCR_EN | ICH_HCR_LRENPIE | ICH_HCR_TDIR)
// GICv2's GICH_HCR: there the page of GICC_DIR traps.
#define VGIC_HCR_GICV2 (ICH_HCR_EN | ICH_HCR_LRENPIE)

#define IROUTER_IRM      BIT(31)
#define IROUTER_AFFINITY (MASK(39, 32) | MASK(23, 0))

// 32 interrupts, one bit each.
struct vgic_bank {
    uint32_t enabled;
    uint32_t group1;
    uint32_t edge; // trigger: edge, or else level
    uint32_t line; // the device's line
    uint32_t active;
    uint32_t latch;  // pending by an edge, an SGI or a write to ISPENDR
    uint32_t forced; // of the active ones, those that software made so (ISACTIVER)
    uint32_t placed; // in a list register, where its pending and active state are
    uint8_t priority[32];
};

struct vgic_cpu {
    struct vcpu *vcpu;
    struct vgic *vgic;
    unsigned index;
    uint32_t affinity;                   // Aff3.Aff2.Aff1.Aff0, a byte each
    struct vgic_bank bank;               // SGIs and PPIs
    uint32_t routed[VGIC_SPI_BANKS];     // SPIs that go to this vCPU
    uint32_t active_spi[VGIC_SPI_BANKS]; // SPIs that this vCPU has active
    uint32_t inbox; // SGIs sent to this vCPU that its bank does not show yet; atomic, no lock
    uint32_t ready; // bit n: bank n may have something to put into a list register
    union {
        struct {
            uint8_t lr_count; // list registers 0..lr_count-1 hold placed interrupts
            bool slow;        // more is to be done than to place one interrupt; see vgic_fast.c
            bool timer_held;  // the machine's timer PPI is active here for this vCPU
            bool more_aprs;   // the machine has more than one active priorities register a group
        };
        uint64_t unusual; // any of these: a switch has more to do than to move registers
    };
    bool running;  // between vgic_load() and vgic_save()
    bool asleep;   // GICR_WAKER.ProcessorSleep
    uint32_t wake; // vCPUs that vgic_give_back() is to tell of

    unsigned lr_stale; // and those up to lr_stale-1 hold what must be overwritten
    uint32_t lr_latch; // bit n: the pending state in list register n came from the latch
    uint16_t lr_intid[VGIC_LRS];
    uint8_t lr_of[32];               // list register that a placed SGI or PPI is in
    uint64_t hcr;                    // what ICH_HCR_EL2 holds, while running
    uint64_t vmcr, ap0r[4], ap1r[4]; // while not running

    // GICv2, where an SGI is another one from each sender: by INTID, the vCPUs from which it is
    // pending (a bit each, and latch is set if there are any), and from which it is active.
    uint8_t sgi_senders[16], sgi_active[16];
};

struct vgic {
    struct spinlock lock;
    uint32_t ctlr; // group enables
    unsigned count;
    struct vgic_cpu *cpu[VM_MAX_VCPUS];
    uint32_t linear;    // a bit for each vCPU, or 0 where vCPU n has not affinity n
    uint8_t lrs, aprs;  // the machine's
    uint64_t gich;      // where GICH is, 0 with GICv3
    uint64_t hcr;       // VGIC_HCR or VGIC_HCR_GICV2
    uint32_t timer_ppi; // the machine's INTID of the virtual timer
    bool timer_told;    // its end by the guest always has to be told of
    struct vgic_bank spi[VGIC_SPI_BANKS];
    uint64_t irouter[VGIC_SPIS];  // GICv2: a byte of ITARGETSR
    uint8_t target[VGIC_SPIS];    // vCPU, or VGIC_NO_TARGET
    uint8_t placed_in[VGIC_SPIS]; // vCPU, where placed
    // Interrupts that must stay out of list registers while a register access is under way. taker,
    // taken without the lock, is who may change these.
    struct vgic_cpu *taker;
    const struct vgic_bank *taken_bank;
    uint32_t taken;
};

static inline bool vgic_is_v2(const struct vgic *g)
{
    return g->gich != 0;
}

static inline struct vgic_bank *vgic_bank(struct vgic_cpu *c, unsigned bank)
{
    return bank == 0 ? &c->bank : &c->vgic->spi[bank - 1];
}

static inline uint32_t vgic_pending(const struct vgic_bank *b)
{
    return b->latch | (b->line & ~b->edge);
}

// Interrupts whose group the distributor forwards.
static inline uint32_t vgic_forwarded(const struct vgic *g, const struct vgic_bank *b)
{
    return (g->ctlr & GICD_CTLR_ENABLE1 ? b->group1 : 0) |
           (g->ctlr & GICD_CTLR_ENABLE0 ? ~b->group1 : 0);
}

static inline uint32_t vgic_routed(const struct vgic_cpu *c, unsigned bank)
{
    return bank == 0 ? ~UINT32_C(0) : c->routed[bank - 1];
}

// Enabled, forwarded and meant for this vCPU: what may be pending in one of its list registers.
static inline uint32_t vgic_eligible(const struct vgic_cpu *c, const struct vgic_bank *b,
                                     unsigned bank)
{
    return b->enabled & vgic_forwarded(c->vgic, b) & vgic_routed(c, bank);
}

static inline uint32_t vgic_active_here(const struct vgic_cpu *c, const struct vgic_bank *b,
                                        unsigned bank)
{
    return bank == 0 ? b->active : c->active_spi[bank - 1];
}

// Interrupts in the bank that belong in a list register of this vCPU and are in none.
static inline uint32_t vgic_to_place(const struct vgic_cpu *c, const struct vgic_bank *b,
                                     unsigned bank)
{
    uint32_t pending = vgic_pending(b) & vgic_eligible(c, b, bank) & ~b->active;
    return (pending | vgic_active_here(c, b, bank)) & ~b->placed;
}

// vgic.c. Sets of vCPUs are bit masks by index; owner is the vCPU whose bank 0 is meant, and not
// looked at for an SPI bank. The vCPUs that have some of bits placed.
uint32_t vgic_placed_in(const struct vgic *g, const struct vgic_cpu *owner, unsigned bank,
                        uint32_t bits);
// What they have placed has changed in the banks: they must fold. Returns cpus.
uint32_t vgic_refold(struct vgic *g, uint32_t cpus);
// bits may have changed: the vCPUs that must look.
uint32_t vgic_changed(struct vgic *g, struct vgic_cpu *owner, unsigned bank, uint32_t bits);
// Without the lock.
void vgic_notify_each(const struct vgic *g, uint32_t cpus);
static inline void vgic_notify(const struct vgic *g, uint32_t cpus)
{
    if (__builtin_expect(cpus != 0, 0)) {
        vgic_notify_each(g, cpus);
    }
}
void vgic_set_active(struct vgic_cpu *c, unsigned bank, uint32_t bits);
void vgic_clear_active(struct vgic_cpu *c, unsigned bank, uint32_t bits);
void vgic_set_route(struct vgic *g, uint32_t intid, uint64_t irouter);
void vgic_set_targets(struct vgic *g, uint32_t intid, uint8_t itargets); // GICv2

// vgic_lr.c; on the vCPU's own CPU.
// What is in the inbox into the bank; any CPU.
void vgic_drain(struct vgic_cpu *c);
// Returns the vCPUs that must look. The list registers keep their values until vgic_fill() or
// vgic_clear_stale().
uint32_t vgic_fold(struct vgic_cpu *c);
// After vgic_fold(): puts interrupts into list registers, and with them the machine's timer PPI and
// maintenance right.
void vgic_fill(struct vgic_cpu *c);
void vgic_clear_stale(struct vgic_cpu *c);
// The virtual timer's output now. A level that has fallen since the machine told of it is not
// pending any more.
bool vgic_sample_timer(struct vgic_cpu *c);
void vgic_refresh_lines(struct vgic_cpu *c); // the same, and for the PMU's, where it matters

// What goes into list registers, the most urgent first: pending; then active, which a guest can
// also end without its list register, at the price of a maintenance interrupt; then pending in a
// group that the guest's CPU interface has disabled.
enum { VGIC_CLASS_PENDING, VGIC_CLASS_ACTIVE, VGIC_CLASS_MASKED };

struct vgic_picks {
    uint32_t key[VGIC_LRS]; // class, priority, INTID: 8, 8 and 16 bits; sorted
    unsigned count, room;
    uint32_t left; // bit n: some of class n found no room
};

// The two halves of vgic_fill(); the first also for a vCPU that does not run.
void vgic_pick(struct vgic_cpu *c, uint64_t vmcr, struct vgic_picks *p);
void vgic_place(struct vgic_cpu *c, uint64_t vmcr, const struct vgic_picks *p);

// The interrupt is placed, in list register n.
static inline void vgic_set_placed(struct vgic_cpu *c, struct vgic_bank *b, unsigned n,
                                   uint32_t intid)
{
    b->placed |= UINT32_C(1) << intid % 32;
    if (intid >= 32) {
        c->vgic->placed_in[intid - 32] = (uint8_t)c->index;
    } else {
        c->lr_of[intid] = (uint8_t)n;
    }
    c->lr_intid[n] = (uint16_t)intid;
}

// vgic_cpu.c
// For a register access by vCPU self, on its CPU: sees to it that none of bits is placed, and stays
// so until vgic_give_back(). Drops the lock while it waits for another CPU. self's list registers
// may be empty afterwards, it then has ATTN_VIRQ.
void vgic_take(struct vgic_cpu *self, struct vgic_cpu *owner, unsigned bank, uint32_t bits);
// Ends it; bits are those whose state may have changed. The vCPUs that must look.
uint32_t vgic_give_back(struct vgic_cpu *self, struct vgic_cpu *owner, unsigned bank,
                        uint32_t bits);
