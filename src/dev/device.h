// SPDX-License-Identifier: Apache-2.0
// A device that EL2 emulates in a VM's guest-physical space.
#pragma once

#include "lib/addr.h"

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct device;

struct device_ops {
    const char *name;
    // size 1, 2, 4 or 8; offset is aligned to it and inside the device. By the vCPU's own CPU, no
    // lock held. What is read is zero above size bytes, and so is what is to be written.
    uint64_t (*read)(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size);
    void (*write)(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                  uint64_t value);
    void (*reset)(struct device *dev);
};

struct device {
    const struct device_ops *ops;
    gpa_t base;
    uint64_t size;
    uint32_t counter;            // enum counter
    struct device *next_in_slot; // the bus's
};
