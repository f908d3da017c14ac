// SPDX-License-Identifier: Apache-2.0
// Stage 2 beyond map, unmap and protect: suspending a whole space in constant time, and joining
// pages into blocks. All with the space's lock held.
#pragma once

#include "mem/stage2.h"

// Makes the root's entries invalid, and nothing else: O(size of the root). Every page the guest
// touches from now on faults once, and is looked at by stage2_resume(). Newel's own readers see the
// space as before, with s2_entry.suspended set where the guest would fault.
void stage2_suspend(struct stage2 *s2);

// Called for each leaf before the guest can use it again; to clean and invalidate, for example.
typedef void stage2_look_fn(struct stage2 *s2, hpa_t pa, uint64_t size);

// Ends the suspension for the leaf that holds ipa; a 1 GiB block is split first if the pool allows,
// so that look gets 2 MiB at most. False if ipa was not suspended.
bool stage2_resume(struct stage2 *s2, gpa_t ipa, stage2_look_fn *look);

// Puts one 2 MiB block in the place of 512 pages around ipa. ERR_NOENT if they are not mapped page
// by page, ERR_BUSY if one is missing or suspended or differs in kind.
//
// Join: in place. The pages must be alike, contiguous and aligned, ERR_INVALID if they are not.
int stage2_join(struct stage2 *s2, gpa_t ipa);

// Replace: by the block at to, with the rights given; the pages may differ in rights to execute
// alone. When no guest can reach the pages any more, move is called once for each, to move what it
// holds and to leave the caches so that the rights are true; then the block appears.
typedef void stage2_move_fn(struct stage2 *s2, unsigned index, hpa_t from, hpa_t to);
int stage2_replace(struct stage2 *s2, gpa_t ipa, hpa_t to, enum s2_rights rights,
                   stage2_move_fn *move);
