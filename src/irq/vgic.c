// SPDX-License-Identifier: Apache-2.0
// The virtual GIC as a whole: making it, interrupts coming in, SGIs, and who must be told.
#include "irq/vgic_state.h"

#include "arch/sysreg_bits.h"
#include "irq/gic.h"
#include "lib/check.h"

#include <string.h>

_Static_assert(VGIC_SPIS % 32 == 0 && VM_MAX_VCPUS <= 16, "banks of 32, one cluster of 16");

static size_t dist_size(void)
{
    return align_up(sizeof(struct vgic), 16);
}

static size_t cpu_size(void)
{
    return align_up(sizeof(struct vgic_cpu), 16);
}

size_t vgic_size(unsigned vcpus)
{
    return dist_size() + vcpus * cpu_size();
}

static uint32_t pack_affinity(uint64_t mpidr)
{
    return (uint32_t)(bits_get(mpidr, 39, 32) << 24 | bits_get(mpidr, 23, 0));
}

static void read_machine(struct vgic *g)
{
    const struct gic_config *config = gic_config();
    g->gich = config->version == 2 ? config->hyp_interface.v : 0;
    g->hcr = vgic_is_v2(g) ? VGIC_HCR_GICV2 : VGIC_HCR;
    uint64_t vtr = vgic_hw_read_vtr(g->gich);
    g->lrs = (uint8_t)MIN(ICH_VTR_LISTREGS(vtr), VGIC_LRS);
    g->aprs = (uint8_t)(1u << (MAX(ICH_VTR_PREBITS(vtr), 5u) - 5));
    g->timer_ppi = config->ppi.virtual_timer;
    g->timer_told = config->forgets_level;
}

struct vgic *vgic_create(void *mem, struct vcpu *const *vcpus, unsigned count)
{
    CHECK(count >= 1 && count <= VM_MAX_VCPUS);
    struct vgic *g = mem;
    g->count = count;
    g->linear = (UINT32_C(1) << count) - 1;
    read_machine(g);
    for (unsigned i = 0; i < count; i++) {
        struct vgic_cpu *c = (struct vgic_cpu *)((char *)mem + dist_size() + i * cpu_size());
        c->vcpu = vcpus[i];
        c->vgic = g;
        c->index = i;
        c->affinity = pack_affinity(vcpus[i]->mpidr);
        g->linear = c->affinity == i ? g->linear : 0;
        g->cpu[i] = c;
        vcpus[i]->vgic = c;
    }
    vgic_reset(g);
    return g;
}

// ---- reset ----

static void reset_interface(struct vgic_cpu *c)
{
    c->vmcr = 0;
    memset(c->ap0r, 0, sizeof(c->ap0r));
    memset(c->ap1r, 0, sizeof(c->ap1r));
    c->more_aprs = c->vgic->aprs > 1;
}

static void reset_cpu(struct vgic_cpu *c)
{
    memset(&c->bank, 0, sizeof(c->bank));
    memset(c->routed, 0, sizeof(c->routed));
    memset(c->active_spi, 0, sizeof(c->active_spi));
    memset(c->sgi_senders, 0, sizeof(c->sgi_senders));
    c->bank.edge = 0xffff; // SGIs
    c->ready = 0;
    c->inbox = 0;
    c->asleep = true;
    c->slow = vgic_is_v2(c->vgic);
    reset_interface(c);
}

void vgic_reset(struct vgic *g)
{
    spin_lock(&g->lock);
    g->ctlr = 0;
    memset(g->spi, 0, sizeof(g->spi));
    for (unsigned i = 0; i < g->count; i++) {
        CHECK(!g->cpu[i]->running);
        reset_cpu(g->cpu[i]);
    }
    for (uint32_t n = 0; n < VGIC_SPIS; n++) {
        vgic_is_v2(g) ? vgic_set_targets(g, 32 + n, 0) : vgic_set_route(g, 32 + n, 0);
    }
    spin_unlock(&g->lock);
}

void vgic_reset_interface(struct vgic_cpu *c)
{
    spin_lock(&c->vgic->lock);
    CHECK(!c->running);
    reset_interface(c);
    spin_unlock(&c->vgic->lock);
}

// ---- who must be told ----

static uint32_t changed_for(struct vgic_cpu *c, unsigned bank, uint32_t bits)
{
    if ((vgic_to_place(c, vgic_bank(c, bank), bank) & bits) == 0) {
        return 0;
    }
    c->ready |= UINT32_C(1) << bank;
    return UINT32_C(1) << c->index;
}

uint32_t vgic_placed_in(const struct vgic *g, const struct vgic_cpu *owner, unsigned bank,
                        uint32_t bits)
{
    if (bank == 0) {
        return owner->bank.placed & bits ? UINT32_C(1) << owner->index : 0;
    }
    uint32_t cpus = 0;
    for (bits &= g->spi[bank - 1].placed; bits != 0; bits &= bits - 1) {
        cpus |= UINT32_C(1) << g->placed_in[(bank - 1) * 32 + bit_first(bits)];
    }
    return cpus;
}

uint32_t vgic_refold(struct vgic *g, uint32_t cpus)
{
    for (uint32_t c = cpus; c != 0; c &= c - 1) {
        g->cpu[bit_first(c)]->slow = true;
    }
    return cpus;
}

uint32_t vgic_changed(struct vgic *g, struct vgic_cpu *owner, unsigned bank, uint32_t bits)
{
    uint32_t cpus = vgic_placed_in(g, owner, bank, bits);
    if (bank == 0) {
        // The machine's timer interrupt may have to be let go.
        bool held = owner->timer_held && (bits & VTIMER_BIT);
        cpus |= held ? UINT32_C(1) << owner->index : 0;
        return vgic_refold(g, cpus) | changed_for(owner, 0, bits);
    }
    vgic_refold(g, cpus);
    for (unsigned i = 0; i < g->count; i++) {
        cpus |= changed_for(g->cpu[i], bank, bits);
    }
    return cpus;
}

void vgic_notify_each(const struct vgic *g, uint32_t cpus)
{
    for (; cpus != 0; cpus &= cpus - 1) {
        vcpu_notify(g->cpu[bit_first(cpus)]->vcpu, ATTN_VIRQ);
    }
}

// ---- state that is kept in two places ----

void vgic_set_active(struct vgic_cpu *c, unsigned bank, uint32_t bits)
{
    vgic_bank(c, bank)->active |= bits;
    if (bank != 0) {
        c->active_spi[bank - 1] |= bits;
    }
}

void vgic_clear_active(struct vgic_cpu *c, unsigned bank, uint32_t bits)
{
    struct vgic_bank *b = vgic_bank(c, bank);
    b->active &= ~bits;
    b->forced &= ~bits;
    if (bank == 0) {
        return;
    }
    for (unsigned i = 0; i < c->vgic->count; i++) {
        c->vgic->cpu[i]->active_spi[bank - 1] &= ~bits;
    }
}

static uint8_t find_target(const struct vgic *g, uint64_t irouter)
{
    if (irouter & IROUTER_IRM) {
        return 0; // 1 of N: any will do
    }
    for (unsigned i = 0; i < g->count; i++) {
        if (g->cpu[i]->affinity == pack_affinity(irouter)) {
            return (uint8_t)i;
        }
    }
    return VGIC_NO_TARGET;
}

static void set_target(struct vgic *g, unsigned n, uint8_t target)
{
    uint32_t bit = UINT32_C(1) << n % 32;
    g->target[n] = target;
    for (unsigned i = 0; i < g->count; i++) {
        uint32_t *routed = &g->cpu[i]->routed[n / 32];
        *routed = i == target ? *routed | bit : *routed & ~bit;
    }
}

void vgic_set_route(struct vgic *g, uint32_t intid, uint64_t irouter)
{
    g->irouter[intid - 32] = irouter & (IROUTER_AFFINITY | IROUTER_IRM);
    set_target(g, intid - 32, find_target(g, irouter));
}

// Of several targets one gets it: the first. With one vCPU there is nothing to write (IHI 0048,
// 4.3.12).
void vgic_set_targets(struct vgic *g, uint32_t intid, uint8_t itargets)
{
    uint8_t all = (uint8_t)(BIT(g->count) - 1);
    itargets = g->count == 1 ? 0 : itargets & all;
    uint8_t first = itargets != 0 ? (uint8_t)bit_first(itargets) : VGIC_NO_TARGET;
    g->irouter[intid - 32] = itargets;
    set_target(g, intid - 32, g->count == 1 ? 0 : first);
}

// ---- interrupts coming in ----

// True if the line's new level may matter to somebody.
static bool set_line(struct vgic_bank *b, uint32_t bit, bool level)
{
    if (((b->line & bit) != 0) == level) {
        return false;
    }
    b->line ^= bit;
    if (b->edge & bit) {
        b->latch |= level ? bit : 0;
        return level;
    }
    return true;
}

void vgic_set_spi(struct vgic *g, uint32_t intid, bool level)
{
    CHECK(intid >= 32 && intid < VGIC_MAX_INTID);
    unsigned n = intid - 32;
    unsigned bank = 1 + n / 32;
    uint32_t bit = UINT32_C(1) << n % 32;
    struct vgic_bank *b = &g->spi[bank - 1];
    uint32_t cpus = 0;
    spin_lock(&g->lock);
    if (set_line(b, bit, level)) {
        if (b->placed & bit) {
            cpus = vgic_refold(g, UINT32_C(1) << g->placed_in[n]);
        } else if (g->target[n] != VGIC_NO_TARGET) {
            cpus = changed_for(g->cpu[g->target[n]], bank, bit);
        }
    }
    spin_unlock(&g->lock);
    vgic_notify(g, cpus);
}

void vgic_set_ppi(struct vgic_cpu *c, uint32_t intid, bool level)
{
    CHECK(intid >= 16 && intid < 32);
    struct vgic *g = c->vgic;
    uint32_t bit = UINT32_C(1) << intid;
    spin_lock(&g->lock);
    uint32_t cpus = set_line(&c->bank, bit, level) ? vgic_changed(g, c, 0, bit) : 0;
    spin_unlock(&g->lock);
    vgic_notify(g, cpus);
}

bool vgic_ppi_in_flight(struct vgic_cpu *c, uint32_t intid)
{
    uint32_t bit = UINT32_C(1) << intid;
    const struct vgic_bank *b = &c->bank;
    return ((vgic_pending(b) | b->active | b->placed) & bit) != 0;
}

// ---- SGIs (IHI 0069, 12.2.19 ICC_SGI1R_EL1) ----

#define SGI_IRM     BIT(40)
#define SGI_CLUSTER (MASK(55, 48) | MASK(39, 32) | MASK(23, 16)) // Aff3, Aff2, Aff1
#define SGI_RANGE   MASK(47, 44)

static OUTLINE uint32_t find_targets(const struct vgic_cpu *from, uint64_t sgi1r)
{
    const struct vgic *g = from->vgic;
    if (sgi1r & SGI_IRM) { // all but the sender
        return ((UINT32_C(1) << g->count) - 1) & ~(UINT32_C(1) << from->index);
    }
    uint32_t cluster = (uint32_t)(bits_get(sgi1r, 55, 48) << 16 | bits_get(sgi1r, 39, 32) << 8 |
                                  bits_get(sgi1r, 23, 16));
    uint32_t range = (uint32_t)bits_get(sgi1r, 47, 44);
    uint32_t cpus = 0;
    for (unsigned i = 0; i < g->count; i++) {
        uint32_t a = g->cpu[i]->affinity;
        bool meant = a >> 8 == cluster && (a & 0xff) >> 4 == range && (sgi1r >> (a & 15) & 1);
        cpus |= meant ? UINT32_C(1) << i : 0;
    }
    return cpus;
}

static inline uint32_t sgi_targets(const struct vgic_cpu *from, uint64_t sgi1r)
{
    const struct vgic *g = from->vgic;
    if (g->linear != 0 && (sgi1r & (SGI_IRM | SGI_CLUSTER | SGI_RANGE)) == 0) {
        return (uint32_t)sgi1r & 0xffff & g->linear;
    }
    return find_targets(from, sgi1r);
}

// An SGI is taken only in the group that the target has it in. It goes to the inbox: that spares
// the sender the lock.
static inline void send_one(struct vgic_cpu *to, uint32_t bit, bool group1)
{
    if (((to->bank.group1 & bit) != 0) == group1) {
        __atomic_or_fetch(&to->inbox, bit, __ATOMIC_RELEASE);
        vcpu_notify(to->vcpu, ATTN_VIRQ);
    }
}

// Apart, so that the one-target case needs few registers.
static OUTLINE void send_many(struct vgic *g, uint32_t to, uint32_t bit, bool group1)
{
    for (; to != 0; to &= to - 1) {
        send_one(g->cpu[bit_first(to)], bit, group1);
    }
}

void vgic_send_sgi(struct vgic_cpu *from, uint64_t sgi1r, bool group1)
{
    struct vgic *g = from->vgic;
    uint32_t bit = UINT32_C(1) << bits_get(sgi1r, 27, 24);
    uint32_t to = sgi_targets(from, sgi1r);
    unsigned first = to != 0 ? bit_first(to) : 0;
    if (likely(to >> first == 1)) {
        send_one(g->cpu[first], bit, group1);
    } else {
        send_many(g, to, bit, group1);
    }
}
