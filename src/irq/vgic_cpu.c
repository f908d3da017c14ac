// SPDX-License-Identifier: Apache-2.0
// List registers: folding them into the banks, filling them from there, and a vCPU's switch (IHI
// 0069, 12.4).
#include "irq/vgic_state.h"

#include "cpu/timer.h"
#include "irq/gic.h"
#include "irq/vtimer.h"
#include "lib/check.h"
#include "lib/log.h"

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

static uint32_t fold_one(struct vgic_cpu *c, unsigned n)
{
    uint64_t lr = ich_read_lr(n);
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
        c->trap_dir = true; // another vCPU's: it will be seen the next time
        return 0;
    }
    unsigned bank = best >> 8 & 0xff;
    uint32_t bit = UINT32_C(1) << (best & 0xff);
    vgic_clear_active(c, bank, bit);
    return vgic_changed(c->vgic, c, bank, bit);
}

static uint32_t count_eois(struct vgic_cpu *c)
{
    uint32_t cpus = 0;
    unsigned eois = ICH_HCR_EOICOUNT(ich_read_hcr());
    for (unsigned i = 0; i < eois; i++) {
        cpus |= deactivate_unplaced(c);
    }
    if (eois != 0) {
        ich_write_hcr(c->hcr); // the count is dealt with
    }
    return cpus;
}

// On the vCPU's own CPU. Returns the vCPUs that must look.
static uint32_t fold(struct vgic_cpu *c)
{
    uint32_t cpus = count_eois(c);
    for (unsigned i = 0; i < c->lr_count; i++) {
        cpus |= fold_one(c, i);
    }
    c->lr_count = 0;
    c->refold = false;
    return cpus;
}

// ---- what goes into list registers ----

// The most urgent first: pending; then active, which a guest can also end without its list
// register, at the price of a maintenance interrupt; then pending in a group that the guest's CPU
// interface has disabled.
enum { CLASS_PENDING, CLASS_ACTIVE, CLASS_MASKED };

struct picks {
    uint32_t key[VGIC_LRS]; // class, priority, INTID: 8, 8 and 16 bits; sorted
    unsigned count, room;
    uint32_t left; // bit n: some of class n found no room
};

static void pick(struct picks *p, uint32_t key)
{
    if (p->count == p->room) {
        uint32_t last = p->key[p->room - 1];
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

static void pick_bank(struct vgic_cpu *c, unsigned bank, uint64_t vmcr, struct picks *p)
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
        uint32_t class = active >> i & 1   ? CLASS_ACTIVE
                         : masked >> i & 1 ? CLASS_MASKED
                                           : CLASS_PENDING;
        pick(p, class << 24 | (uint32_t)b->priority[i] << 16 | bank * 32 | i);
    }
}

static void pick_all(struct vgic_cpu *c, uint64_t vmcr, struct picks *p)
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
    if (b->latch & b->edge & vgic_eligible(c, b, bank) & bit) {
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

static void place(struct vgic_cpu *c, unsigned n, uint32_t key)
{
    uint32_t intid = key & 0xffff;
    unsigned bank = intid / 32;
    uint32_t bit = UINT32_C(1) << intid % 32;
    struct vgic_bank *b = vgic_bank(c, bank);
    // Tied to the machine's interrupt there is no telling of its end; the guest made it pending on
    // top.
    bool hw = intid == VGIC_PPI_VTIMER && !(key >> 24 == CLASS_ACTIVE && (b->latch & bit));
    uint64_t lr = intid | (uint64_t)b->priority[intid % 32] << ICH_LR_PRIORITY_SHIFT;
    c->lr_latch &= ~(UINT32_C(1) << n);
    if (key >> 24 == CLASS_ACTIVE) {
        lr |= hw ? ICH_LR_ACTIVE : place_active(c, b, bank, n, bit);
    } else {
        lr |= place_pending(c, b, n, bit);
    }
    if (b->group1 & bit) {
        lr |= ICH_LR_GROUP1;
    }
    if (hw) {
        lr |= ICH_LR_HW | (uint64_t)c->vgic->timer_ppi << ICH_LR_PINTID_SHIFT;
    } else if (vgic_pending(b) & bit) {
        lr |= ICH_LR_EOI;
    }
    b->placed |= bit;
    if (bank != 0) {
        c->vgic->placed_in[intid - 32] = (uint8_t)c->index;
    }
    c->lr_intid[n] = (uint16_t)intid;
    ich_write_lr(n, lr);
}

// Maintenance interrupts: when no list register is pending any more and others wait, when a group's
// enable makes another choice right, and always when something is deactivated that no list register
// holds.
static void set_control(struct vgic_cpu *c, uint64_t vmcr, uint32_t left)
{
    uint64_t hcr = ICH_HCR_EN | ICH_HCR_LRENPIE;
    if (left & UINT32_C(1) << CLASS_PENDING) {
        hcr |= ICH_HCR_NPIE;
    }
    if (left & (UINT32_C(1) << CLASS_PENDING | UINT32_C(1) << CLASS_MASKED)) {
        hcr |= vmcr & ICH_VMCR_VENG0 ? ICH_HCR_VGRP0DIE : ICH_HCR_VGRP0EIE;
        hcr |= vmcr & ICH_VMCR_VENG1 ? ICH_HCR_VGRP1DIE : ICH_HCR_VGRP1EIE;
    }
    bool stray =
        (left & UINT32_C(1) << CLASS_ACTIVE) != 0 || (vmcr & ICH_VMCR_VEOIM) || c->trap_dir;
    if (stray && c->vgic->dir_trap) {
        hcr |= ICH_HCR_TDIR;
    }
    if (hcr != c->hcr) {
        c->hcr = hcr;
        ich_write_hcr(hcr);
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

static void sample_timer(struct vgic_cpu *c)
{
    if (c->bank.line & VTIMER_BIT) {
        (void)vgic_sample_timer(c);
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

static void clear_stale(struct vgic_cpu *c)
{
    for (unsigned i = c->lr_count; i < c->lr_stale; i++) {
        ich_write_lr(i, 0);
    }
    c->lr_stale = c->lr_count;
}

static void place_all(struct vgic_cpu *c, uint64_t vmcr, const struct picks *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        place(c, i, p->key[i]);
    }
    c->lr_count = p->count;
    if (p->left == 0) {
        c->ready = 0;
    }
    clear_stale(c);
    set_control(c, vmcr, p->left);
    hold_timer(c);
}

// After fold().
static void fill(struct vgic_cpu *c)
{
    struct picks p;
    uint64_t vmcr = ich_read_vmcr();
    sample_timer(c);
    pick_all(c, vmcr, &p);
    place_all(c, vmcr, &p);
}

// fold() leaves values behind that fill() or vgic_save() overwrites.
static uint32_t fold_for_good(struct vgic_cpu *c)
{
    c->lr_stale = MAX(c->lr_stale, c->lr_count);
    return fold(c);
}

// ---- the short way: one interrupt more, nothing else changed ----

// List register that holds or held the interrupt.
static unsigned find_lr(const struct vgic_cpu *c, uint32_t intid)
{
    unsigned n = 0;
    while (c->lr_intid[n] != intid) {
        n++;
    }
    return n;
}

// A list register for the interrupt without folding: a new one, or the one it was in, if that is
// done with. c->vgic->lrs for none.
static unsigned find_room(const struct vgic_cpu *c, const struct vgic_bank *b, uint32_t intid)
{
    if (!(b->placed >> intid % 32 & 1)) {
        return c->lr_count;
    }
    unsigned n = find_lr(c, intid);
    uint64_t lr = ich_read_lr(n);
    return ICH_LR_STATE(lr) == 0 && !((lr & ICH_LR_EOI) && !(lr & ICH_LR_HW)) ? n : c->vgic->lrs;
}

// No maintenance is due, nobody has the interrupts taken, and what is placed is as it was.
static bool undisturbed(const struct vgic_cpu *c)
{
    return !c->refold && c->lr_stale == c->lr_count && c->hcr == (ICH_HCR_EN | ICH_HCR_LRENPIE) &&
           c->vgic->taken_bank == NULL;
}

static bool place_at(struct vgic_cpu *c, unsigned n, uint32_t intid)
{
    if (n >= c->vgic->lrs || (ich_read_vmcr() & ICH_VMCR_VEOIM)) {
        return false;
    }
    place(c, n, CLASS_PENDING << 24 | intid);
    if (n == c->lr_count) {
        c->lr_stale = ++c->lr_count;
    }
    return true;
}

// True if there was no more to do than that.
static bool place_one(struct vgic_cpu *c)
{
    if ((c->ready & (c->ready - 1)) || !undisturbed(c)) {
        return false;
    }
    if (c->ready == 0) {
        return true;
    }
    unsigned bank = bit_first(c->ready);
    struct vgic_bank *b = vgic_bank(c, bank);
    uint32_t todo = ((vgic_pending(b) & ~b->placed) | b->latch) & vgic_eligible(c, b, bank);
    bool active = ((vgic_active_here(c, b, bank) & ~b->placed) | (b->active & todo)) != 0;
    if ((todo & (todo - 1)) || active || (bank == 0 && (todo & VTIMER_BIT))) {
        return false;
    }
    uint32_t intid = bank * 32 + (todo != 0 ? bit_first(todo) : 0);
    if (todo != 0 && !place_at(c, find_room(c, b, intid), intid)) {
        return false;
    }
    c->ready = 0;
    return true;
}

// The same for the virtual timer, which is active in the machine.
static bool place_timer(struct vgic_cpu *c)
{
    struct vgic_bank *b = &c->bank;
    if (!undisturbed(c) || !(vgic_eligible(c, b, 0) & ~b->active & ~b->latch & VTIMER_BIT)) {
        return false;
    }
    if (!place_at(c, find_room(c, b, VGIC_PPI_VTIMER), VGIC_PPI_VTIMER)) {
        return false;
    }
    c->timer_held = true;
    return true;
}

// ---- a vCPU's time on a CPU ----

static uint32_t flush(struct vgic_cpu *c)
{
    uint32_t cpus = fold_for_good(c);
    fill(c);
    return cpus;
}

void vgic_flush(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    uint32_t cpus = place_one(c) ? 0 : flush(c);
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
}

void vgic_maintenance(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    uint32_t cpus = flush(c); // the conditions are gone with the list registers that made them
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
}

void vgic_forward_vtimer(struct vgic_cpu *c)
{
    uint32_t cpus = 0;
    spin_lock(&c->vgic->lock);
    c->bank.line |= VTIMER_BIT;
    if (!place_timer(c)) {
        cpus = fold_for_good(c);
        c->bank.line |= VTIMER_BIT; // folding takes it for what an interrupt before this one left
        c->ready |= 1;
        c->timer_held = true;
        fill(c);
    }
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
}

void vgic_load(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    ich_write_vmcr(c->vmcr);
    for (unsigned i = 0; i < c->vgic->aprs; i++) {
        ich_write_ap0r(i, c->ap0r[i]);
        ich_write_ap1r(i, c->ap1r[i]);
    }
    c->running = true;
    c->hcr = 0;
    fill(c);
    spin_unlock(&c->vgic->lock);
}

void vgic_save(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    uint32_t cpus = fold_for_good(c);
    clear_stale(c);
    sample_timer(c);
    c->vmcr = ich_read_vmcr();
    for (unsigned i = 0; i < c->vgic->aprs; i++) {
        c->ap0r[i] = ich_read_ap0r(i);
        c->ap1r[i] = ich_read_ap1r(i);
    }
    ich_write_hcr(0);
    if (c->timer_held) {
        c->timer_held = false;
        gic_set_ppi_active(c->vgic->timer_ppi, false); // the next vCPU's timer is to be heard
    }
    c->running = false;
    spin_unlock(&c->vgic->lock);
    vgic_notify(c->vgic, cpus);
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
        c->vmcr = ich_read_vmcr();
        for (unsigned i = 0; i < c->vgic->aprs; i++) {
            c->ap0r[i] = ich_read_ap0r(i);
            c->ap1r[i] = ich_read_ap1r(i);
        }
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
    if (key >> 24 != CLASS_PENDING) {
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
    struct picks p;
    bool any = false;
    uint32_t cpus = 0;
    spin_lock(&c->vgic->lock);
    read_interface(c, &f);
    if (c->running) {
        cpus = fold_for_good(c);
        sample_timer(c);
    }
    pick_all(c, f.vmcr, &p);
    for (unsigned i = 0; i < p.count && !any; i++) {
        any = signals(c, &f, p.key[i]);
    }
    if (c->running) {
        place_all(c, f.vmcr, &p);
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
        self->wake |= fold_for_good(self);
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
    return cpus | vgic_changed(g, owner, bank, bits);
}

void vgic_deactivate(struct vgic_cpu *c, uint64_t intid)
{
    struct vgic *g = c->vgic;
    if (intid >= VGIC_MAX_INTID || !(ich_read_vmcr() & ICH_VMCR_VEOIM)) {
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
