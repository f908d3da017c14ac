// SPDX-License-Identifier: Apache-2.0
// Which VMID a VM has. There may be more VMs in a machine's life than VMIDs: when they run out, a
// new generation begins, all TLBs are emptied, VMs that are on a CPU at that moment keep theirs,
// and the others get a new one when they next run.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The generation above bit 16, the VMID below. Zeroed: has none yet.
struct vmid {
    uint64_t value;
};

// How many there are, 0 included: 256 or 65536, and in tests fewer. VMID 0 is never given. Once,
// before there is a VM.
void vmid_setup(unsigned count);

// Gives the VM a VMID of the generation in place, unless it has one; the generation, in which its
// bits below 16 are 0. Any CPU, without the scheduler's lock. May empty all TLBs. When it returns,
// maintenance that read the VM's former VMID is of descriptors that the caller will see.
uint64_t vmid_renew(struct vmid *v);

static inline uint16_t vmid_number(const struct vmid *v)
{
    return (uint16_t)__atomic_load_n(&v->value, __ATOMIC_RELAXED);
}

// What a new generation needs of rooms above. Each CPU is told of the generation first; whoever
// puts a vCPU on a CPU publishes that before it looks at what the CPU was told, so that it is
// either seen here or comes to vmid_renew(). Then vmid_keep() is called for each VM of which a
// vCPU is on a CPU, and vmid_reserve() for each VMID that a CPU's VTTBR_EL2 may hold besides.
void vmid_new_generation(uint64_t generation);
void vmid_keep(struct vmid *v);
void vmid_reserve(uint16_t number);
