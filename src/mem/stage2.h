// SPDX-License-Identifier: Apache-2.0
// A VM's second stage of translation: guest-physical to host-physical, with the rights Newel
// grants. Arm ARM (DDI 0487) D8.2 translation process, D8.3.2 stage-2 block and page descriptors.
//
// Functions that change a space take its lock; readers need none. A guest that meets an entry in
// the middle of break-before-make takes a translation fault although stage2_lookup() finds the page
// mapped with the rights it needs: the answer is to run the instruction again.
#pragma once

#include "lib/addr.h"
#include "lib/spinlock.h"
#include "mem/pool.h"
#include "mem/vmid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// S2_X is granted together with S2_R only: an instruction fetch needs both (D8.4.2).
enum s2_rights {
    S2_NONE = 0,
    S2_R = 1,
    S2_W = 2,
    S2_X = 4,
    S2_RW = 3,
    S2_RX = 5,
    S2_RWX = 7,
    // Instead of S2_X: execution is granted, but the first fetch faults, so that the caches can be
    // maintained then and not before; see mem/space.h.
    S2_X_LATER = 8,
};

enum s2_memtype {
    S2_NORMAL, // Normal, inner and outer write-back; with FWB forced, else combined with stage 1's
    S2_DEVICE, // Device-nGnRE
};

// What the machine can do, from the feature table; set once by stage2_setup().
struct s2_features {
    unsigned pa_bits;   // 32..48
    unsigned vmid_bits; // 8 or 16
    bool fwb, ttl, range_tlbi, xnx, bbm2, hafdbs;
};

struct gpa_hash;
struct stage2;
struct s2_entry;

// What mem/guest.c asks of whoever keeps more about a space than its tables (mem/space.c); each
// with the lock held.
struct s2_hooks {
    // Nothing is mapped at ipa, or it is suspended: 0 if it can be used now.
    int (*missing)(struct stage2 *s2, gpa_t ipa);
    // Before and after Newel touches [ipa, ipa + size), which lies in what e describes.
    void (*before)(struct stage2 *s2, const struct s2_entry *e, gpa_t ipa, size_t size, bool write);
    void (*after)(struct stage2 *s2, const struct s2_entry *e, gpa_t ipa, size_t size, bool write);
};

struct stage2 {
    struct spinlock lock;
    struct pool *pool;
    hpa_t root;
    unsigned ipa_bits;    // 32..pa_bits
    unsigned start_level; // 0, 1 or 2
    unsigned root_pages;  // concatenated: 1..16
    struct vmid vmid;
    size_t table_pages; // below the root
    // Counts changes of what was mapped already; what was read of the tables is still true if it
    // has not moved since before.
    uint64_t generation;
    bool suspended;               // an entry may be: stage2_suspend() was called
    const struct s2_hooks *hooks; // or NULL
    struct gpa_hash *hash;        // in front of the tables, for mem/guest.c; or NULL
};

struct s2_entry {
    hpa_t pa;      // of the byte asked for
    uint64_t size; // bytes mapped by the descriptor that holds it: 4 KiB, 2 MiB, 1 GiB
    enum s2_rights rights;
    enum s2_memtype type;
    int level;
    bool suspended; // see stage2_suspend()
};

void stage2_setup(const struct s2_features *features);

// An empty address space of 2^ipa_bits bytes. ERR_NOMEM, or ERR_RANGE for ipa_bits.
int stage2_init(struct stage2 *s2, struct pool *pool, unsigned ipa_bits);

// Pages of the pool that mapping size bytes can cost at most, root included; to size a VM's pool.
size_t stage2_pages_needed(unsigned ipa_bits, uint64_t ram_size);

// Prepare-and-commit: on an error nothing has changed. Addresses and size are multiples of 4 KiB;
// the largest blocks that alignment allows are used. ERR_EXISTS if any page of the range is mapped
// already, ERR_RANGE for what lies outside the space or the machine, ERR_INVALID for rights.
int stage2_map(struct stage2 *s2, gpa_t ipa, hpa_t pa, uint64_t size, enum s2_rights rights,
               enum s2_memtype type);
// Unmapped holes in the range are fine. ERR_NOMEM when a block has to be split.
// When it returns, no CPU's TLB holds the old translation.
int stage2_unmap(struct stage2 *s2, gpa_t ipa, uint64_t size);
int stage2_protect(struct stage2 *s2, gpa_t ipa, uint64_t size, enum s2_rights rights);

// ERR_NOENT where nothing is mapped; out->level is then the level at which the walk ended. May be
// called without the lock while others change the tables. What it found may have changed the moment
// it returns; guest_read() and its like hold the lock.
int stage2_lookup(const struct stage2 *s2, gpa_t ipa, struct s2_entry *out);

uint64_t stage2_vttbr(const struct stage2 *s2); // VTTBR_EL2
uint64_t stage2_vtcr(const struct stage2 *s2);  // VTCR_EL2
