// SPDX-License-Identifier: Apache-2.0
// GICv3's distributor and redistributors (IHI 0069, 12.9 to 12.11) as QEMU's `virt` has them
// without the Security Extensions: one security state (GICD_CTLR.DS = 1), affinity routing always
// on, no LPIs, no message-based SPIs.
#include "irq/vgic_words.h"

enum {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IIDR = 0x0008,
    GICR_IIDR = 0x0004,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI_FRAME = 0x10000,
    GICD_IROUTER = 0x6000,
    GIC_ID = 0xffd0,
};

#define WAKER_SLEEP  BIT(1)
#define WAKER_ASLEEP BIT(2)

// ITLinesNumber, IDbits (10), No1N
#define TYPER_VALUE ((VGIC_MAX_INTID / 32 - 1) | 9u << 19 | 1u << 25)

// PIDR4..7, PIDR0..3, CIDR0..3: an Arm GICv3.
static const uint8_t dist_id[12] = {0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
static const uint8_t rdist_id[12] = {0x44, 0, 0, 0, 0x93, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};

static uint32_t id_read(const uint8_t *id, uint32_t offset)
{
    return id[(offset - GIC_ID) / 4];
}

// ---- the distributor ----

static bool router_index(uint32_t offset, unsigned *n)
{
    if (!vgic_in(offset, GICD_IROUTER + 8 * 32, GICD_IROUTER + 8 * VGIC_MAX_INTID)) {
        return false;
    }
    *n = (offset - GICD_IROUTER) / 8 - 32;
    return true;
}

static void router_write(struct vgic_cpu *c, unsigned n, uint64_t value)
{
    struct vgic_view w = {c, c, 1 + n / 32};
    uint32_t bit = UINT32_C(1) << n % 32;
    vgic_begin(&w, bit);
    vgic_set_route(c->vgic, 32 + n, value);
    vgic_end(&w, bit);
}

static void router_write_half(struct vgic_cpu *c, unsigned n, bool upper, uint32_t value)
{
    uint64_t old = c->vgic->irouter[n];
    router_write(c, n, upper ? bits_set(old, 63, 32, value) : bits_set(old, 31, 0, value));
}

// Apart from dist_read_word(), so that what is there alone needs no stack.
static OUTLINE uint64_t dist_read_bank(struct vgic_cpu *c, uint32_t offset)
{
    struct vgic_view w = {c, c, vgic_word_bank(offset)};
    return w.bank != 0 && w.bank < VGIC_BANKS ? vgic_word_read(&w, offset) : 0;
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

// Only IPRIORITYR must have bytes, IROUTER doublewords; the rest is generous.
static OUTLINE uint64_t dist_read_other(struct vgic_cpu *c, uint32_t at, unsigned size)
{
    if (size == 8) {
        return dist_read_word(c, at) | dist_read_word(c, at + 4) << 32;
    }
    return vgic_part((uint32_t)dist_read_word(c, at & ~UINT32_C(3)), at, size);
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
        vgic_control_write(c, value);
    } else if (router_index(offset, &n) && size == 4) {
        router_write_half(c, n, offset & 4, value);
    } else {
        struct vgic_view w = {c, c, vgic_word_bank(offset)};
        if (w.bank != 0 && w.bank < VGIC_BANKS) {
            vgic_word_write(&w, offset, size, value);
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
    struct vgic_view w = {c, owner, vgic_word_bank(offset)};
    return w.bank == 0 ? vgic_word_read(&w, offset) : 0;
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
        *value = vgic_part(rdist_read_word(c, owner, at & ~UINT32_C(3)), offset, size);
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
    struct vgic_view w = {c, owner, vgic_word_bank(offset)};
    if (w.bank == 0) {
        vgic_word_write(&w, offset, size, value);
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
