// SPDX-License-Identifier: Apache-2.0
// Registers that hold a bit, two bits or a byte an interrupt, which the distributors of GICv2 and
// GICv3 and the redistributors have at the same offsets (IHI 0048, 4.3; IHI 0069, 12.9 to 12.11).
#pragma once

#include "irq/vgic_state.h"

enum {
    GIC_BITS = 0x0080, // IGROUPR: the first of seven kinds of words with a bit an interrupt
    GIC_BITS_END = 0x0400,
    GIC_IPRIORITYR = 0x0400,
    GIC_IPRIORITYR_END = 0x0800,
    GIC_ICFGR = 0x0c00,
    GIC_ICFGR_END = 0x0d00,
};

#define IIDR_ARM 0x43bu

// Whose words are meant: a vCPU's own bank 0, or a bank of SPIs (owner is then the accessing vCPU).
struct vgic_view {
    struct vgic_cpu *self, *owner;
    unsigned bank;
};

static inline bool vgic_in(uint32_t offset, uint32_t start, uint32_t limit)
{
    return offset >= start && offset < limit;
}

// One change: lock, take, change, give back, unlock, notify. bits: of the bank, those whose placed
// state the change needs, and those that it may have changed.
struct vgic_bank *vgic_begin(const struct vgic_view *w, uint32_t bits);
void vgic_end(const struct vgic_view *w, uint32_t bits);

// The bank that the word at offset is of, by the interrupts' number in it; VGIC_BANKS and up: none.
unsigned vgic_word_bank(uint32_t offset);
// Word at such an offset, of the view's bank. Of what is written, size counts for priorities alone;
// all others are words.
uint32_t vgic_word_read(struct vgic_view *w, uint32_t offset);
void vgic_word_write(struct vgic_view *w, uint32_t offset, unsigned size, uint32_t value);
// GICD_CTLR's group enables.
void vgic_control_write(struct vgic_cpu *c, uint32_t value);

// Bytes and halfwords are parts of words.
static inline uint64_t vgic_part(uint32_t word, uint64_t offset, unsigned size)
{
    return word >> 8 * (offset & 3) & MASK(8 * size - 1, 0);
}
