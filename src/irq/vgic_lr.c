// SPDX-License-Identifier: Apache-2.0
// List registers: folding them into the banks, and filling them from there (IHI 0069, 12.4).
#include "irq/vgic_state.h"

#include "irq/gic.h"
#include "irq/vpmu.h"
#include "irq/vtimer.h"

// ---- SGIs that were sent without the lock ----

void vgic_drain(struct vgic_cpu *c)
{
    if (__atomic_load_n(&c->inbox, __ATOMIC_RELAXED) != 0) {
        c->bank.latch |= __atomic_exchange_n(&c->inbox, 0, __ATOMIC_ACQUIRE);
        c->ready |= 1;
    }
}

// ---- folding ----

// The interrupt in the list register is the virtual timer's, tied to the machine's. Unless it is
// still pending, its line is what the machine will tell anew once it is inactive.
static void fold_timer(struct vgic_cpu *c, uint64_t lr)
{
    if (!(lr & ICH_LR_PENDING)) {
        c->bank.line &= ~VTIMER_BIT;
    }
    if (ICH_LR_STATE(lr) == 0) {
        c->timer_held = false; // deactivated by the guest, and by that in the machine
    }
}

// An SGI of GICv2's, with who sent it.
static void fold_sender(struct vgic_cpu *c, unsigned sgi, uint64_t lr)
{
    if (lr & ICH_LR_PENDING) {
        c->sgi_senders[sgi] |= (uint8_t)BIT(VGIC_LR_SENDER(lr));
    }
    if (lr & ICH_LR_ACTIVE) {
        c->sgi_active[sgi] = (uint8_t)VGIC_LR_SENDER(lr);
    }
}

static uint32_t fold_one(struct vgic_cpu *c, unsigned n)
{
    uint64_t lr = vgic_hw_read_lr(c->vgic->gich, n);
    unsigned bank = c->lr_intid[n] / 32;
    uint32_t bit = UINT32_C(1) << c->lr_intid[n] % 32;
    struct vgic_bank *b = vgic_bank(c, bank);
    __atomic_store_n(&b->placed, b->placed & ~bit, __ATOMIC_RELEASE);
    if (lr & ICH_LR_PENDING) {
        b->latch |= c->lr_latch >> n & 1 ? bit : 0;
    }
    if (lr & ICH_LR_ACTIVE) {
        vgic_set_active(c, bank, bit);
    } else {
        vgic_clear_active(c, bank, bit);
    }
    if (lr & ICH_LR_HW) {
        fold_timer(c, lr);
    } else if (vgic_is_v2(c->vgic) && c->lr_intid[n] < 16) {
        fold_sender(c, c->lr_intid[n], lr);
    }
    c->ready |= UINT32_C(1) << bank;
    // Pending again, or still, but for another vCPU.
    return bank != 0 && (vgic_pending(b) & bit)
               ? vgic_changed(c->vgic, c, bank, bit) & ~(UINT32_C(1) << c->index)
               : 0;
}

// The guest deactivated an interrupt that is in no list register, and the machine does not say
// which: in EOI mode 0 it is the most urgent one that is active, since those nest. EOI mode 1
// deactivates in any order; ICC_DIR_EL1 traps then.
static uint32_t deactivate_unplaced(struct vgic_cpu *c)
{
    uint32_t best = UINT32_MAX;
    for (unsigned bank = 0; bank < VGIC_BANKS; bank++) {
        const struct vgic_bank *b = vgic_bank(c, bank);
        for (uint32_t a = vgic_active_here(c, b, bank) & ~b->placed; a != 0; a &= a - 1) {
            unsigned i = bit_first(a);
            uint32_t forced = b->forced >> i & 1; // no end of it was asked for yet
            best = MIN(best, forced << 24 | (uint32_t)b->priority[i] << 16 | bank << 8 | i);
        }
    }
    if (best == UINT32_MAX) {
        return 0; // another vCPU's, on a machine that cannot trap ICC_DIR_EL1
    }
    unsigned bank = best >> 8 & 0xff;
    uint32_t bit = UINT32_C(1) << (best & 0xff);
    vgic_clear_active(c, bank, bit);
    return vgic_changed(c->vgic, c, bank, bit);
}

static uint32_t count_eois(struct vgic_cpu *c)
{
    uint32_t cpus = 0;
    unsigned eois = ICH_HCR_EOICOUNT(vgic_hw_read_hcr(c->vgic->gich));
    for (unsigned i = 0; i < eois; i++) {
        cpus |= deactivate_unplaced(c);
    }
    if (eois != 0) {
        vgic_hw_write_hcr(c->vgic->gich, c->hcr); // the count is dealt with
    }
    return cpus;
}

uint32_t vgic_fold(struct vgic_cpu *c)
{
    uint32_t cpus = count_eois(c);
    for (unsigned i = 0; i < c->lr_count; i++) {
        cpus |= fold_one(c, i);
    }
    c->lr_stale = MAX(c->lr_stale, c->lr_count);
    c->lr_count = 0;
    c->slow = true;
    return cpus;
}

// ---- what goes into list registers ----

static void pick(struct vgic_picks *p, uint32_t key)
{
    if (p->count == p->room) {
        uint32_t last = p->key[p->room - 1]; // NOLINT(*uninitialized*): count of them are set
        p->left |= UINT32_C(1) << (MAX(last, key) >> 24);
        if (key > last) {
            return;
        }
        p->count--;
    }
    unsigned i = p->count++;
    for (; i > 0 && p->key[i - 1] > key; i--) {
        p->key[i] = p->key[i - 1];
    }
    p->key[i] = key;
}

static void pick_bank(struct vgic_cpu *c, unsigned bank, uint64_t vmcr, struct vgic_picks *p)
{
    const struct vgic_bank *b = vgic_bank(c, bank);
    uint32_t active = vgic_active_here(c, b, bank);
    uint32_t masked =
        (vmcr & ICH_VMCR_VENG1 ? 0 : b->group1) | (vmcr & ICH_VMCR_VENG0 ? 0 : ~b->group1);
    uint32_t todo = vgic_to_place(c, b, bank);
    if (b == c->vgic->taken_bank) {
        todo &= ~c->vgic->taken;
    }
    for (; todo != 0; todo &= todo - 1) {
        unsigned i = bit_first(todo);
        uint32_t class = active >> i & 1   ? VGIC_CLASS_ACTIVE
                         : masked >> i & 1 ? VGIC_CLASS_MASKED
                                           : VGIC_CLASS_PENDING;
        pick(p, class << 24 | (uint32_t)b->priority[i] << 16 | bank * 32 | i);
    }
}

void vgic_pick(struct vgic_cpu *c, uint64_t vmcr, struct vgic_picks *p)
{
    p->count = 0;
    p->left = 0;
    p->room = c->vgic->lrs;
    for (uint32_t banks = c->ready; banks != 0; banks &= banks - 1) {
        pick_bank(c, bit_first(banks), vmcr, p);
    }
}

// ---- filling ----

// Active and pending both, if the interrupt may be signalled again here; a level that is still high
// becomes pending when the end of the interrupt is told of.
static uint64_t place_active(struct vgic_cpu *c, struct vgic_bank *b, unsigned bank, unsigned n,
                             uint32_t bit)
{
    bool sender = vgic_is_v2(c->vgic) && bank == 0; // another one's SGI waits for its turn
    if ((b->latch & b->edge & vgic_eligible(c, b, bank) & bit) && !sender) {
        b->latch &= ~bit;
        c->lr_latch |= UINT32_C(1) << n;
        return ICH_LR_ACTIVE | ICH_LR_PENDING;
    }
    return ICH_LR_ACTIVE;
}

static uint64_t place_pending(struct vgic_cpu *c, struct vgic_bank *b, unsigned n, uint32_t bit)
{
    count(&c->vcpu->count, CNT_VIRQ_INJECTED);
    if (b->latch & bit) {
        b->latch &= ~bit;
        c->lr_latch |= UINT32_C(1) << n;
    }
    return ICH_LR_PENDING;
}

// One sender at a time; as long as there are others, it is told when the SGI is deactivated.
static uint64_t place_sender(struct vgic_cpu *c, unsigned sgi, bool active)
{
    uint8_t *senders = &c->sgi_senders[sgi];
    if (active) {
        return (uint64_t)c->sgi_active[sgi] << VGIC_LR_SENDER_SHIFT;
    }
    unsigned first = *senders != 0 ? bit_first(*senders) : 0;
    *senders &= (uint8_t)~BIT(first);
    c->bank.latch |= *senders != 0 ? UINT32_C(1) << sgi : 0;
    return (uint64_t)first << VGIC_LR_SENDER_SHIFT;
}

static void place(struct vgic_cpu *c, unsigned n, uint32_t key)
{
    uint32_t intid = key & 0xffff;
    unsigned bank = intid / 32;
    uint32_t bit = UINT32_C(1) << intid % 32;
    struct vgic_bank *b = vgic_bank(c, bank);
    // Tied to the machine's interrupt there is no telling of its end; the guest made it pending on
    // top.
    bool timer = intid == VGIC_PPI_VTIMER;
    bool told = c->vgic->timer_told || (key >> 24 == VGIC_CLASS_ACTIVE && (b->latch & bit));
    bool hw = timer && !told;
    uint64_t lr = intid | (uint64_t)b->priority[intid % 32] << ICH_LR_PRIORITY_SHIFT;
    c->lr_latch &= ~(UINT32_C(1) << n);
    if (key >> 24 == VGIC_CLASS_ACTIVE) {
        lr |= hw ? ICH_LR_ACTIVE : place_active(c, b, bank, n, bit);
    } else {
        lr |= place_pending(c, b, n, bit);
    }
    if (b->group1 & bit) {
        lr |= ICH_LR_GROUP1;
    }
    if (vgic_is_v2(c->vgic) && intid < 16) {
        lr |= place_sender(c, intid, key >> 24 == VGIC_CLASS_ACTIVE);
    }
    if (hw) {
        lr |= ICH_LR_HW | (uint64_t)c->vgic->timer_ppi << ICH_LR_PINTID_SHIFT;
    } else if (timer || (vgic_pending(b) & bit)) {
        lr |= ICH_LR_EOI;
    }
    vgic_set_placed(c, b, n, intid);
    vgic_hw_write_lr(c->vgic->gich, n, lr);
}

// With group 1 off, group 0's going off changes no choice; nor may VGRP0DIE be set then: QEMU up to
// 10.0.2 takes group 1's enable for group 0's, and the interrupt would never end.
static uint64_t group_enables(uint64_t vmcr)
{
    if (!(vmcr & ICH_VMCR_VENG1)) {
        return ICH_HCR_VGRP1EIE | (vmcr & ICH_VMCR_VENG0 ? 0 : ICH_HCR_VGRP0EIE);
    }
    return ICH_HCR_VGRP1DIE | (vmcr & ICH_VMCR_VENG0 ? ICH_HCR_VGRP0DIE : ICH_HCR_VGRP0EIE);
}

// Maintenance interrupts: when no list register is pending any more and others wait, when a group's
// enable makes another choice right, and always when something is deactivated that no list register
// holds.
static void set_control(struct vgic_cpu *c, uint64_t vmcr, uint32_t left)
{
    uint64_t hcr = c->vgic->hcr;
    if (left & UINT32_C(1) << VGIC_CLASS_PENDING) {
        hcr |= ICH_HCR_NPIE;
    }
    if (left & (UINT32_C(1) << VGIC_CLASS_PENDING | UINT32_C(1) << VGIC_CLASS_MASKED)) {
        hcr |= group_enables(vmcr);
    }
    if (hcr != c->hcr) {
        c->hcr = hcr;
        vgic_hw_write_hcr(c->vgic->gich, hcr);
    }
}

bool vgic_sample_timer(struct vgic_cpu *c)
{
    bool line = vtimer_line(c->vcpu);
    if (!line) {
        c->bank.line &= ~VTIMER_BIT;
    }
    return line;
}

void vgic_refresh_lines(struct vgic_cpu *c)
{
    if (c->bank.line & VTIMER_BIT) {
        (void)vgic_sample_timer(c);
    }
    if (unlikely(c->bank.line & PMU_BIT) && !vpmu_still_high(c->vcpu)) {
        c->bank.line &= ~PMU_BIT;
    }
    if (unlikely(c->bank.line & PTIMER_BIT) && !vtimer_physical_still_high(c->vcpu)) {
        c->bank.line &= ~PTIMER_BIT;
    }
}

// The machine's timer interrupt is active exactly while the guest has it in flight, so that it
// neither fires all the time nor stays silent once the guest is done with it.
static void hold_timer(struct vgic_cpu *c)
{
    const struct vgic_bank *b = &c->bank;
    bool hold = ((b->line | b->active | b->placed) & VTIMER_BIT) != 0;
    if (hold != c->timer_held) {
        c->timer_held = hold;
        gic_set_ppi_active(c->vgic->timer_ppi, hold);
    }
}

void vgic_clear_stale(struct vgic_cpu *c)
{
    for (unsigned i = c->lr_count; i < c->lr_stale; i++) {
        vgic_hw_write_lr(c->vgic->gich, i, 0);
    }
    c->lr_stale = c->lr_count;
}

void vgic_place(struct vgic_cpu *c, uint64_t vmcr, const struct vgic_picks *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        place(c, i, p->key[i]);
    }
    c->lr_count = (uint8_t)p->count;
    if (p->left == 0) {
        c->ready = 0;
    }
    vgic_clear_stale(c);
    set_control(c, vmcr, p->left);
    hold_timer(c);
    c->slow = c->hcr != VGIC_HCR || c->vgic->taken_bank != NULL;
}

void vgic_fill(struct vgic_cpu *c)
{
    struct vgic_picks p;
    uint64_t vmcr = vgic_hw_read_vmcr(c->vgic->gich);
    vgic_refresh_lines(c);
    vgic_pick(c, vmcr, &p);
    vgic_place(c, vmcr, &p);
}
