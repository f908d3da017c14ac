// SPDX-License-Identifier: Apache-2.0
// Which VMID a VM has. There may be more VMs in a machine's life than VMIDs: when they run out, a
// new generation begins, all TLBs are emptied, VMs that are on a CPU at that moment keep theirs,
// and the others get a new one when they next run.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMID_MAX_CPUS 64

// Zeroed: has none yet.
struct vmid {
    uint64_t value; // the generation above bit 16, the VMID below
};

// bits: 8 or 16. VMID 0 is never given. Once, before any CPU runs a guest.
void vmid_setup(unsigned bits, size_t cpus);

// The VMID with which the VM runs on this CPU, from now until it calls this for another VM; called
// each time a vCPU is put on a CPU, right before VTTBR_EL2 is written. May empty all TLBs.
uint16_t vmid_enter(struct vmid *v, unsigned cpu);

// No VM is on this CPU any more.
void vmid_leave(unsigned cpu);
