// SPDX-License-Identifier: Apache-2.0
// The interrupt controller's two register frames, as devices on the VM's bus.
#pragma once

#include "dev/device.h"

struct gic_frames {
    struct device dist, rdist;
};

void gic_frames_init(struct gic_frames *g, unsigned vcpus);
