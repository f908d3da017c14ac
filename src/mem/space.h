// SPDX-License-Identifier: Apache-2.0
// A VM's guest-physical memory as a whole: its stage 2, the RAM behind it, populated when the VM is
// made or when the guest touches it, the rights that overrides leave, and the caches kept coherent.
// A translation or permission fault of the guest goes to space_fault(), whatever its cause.
#pragma once

#include "mem/coherence.h"
#include "mem/gpa_hash.h"
#include "mem/override.h"
#include "mem/ram.h"
#include "mem/stage2.h"

// How many pages of a block are made executable one by one before the rest follows at once.
#define SPACE_EXECUTE_ONE_BY_ONE 16

struct space_config {
    unsigned ipa_bits;
    owner_t owner;    // of the RAM, and of what the space keeps about it
    gpa_t base;       // of RAM
    hpa_t ram;        // the memory behind it, contiguous, the owner's
    uint64_t size;    // all three multiples of 2 MiB
    bool lazy;        // populate on first touch; else all of it now, executable at once
    bool small_pages; // lazy: 4 KiB at a time
    bool no_collapse; // small_pages: leave spans that have filled up as they are
};

// What is known about 2 MiB of RAM.
struct space_span {
    uint16_t pages;    // populated one by one
    uint16_t withheld; // of a block in pieces: those not executable yet
    bool block;        // populated as one block, perhaps in pieces by now
    bool fresh;        // no page of the block has been executable yet when it was broken up
};

struct space_counters {
    uint64_t pages_populated, blocks_populated;
    uint64_t collapsed, joined;
    uint64_t denied;    // accesses that an override forbids
    uint64_t retried;   // faults that were over when they were looked at
    uint64_t suspended; // set/way operations and the like
};

#define SPACE_SHOWN 3

struct space {
    struct stage2 s2; // first; its lock is the space's
    struct gpa_hash hash;
    struct space_config config;
    struct ram ram;
    struct overrides overrides;
    struct {
        gpa_t at;
        uint64_t size;
        enum s2_rights rights;
        enum s2_memtype type;
    } shown[SPACE_SHOWN]; // see space_show()
    unsigned shown_count;
    struct space_span *span;
    hpa_t tables; // of ram, span and hash
    size_t table_pages;
    uint64_t page_attributes; // of a page's descriptor, where data is touched first
    uint32_t uncached; // vCPUs known to have their caches off, a bit each; space_set_uncached()
    struct space_counters counters;
    struct coherence_counters coherence;
};

// ERR_NOMEM, ERR_INVALID, ERR_RANGE. Eager: the RAM must have been handed over and made executable
// by the one who filled it, by space_loaded() or otherwise, before a vCPU runs.
int space_init(struct space *sp, struct pool *pool, const struct space_config *config);
// Gives back what space_init() took from frames; the pool and the RAM are the caller's.
void space_destroy(struct space *sp);

// The range was filled by Newel through its own mapping (eager) or by guest_write() (lazy): from
// now on it is coherent and executable. ERR_NOMEM.
int space_loaded(struct space *sp, gpa_t base, uint64_t size);

// Makes it what it was after space_init(), but for the counters, while none of the VM's vCPUs runs:
// one step; true while there is more to do. *at is 0 before the first.
bool space_reset_step(struct space *sp, uint64_t *at);

// Shows the guest pages beside RAM that are no memory of its own: S2_NORMAL is Newel's, S2_DEVICE
// the machine's. What is to be executed (S2_X) is in memory by then, beyond all caches, and is
// never written again. SPACE_SHOWN times at most, before a vCPU runs; they stay when the space is
// reset. Takes up to two tables where no 2 MiB boundary is crossed. Errors as stage2_map().
int space_show(struct space *sp, gpa_t at, hpa_t pages, uint64_t size, enum s2_rights rights,
               enum s2_memtype type);

enum space_access { SPACE_READ, SPACE_WRITE, SPACE_FETCH };

enum space_answer {
    SPACE_RETRY,     // run the instruction again
    SPACE_OUTSIDE,   // neither RAM nor a page that is shown for such an access
    SPACE_DENIED,    // an override; override_find() has the policy
    SPACE_NO_MEMORY, // not even a page for a table: the VM's own pool is exhausted
};

// A guest's access at this address faulted at stage 2, for translation or for permission. Walks of
// the guest's tables are SPACE_READ, or SPACE_WRITE for a hardware update. uncached: the vCPU has
// its MMU (SCTLR_EL1.M) or data cache (.C) off; for a fetch, MMU or instruction cache (.I).
enum space_answer space_fault(struct space *sp, gpa_t at, enum space_access access, bool uncached);

// Overrides the rights of a range of RAM; S2_RWX takes the override back. When it returns, every
// CPU obeys. Errors as override_set(), and ERR_NOMEM for tables; then nothing has changed.
int space_protect(struct space *sp, gpa_t base, uint64_t size, enum s2_rights rights,
                  enum override_policy policy);
// The override that holds at; false if none does. *extent: bytes from there for which that is so.
bool space_override(struct space *sp, gpa_t at, struct override *out, uint64_t *extent);
// What is to be done about an access that was denied; false if nothing forbids it any more.
bool space_policy(struct space *sp, gpa_t at, enum override_policy *policy);
// OVERRIDE_LOG: gives the page at at its full rights back, or, where there is no room for the
// ranges that this would leave, all of its range. Another policy that holds there by now stays.
int space_lift(struct space *sp, gpa_t at);

// A vCPU has its caches off, or no more. While one has, what Newel reads is looked for in memory.
void space_set_uncached(struct space *sp, unsigned vcpu, bool uncached);

// A guest's set/way operation, or its turning caches on after one: every page is cleaned and
// invalidated before the guest next touches it. O(1).
void space_maintain_all(struct space *sp);
