// SPDX-License-Identifier: Apache-2.0
// Which of a VM's emulated devices answers at a guest-physical address.
//
// All of them lie in one window below RAM, so a table of 64 KiB slots finds one without a search,
// however many there are. Devices that share a slot are chained; one that is larger has its slots
// to itself. What is below the window is one device's, or nobody's.
#pragma once

#include "dev/device.h"

#include <stddef.h>

#define BUS_BASE       UINT64_C(0x08000000)
#define BUS_SLOT_SHIFT 16
#define BUS_SLOTS      0x300

struct bus {
    struct device *slot[BUS_SLOTS];
    struct device *below; // of BUS_BASE bytes
};

// While the VM does not run. The device lies in the window or is all that is below it, and
// overlaps no other: a CHECK.
void bus_add(struct bus *bus, struct device *d);

// NULL where nothing answers. The vCPU's own CPU, no lock.
static inline struct device *bus_find(const struct bus *bus, uint64_t ipa)
{
    uint64_t slot = (ipa >> BUS_SLOT_SHIFT) - (BUS_BASE >> BUS_SLOT_SHIFT);
    if (slot >= BUS_SLOTS) {
        return ipa < BUS_BASE ? bus->below : NULL;
    }
    struct device *d = bus->slot[slot];
    while (d != NULL && ipa - d->base.v >= d->size) {
        d = d->next_in_slot;
    }
    return d;
}
