// SPDX-License-Identifier: Apache-2.0
// A vCPU's switch, what would end its sleep, and the taking of interrupts out of list registers for
// a register access.
#include "irq/vgic_state.h"

#include "cpu/timer.h"
#include "irq/gic.h"
#include "lib/log.h"

// ---- a vCPU's time on a CPU ----

static void fill_for_load(struct vgic_cpu *c)
{
    c->hcr = 0;
    spin_lock(&c->vgic->lock);
    vgic_drain(c);
    vgic_fill(c);
    spin_unlock(&c->vgic->lock);
}

// Not 0 if list registers or maintenance interrupts are needed. Who makes something ready from now
// on tells the vCPU, so it needs no lock to see that there is nothing.
static uint32_t wants_fill(const struct vgic_cpu *c)
{
    return __atomic_load_n(&c->ready, __ATOMIC_RELAXED) |
           __atomic_load_n(&c->inbox, __ATOMIC_RELAXED) |
           ((c->bank.line | c->bank.active) & VTIMER_BIT);
}

static OUTLINE void load_unusual(struct vgic_cpu *c)
{
    const struct vgic *g = c->vgic;
    vgic_hw_write_vmcr(g->gich, c->vmcr);
    vgic_hw_write_aprs(g->gich, g->aprs, c->ap0r, c->ap1r);
    c->hcr = g->hcr;
    vgic_hw_write_hcr(g->gich, c->hcr);
    if (wants_fill(c) != 0) {
        fill_for_load(c);
    }
}

void vgic_load(struct vgic_cpu *c)
{
    c->running = true;
    if (unlikely((wants_fill(c) | c->unusual) != 0)) {
        load_unusual(c);
        return;
    }
    uint64_t vmcr = c->vmcr, ap0r = c->ap0r[0], ap1r = c->ap1r[0];
    ich_write_vmcr(vmcr);
    ich_write_ap0r(0, ap0r);
    ich_write_ap1r(0, ap1r);
    c->hcr = VGIC_HCR;
    ich_write_hcr(VGIC_HCR);
}

static void fold_for_save(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    uint32_t cpus = vgic_fold(c);
    vgic_clear_stale(c);
    vgic_refresh_lines(c);
    if (c->timer_held) {
        c->timer_held = false;
        gic_set_ppi_active(c->vgic->timer_ppi, false); // the next vCPU's timer is to be heard
    }
    c->slow = c->vgic->taken_bank != NULL || vgic_is_v2(c->vgic);
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
}

static OUTLINE void save_unusual(struct vgic_cpu *c)
{
    if (c->lr_count != 0 || c->slow || c->timer_held || (c->bank.line & VTIMER_BIT)) {
        fold_for_save(c);
    }
    c->vmcr = vgic_hw_read_vmcr(c->vgic->gich);
    vgic_hw_read_aprs(c->vgic->gich, c->vgic->aprs, c->ap0r, c->ap1r);
    vgic_hw_write_hcr(c->vgic->gich, 0);
    c->running = false;
}

void vgic_save(struct vgic_cpu *c)
{
    if (unlikely(c->unusual != 0 || (c->bank.line & VTIMER_BIT))) {
        save_unusual(c);
        return;
    }
    uint64_t vmcr = ich_read_vmcr(), ap0r = ich_read_ap0r(0), ap1r = ich_read_ap1r(0);
    c->vmcr = vmcr;
    c->ap0r[0] = ap0r;
    c->ap1r[0] = ap1r;
    ich_write_hcr(0);
    c->running = false;
}

// ---- what would be signalled (IHI 0069, 4.8) ----

struct interface {
    uint64_t vmcr;
    unsigned running; // priority of what is being handled, 0x100 for nothing
};

static unsigned running_priority(const uint64_t *ap0r, const uint64_t *ap1r, unsigned aprs)
{
    unsigned shift = aprs == 1 ? 3 : aprs == 2 ? 2 : 1; // 32 * aprs preemption levels
    for (unsigned i = 0; i < aprs; i++) {
        uint32_t levels = (uint32_t)(ap0r[i] | ap1r[i]);
        if (levels != 0) {
            return (i * 32 + bit_first(levels)) << shift;
        }
    }
    return 0x100;
}

static void read_interface(struct vgic_cpu *c, struct interface *f)
{
    if (c->running) {
        c->vmcr = vgic_hw_read_vmcr(c->vgic->gich);
        vgic_hw_read_aprs(c->vgic->gich, c->vgic->aprs, c->ap0r, c->ap1r);
    }
    f->vmcr = c->vmcr;
    f->running = running_priority(c->ap0r, c->ap1r, c->vgic->aprs);
}

// Priority bits that decide over preemption, by group.
static unsigned group_priority(const struct interface *f, bool group1, unsigned priority)
{
    unsigned bpr0 = ICH_VMCR_VBPR0(f->vmcr) + 1;
    unsigned bits = group1 && !(f->vmcr & ICH_VMCR_VCBPR) ? ICH_VMCR_VBPR1(f->vmcr) : bpr0;
    return priority & (0xffu << bits);
}

static bool signals(struct vgic_cpu *c, const struct interface *f, uint32_t key)
{
    if (key >> 24 != VGIC_CLASS_PENDING) {
        return false;
    }
    uint32_t intid = key & 0xffff;
    unsigned priority = key >> 16 & 0xff;
    bool group1 = vgic_bank(c, intid / 32)->group1 >> intid % 32 & 1;
    return priority < ICH_VMCR_VPMR(f->vmcr) && group_priority(f, group1, priority) < f->running;
}

bool vgic_signals(struct vgic_cpu *c)
{
    struct interface f;
    struct vgic_picks p;
    bool any = false;
    uint32_t cpus = 0;
    spin_lock(&c->vgic->lock);
    read_interface(c, &f);
    vgic_drain(c);
    if (c->running) {
        cpus = vgic_fold(c);
        vgic_refresh_lines(c);
    }
    vgic_pick(c, f.vmcr, &p);
    for (unsigned i = 0; i < p.count && !any; i++) {
        any = signals(c, &f, p.key[i]);
    }
    if (c->running) {
        vgic_place(c, f.vmcr, &p);
    }
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
    return any;
}

// ---- interrupts that a register access needs ----

// Others run with what is to be taken in their list registers: have them fold. Their CPUs do it on
// their way to the guest, which is a bounded time; the limit is for a machine that is coming down.
static void take_from_others(struct vgic_cpu *self, struct vgic_cpu *owner, unsigned bank,
                             uint32_t bits)
{
    struct vgic *g = self->vgic;
    struct vgic_bank *b = bank == 0 ? &owner->bank : &g->spi[bank - 1];
    struct vgic_cpu *nobody = NULL;
    spin_unlock(&g->lock);
    uint64_t deadline = timer_now() + timer_frequency();
    while (!__atomic_compare_exchange_n(&g->taker, &nobody, self, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        nobody = NULL;
        cpu_relax();
    }
    spin_lock(&g->lock);
    g->taken_bank = b;
    g->taken = bits;
    uint32_t cpus = vgic_placed_in(g, owner, bank, bits);
    vgic_refold(g, (UINT32_C(1) << g->count) - 1); // until the last fill with nothing taken
    spin_unlock(&g->lock);
    vgic_notify(g, cpus);
    while ((__atomic_load_n(&b->placed, __ATOMIC_ACQUIRE) & bits) && timer_now() < deadline) {
        cpu_relax();
    }
    spin_lock(&g->lock);
    if (b->placed & bits) {
        log_warn("vgic: no answer from a CPU within a second");
    }
}

void vgic_take(struct vgic_cpu *self, struct vgic_cpu *owner, unsigned bank, uint32_t bits)
{
    const struct vgic_bank *b = bank == 0 ? &owner->bank : &self->vgic->spi[bank - 1];
    if (!(b->placed & bits)) {
        return;
    }
    // Whoever waits for others holds nothing that others could wait for.
    if (self->running) {
        self->wake |= vgic_fold(self);
        vcpu_request(self->vcpu, ATTN_VIRQ);
    }
    if (b->placed & bits) {
        take_from_others(self, owner, bank, bits);
    }
}

uint32_t vgic_give_back(struct vgic_cpu *self, struct vgic_cpu *owner, unsigned bank, uint32_t bits)
{
    struct vgic *g = self->vgic;
    uint32_t cpus = self->wake;
    self->wake = 0;
    if (__atomic_load_n(&g->taker, __ATOMIC_RELAXED) == self) {
        bits |= g->taken;
        g->taken_bank = NULL;
        g->taken = 0;
        __atomic_store_n(&g->taker, NULL, __ATOMIC_RELEASE);
    }
    if (bank == 0 && (bits & VTIMER_BIT) && !owner->running) {
        // Asleep with its timer interrupt in flight it did not have the timer watched.
        cpus |= UINT32_C(1) << owner->index;
    }
    return cpus | vgic_changed(g, owner, bank, bits);
}

void vgic_deactivate(struct vgic_cpu *c, uint64_t intid)
{
    struct vgic *g = c->vgic;
    if (intid >= VGIC_MAX_INTID || !(vgic_hw_read_vmcr(c->vgic->gich) & ICH_VMCR_VEOIM)) {
        return;
    }
    unsigned bank = (unsigned)intid / 32;
    uint32_t bit = UINT32_C(1) << intid % 32;
    spin_lock(&g->lock);
    vgic_take(c, c, bank, bit);
    vgic_clear_active(c, bank, bit);
    uint32_t cpus = vgic_give_back(c, c, bank, bit);
    spin_unlock(&g->lock);
    vcpu_request(c->vcpu, ATTN_VIRQ);
    vgic_notify(g, cpus);
}
