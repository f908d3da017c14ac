// SPDX-License-Identifier: Apache-2.0
// GICv2's distributor (IHI 0048, 4.3) as QEMU's `virt` has it without the Security Extensions:
// words of SGIs and PPIs are banked, so everything is the accessing vCPU's own or of SPIs. The CPU
// interface is the machine's GICV, but for its second page.
#include "irq/vgic_words.h"

enum {
    GICD_CTLR = 0x000,
    GICD_TYPER = 0x004,
    GICD_IIDR = 0x008,
    GICD_ITARGETSR = 0x800,
    GICD_ITARGETSR_END = 0xc00,
    GICD_CPENDSGIR = 0xf10,
    GICD_SPENDSGIR = 0xf20,
    GICD_SPENDSGIR_END = 0xf30,
    GICD_ID = 0xfd0,
    GICD_ID_END = 0x1000,
};

// PIDR4..7, PIDR0..3, CIDR0..3: an Arm GICv2.
static const uint8_t id[12] = {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1};

// ITLinesNumber, CPUNumber
static uint32_t typer(const struct vgic *g)
{
    return (VGIC_MAX_INTID / 32 - 1) | (g->count - 1) << 5;
}

static uint32_t everybody(const struct vgic *g)
{
    return (uint32_t)MASK(g->count - 1, 0);
}

// ---- targets: a byte an interrupt ----

// Those of SGIs and PPIs are who reads them, unless he is alone.
static uint32_t targets_read(const struct vgic_cpu *c, uint32_t first)
{
    const struct vgic *g = c->vgic;
    uint32_t word = 0;
    if (first >= VGIC_MAX_INTID) {
        return 0;
    }
    if (first < 32) {
        return g->count == 1 ? 0 : 0x01010101u << c->index;
    }
    for (unsigned i = 0; i < 4; i++) {
        word |= (uint32_t)g->irouter[first + i - 32] << 8 * i;
    }
    return word;
}

static void targets_write(struct vgic_cpu *c, uint32_t first, unsigned count, uint32_t value)
{
    if (first < 32 || first >= VGIC_MAX_INTID) {
        return;
    }
    struct vgic_view w = {c, c, first / 32};
    uint32_t bits = (uint32_t)MASK(count - 1, 0) << first % 32;
    vgic_begin(&w, bits);
    for (unsigned i = 0; i < count; i++) {
        vgic_set_targets(c->vgic, first + i, (uint8_t)(value >> 8 * i));
    }
    vgic_end(&w, bits);
}

// ---- SGIs ----

// With the lock.
static void set_senders(struct vgic_cpu *to, unsigned sgi, uint32_t senders)
{
    uint32_t bit = UINT32_C(1) << sgi;
    to->sgi_senders[sgi] = (uint8_t)senders;
    to->bank.latch = senders != 0 ? to->bank.latch | bit : to->bank.latch & ~bit;
}

enum { FILTER_LIST, FILTER_OTHERS, FILTER_SELF };

static uint32_t sgi_targets(const struct vgic_cpu *from, uint32_t sgir)
{
    uint32_t self = UINT32_C(1) << from->index;
    switch (bits_get(sgir, 25, 24)) {
    case FILTER_LIST:
        return (uint32_t)bits_get(sgir, 23, 16) & everybody(from->vgic);
    case FILTER_OTHERS:
        return everybody(from->vgic) & ~self;
    case FILTER_SELF:
        return self;
    default:
        return 0; // reserved
    }
}

static void send_sgi(struct vgic_cpu *from, uint32_t sgir)
{
    struct vgic *g = from->vgic;
    unsigned sgi = sgir & 15;
    uint32_t cpus = 0;
    count(&from->vcpu->count, CNT_SYSREG_SGI);
    spin_lock(&g->lock);
    for (uint32_t to = sgi_targets(from, sgir); to != 0; to &= to - 1) {
        struct vgic_cpu *c = g->cpu[bit_first(to)];
        set_senders(c, sgi, c->sgi_senders[sgi] | UINT32_C(1) << from->index);
        cpus |= vgic_changed(g, c, 0, UINT32_C(1) << sgi);
    }
    spin_unlock(&g->lock);
    vgic_notify(g, cpus);
}

// SPENDSGIR and CPENDSGIR, a byte an SGI: from whom it is pending.
static uint32_t senders_read(struct vgic_cpu *c, unsigned first)
{
    struct vgic_view w = {c, c, 0};
    uint32_t word = 0;
    vgic_begin(&w, UINT32_C(15) << first);
    for (unsigned i = 0; i < 4; i++) {
        word |= (uint32_t)c->sgi_senders[first + i] << 8 * i;
    }
    vgic_end(&w, 0);
    return word;
}

static void senders_write(struct vgic_cpu *c, uint32_t offset, unsigned count, uint32_t value)
{
    struct vgic_view w = {c, c, 0};
    unsigned first = offset & 15;
    uint32_t bits = (uint32_t)MASK(count - 1, 0) << first;
    vgic_begin(&w, bits);
    for (unsigned i = 0; i < count; i++) {
        uint32_t now = c->sgi_senders[first + i];
        uint32_t change = value >> 8 * i & everybody(c->vgic);
        set_senders(c, first + i, offset < GICD_SPENDSGIR ? now & ~change : now | change);
    }
    vgic_end(&w, bits);
}

// ---- the distributor ----

static uint32_t read_word(struct vgic_cpu *c, uint32_t offset)
{
    struct vgic_view w = {c, c, vgic_word_bank(offset)};
    switch (offset) {
    case GICD_CTLR:
        return c->vgic->ctlr;
    case GICD_TYPER:
        return typer(c->vgic);
    case GICD_IIDR:
        return IIDR_ARM;
    default:
        break;
    }
    if (w.bank < VGIC_BANKS) {
        return vgic_word_read(&w, offset);
    }
    if (vgic_in(offset, GICD_ITARGETSR, GICD_ITARGETSR_END)) {
        return targets_read(c, offset - GICD_ITARGETSR);
    }
    if (vgic_in(offset, GICD_CPENDSGIR, GICD_SPENDSGIR_END)) {
        return senders_read(c, offset & 15);
    }
    return vgic_in(offset, GICD_ID, GICD_ID_END) ? id[(offset - GICD_ID) / 4] : 0;
}

uint64_t vgic_v2_dist_read(struct vgic_cpu *c, uint64_t offset, unsigned size)
{
    uint32_t at = (uint32_t)offset;
    if (size == 8) {
        return read_word(c, at) | (uint64_t)read_word(c, at + 4) << 32;
    }
    return vgic_part(read_word(c, at & ~UINT32_C(3)), at, size);
}

static void write_word(struct vgic_cpu *c, uint32_t offset, unsigned size, uint32_t value)
{
    struct vgic_view w = {c, c, vgic_word_bank(offset)};
    if (w.bank < VGIC_BANKS) {
        vgic_word_write(&w, offset, size, value);
    } else if (vgic_in(offset, GICD_ITARGETSR, GICD_ITARGETSR_END)) {
        targets_write(c, offset - GICD_ITARGETSR, size, value);
    } else if (vgic_in(offset, GICD_CPENDSGIR, GICD_SPENDSGIR_END)) {
        senders_write(c, offset, size, value);
    } else if (offset == GICD_CTLR && size == 4) {
        vgic_control_write(c, value);
    } else if (offset == GICD_SGIR && size == 4) {
        send_sgi(c, value);
    }
}

void vgic_v2_dist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    uint32_t at = (uint32_t)offset;
    if (size == 8) {
        write_word(c, at, 4, (uint32_t)value);
        write_word(c, at + 4, 4, (uint32_t)(value >> 32));
    } else {
        write_word(c, at, size, (uint32_t)value);
    }
}

void vgic_v2_interface_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset == GICC_DIR % PAGE_SIZE && size == 4) {
        vgic_deactivate(c, bits_get(value, 9, 0));
    }
}
