// SPDX-License-Identifier: Apache-2.0
// The VM's real-time clock: Arm PrimeCell RTC PL031 (DDI 0224), in seconds.
#pragma once

#include "cpu/timer.h"
#include "dev/device.h"
#include "lib/spinlock.h"

#define PL031_BASE  0x09010000u
#define PL031_SIZE  0x1000u
#define PL031_INTID 34u

struct vgic;

struct pl031 {
    struct device dev; // first
    struct spinlock lock;
    struct vgic *vgic;
    struct timer alarm;
    int64_t offset; // RTC seconds minus host counter seconds
    // The owner's, or NULL: the guest has set the clock forward by so many seconds, or back. With
    // the lock held.
    void (*moved)(struct pl031 *r, int64_t by);
    uint32_t match, load, imsc, ris;
    bool armed; // the match lies ahead
    bool line;  // what the vGIC was told
};

// Before its VM runs, and again at every reset of the VM, after vgic_reset(). r was zeroed before
// the first time, but for moved(), which is not called here. epoch: seconds since 1970 at this
// moment (0 where the host has no clock).
void pl031_init(struct pl031 *r, struct vgic *vgic, uint64_t epoch);

// What it shows, in all its bits, and setting it. Any CPU.
int64_t pl031_seconds(const struct pl031 *r);
int64_t pl031_offset(const struct pl031 *r); // what it shows less the seconds of the counter
void pl031_set(struct pl031 *r, int64_t seconds);
