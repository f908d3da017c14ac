// SPDX-License-Identifier: Apache-2.0
// Rights that the operator, or a service of Newel's, gives a range of a guest's memory. They
// intersect with what the guest's own tables grant; ranges with none have all rights. This is the
// list; stage 2 is where it takes effect, through mem/space.h.
#pragma once

#include "lib/addr.h"
#include "mem/stage2.h"

#define OVERRIDE_MAX 64 // ranges with rights of their own, in one VM

enum override_policy {
    OVERRIDE_FAULT, // the guest gets an external abort
    OVERRIDE_LOG,   // logged, and the page is given back its full rights
    OVERRIDE_PAUSE, // the VM stops for the operator
};

struct override {
    uint64_t base, end; // of guest-physical addresses, multiples of 4 KiB
    enum s2_rights rights;
    enum override_policy policy;
};

// Sorted, never overlapping.
struct overrides {
    struct override range[OVERRIDE_MAX];
    size_t count;
};

// Replaces whatever held for the range; S2_RWX clears it. ERR_NOMEM when there would be too many
// ranges; ERR_INVALID for rights that stage 2 cannot express, an empty range or one that wraps.
int override_set(struct overrides *o, gpa_t base, uint64_t size, enum s2_rights rights,
                 enum override_policy policy);

// The rights at an address; *extent, where not NULL, is set to how far from there they hold.
enum s2_rights override_at(const struct overrides *o, gpa_t at, uint64_t *extent);

// The range that holds at; NULL if it has all rights.
const struct override *override_find(const struct overrides *o, gpa_t at);
