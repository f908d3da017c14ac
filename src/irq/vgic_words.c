// SPDX-License-Identifier: Apache-2.0
#include "irq/vgic_words.h"

// Kinds of words with a bit an interrupt: offset / 0x80.
enum {
    KIND_IGROUPR = 1,
    KIND_ISENABLER,
    KIND_ICENABLER,
    KIND_ISPENDR,
    KIND_ICPENDR,
    KIND_ISACTIVER,
    KIND_ICACTIVER,
};

#define PRIORITY_MASK 0xf8 // 5 bits

static struct vgic_bank *view_bank(const struct vgic_view *w)
{
    return vgic_bank(w->owner, w->bank);
}

// ---- one change: lock, take, change, give back, unlock, notify ----

struct vgic_bank *vgic_begin(const struct vgic_view *w, uint32_t bits)
{
    spin_lock(&w->self->vgic->lock);
    vgic_drain(w->owner);
    vgic_take(w->self, w->owner, w->bank, bits);
    return view_bank(w);
}

void vgic_end(const struct vgic_view *w, uint32_t bits)
{
    struct vgic *g = w->self->vgic;
    uint32_t cpus = vgic_give_back(w->self, w->owner, w->bank, bits);
    spin_unlock(&g->lock);
    vgic_notify(g, cpus);
}

// ---- words with a bit an interrupt ----

static uint32_t read_pending(const struct vgic_view *w)
{
    const struct vgic_bank *b = vgic_begin(w, ~UINT32_C(0));
    uint32_t told = 0;
    uint32_t line = 0;
    if (w->bank == 0 && w->owner == w->self) { // the machine tells of a rise only, and not at once
        told = b->line & VTIMER_BIT;
        line = vgic_sample_timer(w->self) ? VTIMER_BIT : 0;
        vgic_refresh_lines(w->self);
    }
    uint32_t pending = vgic_pending(b) | line;
    vgic_end(w, told & ~line);
    return pending;
}

static uint32_t read_active(const struct vgic_view *w)
{
    uint32_t active = vgic_begin(w, ~UINT32_C(0))->active;
    vgic_end(w, 0);
    return active;
}

static uint32_t bits_read(const struct vgic_view *w, unsigned kind)
{
    switch (kind) {
    case KIND_IGROUPR:
        return view_bank(w)->group1;
    case KIND_ISENABLER:
    case KIND_ICENABLER:
        return view_bank(w)->enabled;
    case KIND_ISPENDR:
    case KIND_ICPENDR:
        return read_pending(w);
    case KIND_ISACTIVER:
    case KIND_ICACTIVER:
        return read_active(w);
    default:
        return 0;
    }
}

// An SPI that software makes active is the business of the vCPU that it is routed to.
static void set_active(const struct vgic_view *w, uint32_t bits)
{
    struct vgic *g = w->self->vgic;
    bits &= ~view_bank(w)->active;
    view_bank(w)->forced |= bits;
    if (w->bank == 0) {
        vgic_set_active(w->owner, 0, bits);
        return;
    }
    for (; bits != 0; bits &= bits - 1) {
        unsigned i = bit_first(bits);
        uint8_t target = g->target[(w->bank - 1) * 32 + i];
        struct vgic_cpu *c = target == VGIC_NO_TARGET ? w->self : g->cpu[target];
        vgic_set_active(c, w->bank, UINT32_C(1) << i);
    }
}

static void bits_write(const struct vgic_view *w, unsigned kind, uint32_t value)
{
    struct vgic_bank *b = view_bank(w);
    bool pends = kind == KIND_ISPENDR || kind == KIND_ICPENDR;
    if (pends && w->bank == 0 && vgic_is_v2(w->self->vgic)) {
        value &= ~UINT32_C(0xffff); // of SGIs SPENDSGIR and CPENDSGIR are (IHI 0048, 4.3.7)
    }
    uint32_t bits = kind == KIND_IGROUPR ? ~UINT32_C(0) : value;
    vgic_begin(w, kind == KIND_ISENABLER ? 0 : bits);
    switch (kind) {
    case KIND_IGROUPR:
        b->group1 = value;
        break;
    case KIND_ISENABLER:
        b->enabled |= value;
        break;
    case KIND_ICENABLER:
        b->enabled &= ~value;
        break;
    case KIND_ISPENDR:
        b->latch |= value;
        break;
    case KIND_ICPENDR:
        b->latch &= ~value;
        break;
    case KIND_ISACTIVER:
        set_active(w, value);
        break;
    case KIND_ICACTIVER:
        vgic_clear_active(w->owner, w->bank, value);
        break;
    default:
        break;
    }
    vgic_end(w, bits);
}

// ---- priorities and triggers ----

static uint32_t priority_read(const struct vgic_view *w, unsigned first)
{
    const uint8_t *p = &view_bank(w)->priority[first];
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void priority_write(const struct vgic_view *w, unsigned first, unsigned count,
                           uint64_t value)
{
    uint32_t bits = (uint32_t)(MASK(count - 1, 0) << first);
    struct vgic_bank *b = vgic_begin(w, bits);
    for (unsigned i = 0; i < count; i++) {
        b->priority[first + i] = (uint8_t)(value >> 8 * i) & PRIORITY_MASK;
    }
    vgic_end(w, bits);
}

// 16 interrupts, two bits each, of which the upper says edge.
static uint32_t config_read(const struct vgic_view *w, unsigned first)
{
    uint32_t edge = view_bank(w)->edge >> first & 0xffff;
    uint32_t value = 0;
    for (unsigned i = 0; i < 16; i++) {
        value |= (edge >> i & 1) << (2 * i + 1);
    }
    return value;
}

// SGIs are edge-triggered, and the PPIs' devices are level.
static void config_write(const struct vgic_view *w, unsigned first, uint32_t value)
{
    if (w->bank == 0) {
        return;
    }
    uint32_t edge = 0;
    for (unsigned i = 0; i < 16; i++) {
        edge |= (value >> (2 * i + 1) & 1) << i;
    }
    uint32_t bits = UINT32_C(0xffff) << first;
    struct vgic_bank *b = vgic_begin(w, bits);
    b->edge = (b->edge & ~bits) | edge << first;
    vgic_end(w, bits);
}

// ---- what both frames have ----

// Word at offset 0x80..0xcff of the frame, for the bank that the view's owner and the offset say.
uint32_t vgic_word_read(struct vgic_view *w, uint32_t offset)
{
    if (vgic_in(offset, GIC_BITS, GIC_BITS_END)) {
        return bits_read(w, offset / 0x80);
    }
    if (vgic_in(offset, GIC_IPRIORITYR, GIC_IPRIORITYR_END)) {
        return priority_read(w, offset & 0x1c);
    }
    return config_read(w, offset & 4 ? 16 : 0);
}

void vgic_word_write(struct vgic_view *w, uint32_t offset, unsigned size, uint32_t value)
{
    if (vgic_in(offset, GIC_IPRIORITYR, GIC_IPRIORITYR_END)) {
        priority_write(w, offset & 0x1f, size, value);
    } else if (size != 4) {
        return; // these are words
    } else if (vgic_in(offset, GIC_BITS, GIC_BITS_END)) {
        bits_write(w, offset / 0x80, value);
    } else {
        config_write(w, offset & 4 ? 16 : 0, value);
    }
}

// The bank that a word is of, by the interrupts' number in it; VGIC_BANKS and up: none.
unsigned vgic_word_bank(uint32_t offset)
{
    if (vgic_in(offset, GIC_BITS, GIC_BITS_END)) {
        return (offset & 0x7f) / 4;
    }
    if (vgic_in(offset, GIC_IPRIORITYR, GIC_IPRIORITYR_END)) {
        return (offset - GIC_IPRIORITYR) / 32;
    }
    if (vgic_in(offset, GIC_ICFGR, GIC_ICFGR_END)) {
        return (offset - GIC_ICFGR) / 8;
    }
    return VGIC_BANKS;
}

// ---- group enables ----

// When a group is disabled, none of its interrupts is signalled any more once the write is
// complete.
static void take_back_disabled(struct vgic_cpu *c, struct vgic_cpu *owner, unsigned bank)
{
    struct vgic_view w = {c, owner, bank};
    uint32_t stopped = ~vgic_forwarded(c->vgic, view_bank(&w));
    vgic_begin(&w, stopped);
    vgic_end(&w, ~UINT32_C(0));
}

void vgic_control_write(struct vgic_cpu *c, uint32_t value)
{
    struct vgic *g = c->vgic;
    uint32_t enables = value & (GICD_CTLR_ENABLE0 | GICD_CTLR_ENABLE1);
    if (g->ctlr == enables) {
        return;
    }
    spin_lock(&g->lock);
    g->ctlr = enables;
    spin_unlock(&g->lock);
    for (unsigned i = 0; i < g->count; i++) {
        take_back_disabled(c, g->cpu[i], 0);
    }
    for (unsigned bank = 1; bank < VGIC_BANKS; bank++) {
        take_back_disabled(c, c, bank);
    }
}
