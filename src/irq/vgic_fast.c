// SPDX-License-Identifier: Apache-2.0
// What comes in while a vCPU runs, by the short way: one interrupt more, and nothing else has
// changed. Everything else folds and fills.
#include "irq/vgic_state.h"

// A list register for interrupt i of the bank: a new one, or the one it was in, if that is done
// with; VGIC_LRS for none.
static inline unsigned find_room(const struct vgic_cpu *c, const struct vgic_bank *b, unsigned bank,
                                 unsigned i)
{
    if (!(b->placed >> i & 1)) {
        return c->lr_count < c->vgic->lrs ? c->lr_count : VGIC_LRS;
    }
    if (bank != 0) {
        return VGIC_LRS; // it was raised again while placed, and that makes the way long
    }
    unsigned n = c->lr_of[i];
    return ich_read_elrsr() >> n & 1 ? n : VGIC_LRS;
}

static inline void put_pending(struct vgic_cpu *c, struct vgic_bank *b, unsigned bank, unsigned n,
                               unsigned i, uint64_t lr)
{
    count(&c->vcpu->count, CNT_VIRQ_INJECTED);
    lr |= ICH_LR_PENDING | (uint64_t)b->priority[i] << ICH_LR_PRIORITY_SHIFT | (bank * 32 + i);
    lr |= b->group1 >> i & 1 ? ICH_LR_GROUP1 : 0;
    if (n == c->lr_count) {
        c->lr_stale = ++c->lr_count;
    }
    vgic_set_placed(c, b, n, bank * 32 + i);
    ich_write_lr(n, lr);
}

static inline void put_latched_or_level(struct vgic_cpu *c, struct vgic_bank *b, unsigned bank,
                                        unsigned n, unsigned i)
{
    uint32_t latched = b->latch >> i & 1;
    c->lr_latch = (c->lr_latch & ~(UINT32_C(1) << n)) | latched << n;
    b->latch &= ~(UINT32_C(1) << i);
    put_pending(c, b, bank, n, i, b->line & ~b->edge & UINT32_C(1) << i ? ICH_LR_EOI : 0);
}

// True if there was no more to do than that.
static inline __attribute__((always_inline)) bool place_one(struct vgic_cpu *c, struct vgic_bank *b,
                                                            unsigned bank)
{
    uint32_t todo = ((vgic_pending(b) & ~b->placed) | b->latch) & vgic_eligible(c, b, bank);
    uint32_t active = (vgic_active_here(c, b, bank) & ~b->placed) | (b->active & todo);
    if ((todo & (todo - 1)) != 0 || active != 0 || (bank == 0 && (todo & VTIMER_BIT))) {
        return false;
    }
    if (todo != 0) {
        unsigned i = bit_first(todo);
        unsigned n = find_room(c, b, bank, i);
        if (n == VGIC_LRS) {
            return false;
        }
        put_latched_or_level(c, b, bank, n, i);
    }
    c->ready = 0;
    return true;
}

static bool place_spi(struct vgic_cpu *c)
{
    if ((c->ready & (c->ready - 1)) != 0) {
        return false;
    }
    if (c->ready == 0) {
        return true;
    }
    unsigned bank = bit_first(c->ready);
    return place_one(c, vgic_bank(c, bank), bank);
}

// Apart, so that the short way needs few registers.
static OUTLINE void long_way(struct vgic_cpu *c)
{
    uint32_t cpus = 0;
    if (c->slow || !place_spi(c)) {
        cpus = vgic_fold(c);
        vgic_fill(c);
    }
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
}

void vgic_flush(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    uint32_t ready = c->ready;
    if (__atomic_load_n(&c->inbox, __ATOMIC_RELAXED) != 0) { // vgic_drain(), ready in a register
        c->bank.latch |= __atomic_exchange_n(&c->inbox, 0, __ATOMIC_ACQUIRE);
        ready |= 1;
    }
    if (c->slow || ready != 1 || !place_one(c, &c->bank, 0)) {
        c->ready = ready;
        long_way(c);
        return;
    }
    spin_unlock(&c->vgic->lock);
}

void vgic_maintenance(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    c->slow = true; // the conditions go with the list registers that made them
    long_way(c);
}

// ---- the virtual timer ----

static OUTLINE void forward_long_way(struct vgic_cpu *c)
{
    uint32_t cpus = vgic_fold(c); // takes the line for what an interrupt before this one left
    c->bank.line |= VTIMER_BIT;
    c->ready |= 1;
    c->timer_held = true;
    vgic_fill(c);
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
}

__attribute__((always_inline)) void vgic_forward_vtimer(struct vgic_cpu *c)
{
    struct vgic_bank *b = &c->bank;
    spin_lock(&c->vgic->lock);
    bool one = (vgic_eligible(c, b, 0) & ~b->active & ~b->latch & VTIMER_BIT) != 0;
    unsigned n = unlikely(c->slow) ? VGIC_LRS : find_room(c, b, 0, VGIC_PPI_VTIMER);
    if (!one || n == VGIC_LRS) {
        forward_long_way(c);
        return;
    }
    b->line |= VTIMER_BIT;
    c->timer_held = true;
    c->lr_latch &= ~(UINT32_C(1) << n);
    put_pending(c, b, 0, n, VGIC_PPI_VTIMER,
                ICH_LR_HW | (uint64_t)c->vgic->timer_ppi << ICH_LR_PINTID_SHIFT);
    spin_unlock(&c->vgic->lock);
}
