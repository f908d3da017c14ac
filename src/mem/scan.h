// SPDX-License-Identifier: Apache-2.0
// What a guest's stage 1 maps, found by the CPU's own AT instruction: the level of a fault tells
// how much of the address space is a hole. Arm ARM (DDI 0487) C6.2 AT, D19.2.117 PAR_EL1.
//
// An entry is as of the moment it was looked at: the guest may change its tables meanwhile. AT may
// set an access flag where the guest has asked for that (TCR_EL1.HA), as any speculative access
// may.
#pragma once

#include "mem/walk.h"

#include <stdbool.h>
#include <stdint.h>

enum scan_kind {
    SCAN_HOLE,       // never in a run
    SCAN_MAPPED,     // for anyone, for any access; also with no access flag
    SCAN_UNREADABLE, // what translates it lies where stage 2 does not let the walk
};

// Contiguous in both spaces, and of one kind, with the same rights and attributes.
struct scan_run {
    uint64_t va, last; // of its first and last byte
    enum scan_kind kind;
    gpa_t ipa; // these for SCAN_MAPPED
    struct walk_rights rights;
    uint8_t attributes, shareability; // as struct walk_result has them
};

struct scan {
    struct stage2 *s2;
    const struct walk_regs *regs;
    uint64_t next, last; // what is left
    bool ended;
    struct scan_run run;         // not told yet, if its kind is not SCAN_HOLE
    bool in_hole;                // next comes behind a hole
    uint64_t ats, leaves, holes; // so far; holes that follow one another are one
};

enum scan_status { SCAN_FOUND, SCAN_PAUSED, SCAN_ENDED };

// [first, last], of either half or both. The registers stay the caller's and are not to change.
// Addresses with a tag (TCR_EL1.TBIn) are not looked at: they are others' aliases.
void scan_start(struct scan *s, struct stage2 *s2, const struct walk_regs *regs, gva_t first,
                gva_t last);

// The next run, in ascending order; SCAN_PAUSED when *steps, which it counts down, are used up, and
// the scan can go on later. A step is at most one AT and one walk. With the registers that
// scan_start() was told loaded on this CPU, and the VM's stage 2; PAR_EL1 is kept.
enum scan_status scan_next(struct scan *s, unsigned *steps, struct scan_run *out);
