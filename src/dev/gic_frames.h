// SPDX-License-Identifier: Apache-2.0
// The interrupt controller's register frames, as devices on the VM's bus.
#pragma once

#include "dev/device.h"

struct gic_frames {
    struct device dist;
    struct device other; // redistributors; with GICv2 what traps of the CPU interface
};

void gic_frames_init(struct gic_frames *g, unsigned vcpus); // GICv3
void gic_frames_init_v2(struct gic_frames *g);
