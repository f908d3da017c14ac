// SPDX-License-Identifier: Apache-2.0
// The distributor's and the redistributors' registers (IHI 0069, 12.9 to 12.11) as QEMU's `virt`
// has them without the Security Extensions: one security state (GICD_CTLR.DS = 1), affinity routing
// always on, no LPIs, no message-based SPIs.
#include "irq/vgic_state.h"

enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IIDR = 0x0008,
    GICR_IIDR = 0x0004,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI_FRAME = 0x10000,
    GIC_BITS = 0x0080, // IGROUPR: the first of seven kinds of words with a bit an interrupt
    GIC_BITS_END = 0x0400,
    GIC_IPRIORITYR = 0x0400,
    GIC_IPRIORITYR_END = 0x0800,
    GIC_ICFGR = 0x0c00,
    GIC_ICFGR_END = 0x0d00,
    GICD_IROUTER = 0x6000,
    GIC_ID = 0xffd0,
};

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
#define IIDR_ARM      0x43bu
#define WAKER_SLEEP   BIT(1)
#define WAKER_ASLEEP  BIT(2)

// ITLinesNumber, IDbits (10), No1N
#define TYPER_VALUE ((VGIC_MAX_INTID / 32 - 1) | 9u << 19 | 1u << 25)

// PIDR4..7, PIDR0..3, CIDR0..3: an Arm GICv3.
static const uint8_t dist_id[12] = {0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
static const uint8_t rdist_id[12] = {0x44, 0, 0, 0, 0x93, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};

// Whose words are meant: a vCPU's own bank 0, or a bank of SPIs (owner is then the accessing vCPU).
struct view {
    struct vgic_cpu *self, *owner;
    unsigned bank;
};

static struct vgic_bank *view_bank(const struct view *w)
{
    return vgic_bank(w->owner, w->bank);
}

// ---- one change: lock, take, change, give back, unlock, notify ----

static struct vgic_bank *begin(const struct view *w, uint32_t bits)
{
    spin_lock(&w->self->vgic->lock);
    vgic_drain(w->owner);
    vgic_take(w->self, w->owner, w->bank, bits);
    return view_bank(w);
}

static void end(const struct view *w, uint32_t bits)
{
    struct vgic *g = w->self->vgic;
    uint32_t cpus = vgic_give_back(w->self, w->owner, w->bank, bits);
    spin_unlock(&g->lock);
    vgic_notify(g, cpus);
}

// ---- words with a bit an interrupt ----

static uint32_t read_pending(const struct view *w)
{
    const struct vgic_bank *b = begin(w, ~UINT32_C(0));
    uint32_t told = 0;
    uint32_t line = 0;
    if (w->bank == 0 && w->owner == w->self) { // the machine tells of a rise only, and not at once
        told = b->line & VTIMER_BIT;
        line = vgic_sample_timer(w->self) ? VTIMER_BIT : 0;
        vgic_refresh_lines(w->self);
    }
    uint32_t pending = vgic_pending(b) | line;
    end(w, told & ~line);
    return pending;
}

static uint32_t read_active(const struct view *w)
{
    uint32_t active = begin(w, ~UINT32_C(0))->active;
    end(w, 0);
    return active;
}

static uint32_t bits_read(const struct view *w, unsigned kind)
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
static void set_active(const struct view *w, uint32_t bits)
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

static void bits_write(const struct view *w, unsigned kind, uint32_t value)
{
    struct vgic_bank *b = view_bank(w);
    uint32_t bits = kind == KIND_IGROUPR ? ~UINT32_C(0) : value;
    begin(w, kind == KIND_ISENABLER ? 0 : bits);
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
    end(w, bits);
}

// ---- priorities and triggers ----

static uint32_t priority_read(const struct view *w, unsigned first)
{
    const uint8_t *p = &view_bank(w)->priority[first];
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void priority_write(const struct view *w, unsigned first, unsigned count, uint64_t value)
{
    uint32_t bits = (uint32_t)(MASK(count - 1, 0) << first);
    struct vgic_bank *b = begin(w, bits);
    for (unsigned i = 0; i < count; i++) {
        b->priority[first + i] = (uint8_t)(value >> 8 * i) & PRIORITY_MASK;
    }
    end(w, bits);
}

// 16 interrupts, two bits each, of which the upper says edge.
static uint32_t config_read(const struct view *w, unsigned first)
{
    uint32_t edge = view_bank(w)->edge >> first & 0xffff;
    uint32_t value = 0;
    for (unsigned i = 0; i < 16; i++) {
        value |= (edge >> i & 1) << (2 * i + 1);
    }
    return value;
}

// SGIs are edge-triggered, and the PPIs' devices are level.
static void config_write(const struct view *w, unsigned first, uint32_t value)
{
    if (w->bank == 0) {
        return;
    }
    uint32_t edge = 0;
    for (unsigned i = 0; i < 16; i++) {
        edge |= (value >> (2 * i + 1) & 1) << i;
    }
    uint32_t bits = UINT32_C(0xffff) << first;
    struct vgic_bank *b = begin(w, bits);
    b->edge = (b->edge & ~bits) | edge << first;
    end(w, bits);
}

// ---- what both frames have ----

static bool in(uint32_t offset, uint32_t start, uint32_t limit)
{
    return offset >= start && offset < limit;
}

// Word at offset 0x80..0xcff of the frame, for the bank that the view's owner and the offset say.
static uint32_t word_read(struct view *w, uint32_t offset)
{
    if (in(offset, GIC_BITS, GIC_BITS_END)) {
        return bits_read(w, offset / 0x80);
    }
    if (in(offset, GIC_IPRIORITYR, GIC_IPRIORITYR_END)) {
        return priority_read(w, offset & 0x1c);
    }
    return config_read(w, offset & 4 ? 16 : 0);
}

static void word_write(struct view *w, uint32_t offset, unsigned size, uint32_t value)
{
    if (in(offset, GIC_IPRIORITYR, GIC_IPRIORITYR_END)) {
        priority_write(w, offset & 0x1f, size, value);
    } else if (size != 4) {
        return; // these are words
    } else if (in(offset, GIC_BITS, GIC_BITS_END)) {
        bits_write(w, offset / 0x80, value);
    } else {
        config_write(w, offset & 4 ? 16 : 0, value);
    }
}

// The bank that a word is of, by the interrupts' number in it; VGIC_BANKS and up: none.
static unsigned word_bank(uint32_t offset)
{
    if (in(offset, GIC_BITS, GIC_BITS_END)) {
        return (offset & 0x7f) / 4;
    }
    if (in(offset, GIC_IPRIORITYR, GIC_IPRIORITYR_END)) {
        return (offset - GIC_IPRIORITYR) / 32;
    }
    if (in(offset, GIC_ICFGR, GIC_ICFGR_END)) {
        return (offset - GIC_ICFGR) / 8;
    }
    return VGIC_BANKS;
}

static uint32_t id_read(const uint8_t *id, uint32_t offset)
{
    return id[(offset - GIC_ID) / 4];
}

// ---- the distributor ----

static bool router_index(uint32_t offset, unsigned *n)
{
    if (!in(offset, GICD_IROUTER + 8 * 32, GICD_IROUTER + 8 * VGIC_MAX_INTID)) {
        return false;
    }
    *n = (offset - GICD_IROUTER) / 8 - 32;
    return true;
}

static void router_write(struct vgic_cpu *c, unsigned n, uint64_t value)
{
    struct view w = {c, c, 1 + n / 32};
    uint32_t bit = UINT32_C(1) << n % 32;
    begin(&w, bit);
    vgic_set_route(c->vgic, 32 + n, value);
    end(&w, bit);
}

static void router_write_half(struct vgic_cpu *c, unsigned n, bool upper, uint32_t value)
{
    uint64_t old = c->vgic->irouter[n];
    router_write(c, n, upper ? bits_set(old, 63, 32, value) : bits_set(old, 31, 0, value));
}

// When a group is disabled, none of its interrupts is signalled any more once the write is
// complete.
static void take_back_disabled(struct vgic_cpu *c, struct vgic_cpu *owner, unsigned bank)
{
    struct view w = {c, owner, bank};
    uint32_t stopped = ~vgic_forwarded(c->vgic, view_bank(&w));
    begin(&w, stopped);
    end(&w, ~UINT32_C(0));
}

static void control_write(struct vgic_cpu *c, uint32_t value)
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

// Apart from dist_read_word(), so that what is there alone needs no stack.
static OUTLINE uint64_t dist_read_bank(struct vgic_cpu *c, uint32_t offset)
{
    struct view w = {c, c, word_bank(offset)};
    return w.bank != 0 && w.bank < VGIC_BANKS ? word_read(&w, offset) : 0;
}

static uint64_t dist_read_word(struct vgic_cpu *c, uint32_t offset)
{
    unsigned n;
    if (offset == GICD_CTLR) {
        return c->vgic->ctlr | GICD_CTLR_ARE | GICD_CTLR_DS;
    }
    if (offset == GICD_TYPER) {
        return TYPER_VALUE;
    }
    if (offset == GICD_IIDR) {
        return IIDR_ARM;
    }
    if (offset >= GIC_ID) {
        return id_read(dist_id, offset);
    }
    if (router_index(offset, &n)) {
        return (uint32_t)(c->vgic->irouter[n] >> (offset & 4 ? 32 : 0));
    }
    return dist_read_bank(c, offset);
}

// Bytes and halfwords are parts of words. Only IPRIORITYR must have bytes, IROUTER doublewords; the
// rest is generous.
static uint64_t part(uint32_t word, uint64_t offset, unsigned size)
{
    return word >> 8 * (offset & 3) & MASK(8 * size - 1, 0);
}

static OUTLINE uint64_t dist_read_other(struct vgic_cpu *c, uint32_t at, unsigned size)
{
    if (size == 8) {
        return dist_read_word(c, at) | dist_read_word(c, at + 4) << 32;
    }
    return part((uint32_t)dist_read_word(c, at & ~UINT32_C(3)), at, size);
}

uint64_t vgic_dist_read(struct vgic_cpu *c, uint64_t offset, unsigned size)
{
    uint32_t at = (uint32_t)offset;
    if (__builtin_expect(size == 4 && at == GICD_TYPER, 1)) { // first, as it is the cheapest
        return TYPER_VALUE;
    }
    if (size == 4) {
        return dist_read_word(c, at);
    }
    return dist_read_other(c, at, size);
}

static void dist_write_word(struct vgic_cpu *c, uint32_t offset, unsigned size, uint32_t value)
{
    unsigned n;
    if (offset == GICD_CTLR && size == 4) {
        control_write(c, value);
    } else if (router_index(offset, &n) && size == 4) {
        router_write_half(c, n, offset & 4, value);
    } else {
        struct view w = {c, c, word_bank(offset)};
        if (w.bank != 0 && w.bank < VGIC_BANKS) {
            word_write(&w, offset, size, value);
        }
    }
}

void vgic_dist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    uint32_t at = (uint32_t)offset;
    unsigned n;
    if (size == 8 && router_index(at, &n)) {
        router_write(c, n, value);
    } else if (size == 8) {
        dist_write_word(c, at, 4, (uint32_t)value);
        dist_write_word(c, at + 4, 4, (uint32_t)(value >> 32));
    } else {
        dist_write_word(c, at, size, (uint32_t)value);
    }
}

// ---- redistributors ----

static uint32_t typer_half(const struct vgic_cpu *c, bool upper)
{
    uint32_t last = c->index + 1 == c->vgic->count ? BIT(4) : 0;
    return upper ? c->affinity : (uint32_t)c->index << 8 | last;
}

static uint32_t frame_read(const struct vgic_cpu *c, uint32_t offset)
{
    switch (offset) {
    case GICR_IIDR:
        return IIDR_ARM;
    case GICR_TYPER:
    case GICR_TYPER + 4:
        return typer_half(c, offset & 4);
    case GICR_WAKER:
        return c->asleep ? WAKER_SLEEP | WAKER_ASLEEP : 0;
    default:
        return offset >= GIC_ID ? id_read(rdist_id, offset) : 0;
    }
}

// The vCPU whose redistributor holds the offset; the offset within its two frames.
static struct vgic_cpu *find_owner(struct vgic_cpu *c, uint64_t offset, uint32_t *within)
{
    uint64_t index = offset / VGIC_RDIST_SIZE;
    *within = (uint32_t)(offset % VGIC_RDIST_SIZE);
    return index < c->vgic->count ? c->vgic->cpu[index] : NULL;
}

static uint32_t rdist_read_word(struct vgic_cpu *c, struct vgic_cpu *owner, uint32_t offset)
{
    if (offset < GICR_SGI_FRAME) {
        return frame_read(owner, offset);
    }
    offset -= GICR_SGI_FRAME;
    struct view w = {c, owner, word_bank(offset)};
    return w.bank == 0 ? word_read(&w, offset) : 0;
}

bool vgic_rdist_read(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t *value)
{
    uint32_t at;
    struct vgic_cpu *owner = find_owner(c, offset, &at);
    if (owner == NULL) {
        return false;
    }
    if (size == 8) {
        *value = rdist_read_word(c, owner, at) | (uint64_t)rdist_read_word(c, owner, at + 4) << 32;
    } else {
        *value = part(rdist_read_word(c, owner, at & ~UINT32_C(3)), offset, size);
    }
    return true;
}

static void rdist_write_word(struct vgic_cpu *c, struct vgic_cpu *owner, uint32_t offset,
                             unsigned size, uint32_t value)
{
    if (offset == GICR_WAKER && size == 4) {
        owner->asleep = (value & WAKER_SLEEP) != 0;
    }
    if (offset < GICR_SGI_FRAME) {
        return;
    }
    offset -= GICR_SGI_FRAME;
    struct view w = {c, owner, word_bank(offset)};
    if (w.bank == 0) {
        word_write(&w, offset, size, value);
    }
}

bool vgic_rdist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    uint32_t at;
    struct vgic_cpu *owner = find_owner(c, offset, &at);
    if (owner == NULL) {
        return false;
    }
    if (size == 8) {
        rdist_write_word(c, owner, at, 4, (uint32_t)value);
        rdist_write_word(c, owner, at + 4, 4, (uint32_t)(value >> 32));
    } else {
        rdist_write_word(c, owner, at, size, (uint32_t)value);
    }
    return true;
}
