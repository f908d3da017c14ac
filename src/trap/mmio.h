// SPDX-License-Identifier: Apache-2.0
// Which emulated device answers at a guest-physical address.
#pragma once

#include "cpu/vcpu.h"
#include "irq/vgic.h"

#include <stdbool.h>
#include <stdint.h>

struct mmio_answer {
    uint64_t value; // bits above the size asked for are not to be relied on
    bool answered;
};

struct mmio_answer mmio_read_other(struct vcpu *v, uint64_t ipa, unsigned size);

// size 1, 2, 4 or 8 bytes, ipa aligned to it. Not answered where nothing is. On the vCPU's own CPU.
static inline struct mmio_answer mmio_read(struct vcpu *v, uint64_t ipa, unsigned size)
{
    if (ipa - VGIC_DIST_BASE < VGIC_DIST_SIZE) {
        count(&v->count, CNT_MMIO_GICD);
        return (struct mmio_answer){vgic_dist_read(v->vgic, ipa - VGIC_DIST_BASE, size), true};
    }
    return mmio_read_other(v, ipa, size);
}

bool mmio_write(struct vcpu *v, uint64_t ipa, unsigned size, uint64_t value);

// Is there a device at all?
bool mmio_present(struct vcpu *v, uint64_t ipa);
