// SPDX-License-Identifier: Apache-2.0
// Where guest-physical memory is in the machine's: what stage 2 maps by now, part by part.
#pragma once

#include "mem/stage2.h"

#include <stdbool.h>

// Contiguous in both, or not mapped.
struct backing {
    gpa_t ipa;
    uint64_t size;
    bool mapped;
    hpa_t pa;
};

// The first part of [ipa, ipa+size), which neither is empty nor wraps. Each look at stage 2 counts
// *steps down; with none left, the part that is known by then. False if that is nothing. As of the
// moment, without a lock (stage2_lookup()).
bool backing_find(const struct stage2 *s2, gpa_t ipa, uint64_t size, unsigned *steps,
                  struct backing *out);
