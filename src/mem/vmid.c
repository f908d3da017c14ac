// SPDX-License-Identifier: Apache-2.0
// A CPU announces what it runs in active[]. Fast path: the VM's value is of this generation, and
// the announcement was not taken back by a new generation between reading and writing it. A new
// generation empties all announcements, and remembers what was in them as kept.
#include "mem/vmid.h"

#include "arch/cache.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/spinlock.h"

#define GENERATION_SHIFT 16
#define VMIDS_MAX        (1u << 16)

static struct {
    struct spinlock lock;
    uint64_t generation; // in place, above GENERATION_SHIFT
    unsigned count;      // of VMIDs, 0 included
    unsigned next;       // where to look for a free one
    size_t cpus;
    uint64_t active[VMID_MAX_CPUS]; // 0: none, or to be announced again
    uint64_t kept[VMID_MAX_CPUS];
    uint64_t used[VMIDS_MAX / 64];
} vmids;

void vmid_setup(unsigned bits, size_t cpus)
{
    CHECK((bits == 8 || bits == 16) && cpus <= VMID_MAX_CPUS);
    vmids.generation = UINT64_C(1) << GENERATION_SHIFT;
    vmids.count = 1u << bits;
    vmids.next = 1;
    vmids.cpus = cpus;
    for (size_t i = 0; i < VMID_MAX_CPUS; i++) {
        vmids.active[i] = vmids.kept[i] = 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(vmids.used); i++) {
        vmids.used[i] = 0;
    }
    vmids.used[0] = 1;
}

static uint64_t generation_of(uint64_t value)
{
    return value >> GENERATION_SHIFT << GENERATION_SHIFT;
}

static uint16_t number_of(uint64_t value)
{
    return (uint16_t)value;
}

static bool take_number(unsigned n)
{
    bool is_free = (vmids.used[n / 64] & BIT(n % 64)) == 0;

    vmids.used[n / 64] |= BIT(n % 64);
    return is_free;
}

static void new_generation(void)
{
    __atomic_store_n(&vmids.generation, vmids.generation + (UINT64_C(1) << GENERATION_SHIFT),
                     __ATOMIC_RELEASE);
    for (unsigned i = 0; i < vmids.count / 64; i++) {
        vmids.used[i] = 0;
    }
    vmids.used[0] = 1;
    for (size_t cpu = 0; cpu < vmids.cpus; cpu++) {
        uint64_t running = __atomic_exchange_n(&vmids.active[cpu], 0, __ATOMIC_ACQ_REL);

        // A CPU that announced nothing since the last time still runs what was kept then.
        if (running != 0) {
            vmids.kept[cpu] = running;
        }
        if (vmids.kept[cpu] != 0) {
            take_number(number_of(vmids.kept[cpu]));
        }
    }
    vmids.next = 1;
    tlbi_all_vmids();
}

// Is it running somewhere through a change of generation? Then that is its number in the new one,
// on every CPU that was kept with it.
static bool kept(uint64_t value, uint64_t now)
{
    bool hit = false;

    for (size_t cpu = 0; cpu < vmids.cpus; cpu++) {
        if (vmids.kept[cpu] == value) {
            vmids.kept[cpu] = now;
            hit = true;
        }
    }
    return hit;
}

static uint64_t new_value(uint64_t old)
{
    if (old != 0) {
        uint64_t now = vmids.generation | number_of(old);

        if (kept(old, now) || take_number(number_of(old))) {
            return now;
        }
    }
    for (int round = 0; round < 2; round++) {
        for (; vmids.next < vmids.count; vmids.next++) {
            if (take_number(vmids.next)) {
                return vmids.generation | vmids.next++;
            }
        }
        new_generation();
    }
    panic("vmid: %u for %zu CPUs", vmids.count, vmids.cpus);
}

uint16_t vmid_enter(struct vmid *v, unsigned cpu)
{
    uint64_t value = __atomic_load_n(&v->value, __ATOMIC_RELAXED);
    uint64_t active = __atomic_load_n(&vmids.active[cpu], __ATOMIC_RELAXED);

    if (active != 0 &&
        generation_of(value) == __atomic_load_n(&vmids.generation, __ATOMIC_ACQUIRE) &&
        __atomic_compare_exchange_n(&vmids.active[cpu], &active, value, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
        return number_of(value);
    }
    spin_lock(&vmids.lock);
    value = v->value;
    if (generation_of(value) != vmids.generation) {
        value = new_value(value);
        __atomic_store_n(&v->value, value, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&vmids.active[cpu], value, __ATOMIC_RELEASE);
    spin_unlock(&vmids.lock);
    return number_of(value);
}

void vmid_leave(unsigned cpu)
{
    spin_lock(&vmids.lock);
    vmids.active[cpu] = vmids.kept[cpu] = 0;
    spin_unlock(&vmids.lock);
}
