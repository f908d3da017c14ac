// SPDX-License-Identifier: Apache-2.0
#include "mem/vmid.h"

#include "arch/cache.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/spinlock.h"

#define GENERATION_SHIFT 16
#define GENERATION       (UINT64_C(1) << GENERATION_SHIFT)
#define VMIDS_MAX        (1u << GENERATION_SHIFT)

static struct {
    struct spinlock lock;
    uint64_t generation; // in place, above GENERATION_SHIFT
    unsigned count;
    unsigned next; // where to look for a free one
    uint64_t used[VMIDS_MAX / 64];
} vmids;

static void begin(uint64_t generation)
{
    vmids.generation = generation;
    vmids.next = 1;
    for (size_t i = 0; i < ARRAY_SIZE(vmids.used); i++) {
        vmids.used[i] = 0;
    }
    vmids.used[0] = 1;
    vmid_new_generation(generation);
}

void vmid_setup(unsigned count)
{
    CHECK(count >= 2 && count <= VMIDS_MAX);
    vmids.count = count;
    begin(2 * GENERATION); // 0, which a new VM has, is none that was before
}

static uint64_t generation_of(uint64_t value)
{
    return value & ~(GENERATION - 1);
}

void vmid_reserve(uint16_t number)
{
    vmids.used[number / 64] |= BIT(number % 64);
}

void vmid_keep(struct vmid *v)
{
    uint16_t number = vmid_number(v);
    // One of an older generation has lost it, and is on its way to vmid_renew().
    if (generation_of(v->value) + GENERATION != vmids.generation) {
        return;
    }
    vmid_reserve(number);
    __atomic_store_n(&v->value, vmids.generation | number, __ATOMIC_RELAXED);
}

static uint64_t take_number(void)
{
    for (int round = 0; round < 2; round++) {
        for (; vmids.next < vmids.count; vmids.next++) {
            if ((vmids.used[vmids.next / 64] & BIT(vmids.next % 64)) == 0) {
                vmid_reserve((uint16_t)vmids.next);
                return vmids.next++;
            }
        }
        begin(vmids.generation + GENERATION);
        tlbi_all_vmids();
    }
    panic("vmid: all %u are on CPUs", vmids.count);
}

uint64_t vmid_renew(struct vmid *v)
{
    spin_lock(&vmids.lock);
    if (generation_of(v->value) != vmids.generation) {
        uint64_t number = take_number(); // never of a generation that kept this VM's
        __atomic_store_n(&v->value, vmids.generation | number, __ATOMIC_RELAXED);
    }
    uint64_t generation = vmids.generation;
    spin_unlock(&vmids.lock);
    cache_dsb_ish(); // see s2_flush_tlb()
    return generation;
}
