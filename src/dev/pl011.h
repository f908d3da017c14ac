// SPDX-License-Identifier: Apache-2.0
// The VM's serial port: Arm PrimeCell UART PL011 (DDI 0183) with both FIFOs and all interrupts.
#pragma once

#include "dev/device.h"
#include "lib/spinlock.h"

#include <stdbool.h>
#include <stddef.h>

#define PL011_BASE  0x09000000u
#define PL011_SIZE  0x1000u
#define PL011_INTID 33u

struct vgic;

struct pl011 {
    struct device dev; // first
    struct spinlock lock;
    struct vgic *vgic;
    // Where a byte that the guest sends goes; called without the lock.
    void (*transmit)(void *context, uint8_t byte);
    void *context;
    uint8_t rx[256]; // deeper than the real 16, so that pasted text survives
    unsigned rx_head, rx_count;
    uint32_t fr, ris, imsc, cr, lcr_h, ibrd, fbrd, ifls, dmacr, ilpr;
    bool line; // what the vGIC was told
};

// Before its VM runs, and again at every reset of the VM, after vgic_reset().
void pl011_init(struct pl011 *u, struct vgic *vgic, void (*transmit)(void *, uint8_t),
                void *context);
// Any CPU. Bytes from the outside; returns how many were taken.
size_t pl011_receive(struct pl011 *u, const uint8_t *bytes, size_t count);
