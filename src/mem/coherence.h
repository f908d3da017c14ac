// SPDX-License-Identifier: Apache-2.0
// What the caches need when Newel puts something into a guest's memory, and when a guest comes to
// execute it (Arm ARM B2.4.4, D7.5). Arm's instruction caches need not see stores; a guest
// maintains them for its own stores and cannot for Newel's, of which it does not know.
//
// The state of a page, as its stage-2 descriptor has it:
//   unmapped --data access--> S2_X_LATER --fetch--> S2_X     (coherence_make_executable() between)
//   unmapped --fetch--------> S2_X                           (the same, in one step)
//   S2_X --Newel writes it--> S2_X_LATER                     (before the write)
// Whatever Newel wrote goes through coherence_hand_over() before a guest can see it.
#pragma once

#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Faults put in on purpose, which the coherency checker must notice: builds of the tests alone say
// -DNEWEL_MUTATION= one of these.
#define MUTATION_NO_CLEAN         1
#define MUTATION_NO_INVALIDATE    2
#define MUTATION_DESCRIPTOR_FIRST 3 // execution is granted before the maintenance
#define MUTATION_NO_HAND_OVER     4
#ifndef NEWEL_MUTATION
#define NEWEL_MUTATION 0
#endif

struct coherence_features {
    uint64_t ctr; // CTR_EL0, the one of the machine's CPUs that promises least
    bool fwb;     // HCR_EL2.FWB is set for guests: all their accesses to RAM are cacheable
};

// Per VM, for statistics; updated with the space's lock held.
struct coherence_counters {
    uint64_t pages_executable;  // made so, one by one or in a block
    uint64_t lines_cleaned;     // data, to either point
    uint64_t lines_invalidated; // instructions, by address
    uint64_t icache_emptied;    // all of it, IC IALLUIS
    uint64_t execute_faults;    // answered by making a page or a block executable
    uint64_t written_back;      // executable pages taken back since Newel wrote to them
};

void coherence_setup(const struct coherence_features *f);

// Whoever fills a guest's memory by other means than these: has each line to be cleaned and
// invalidated to the point of coherency as it is written?
bool coherence_cleans_fill(void);

// It was, for [base, base + size), if so asked, and completes now; the instruction caches are
// emptied once for all of it.
void coherence_filled(struct coherence_counters *c, hpa_t base, size_t size);

// Does granting execution ever need maintenance? If not, S2_X serves in the place of S2_X_LATER.
bool coherence_lazy(void);

// [base, base + size) was written by Newel and a guest, perhaps with its caches off, is about to
// see it: cleans and invalidates to the point of coherency, and completes. Nothing with FWB.
void coherence_hand_over(struct coherence_counters *c, hpa_t base, size_t size);

// Wipes whole pages that a guest is to be given, and hands them over.
void coherence_hand_over_zeroed(struct coherence_counters *c, hpa_t base, size_t size);

// The range may hold newer data in memory than in caches, from a guest that runs with its caches
// off or did so: cleans and invalidates before Newel reads.
void coherence_before_read(struct coherence_counters *c, hpa_t base, size_t size);

// Makes fetches from the range see what data accesses see: data cleaned to the point of unification
// (of coherency for a guest that fetches with its caches off), completed, instructions
// invalidated, completed. Only after it may a descriptor grant S2_X. Ranges from 64 KiB on empty
// the whole instruction cache.
void coherence_make_executable(struct coherence_counters *c, hpa_t base, size_t size,
                               bool uncached);

// The same where the last to write the range was Newel, and coherence_hand_over() was called since.
void coherence_make_fresh_executable(struct coherence_counters *c, hpa_t base, size_t size);
