// SPDX-License-Identifier: Apache-2.0
// The bits of a stage-2 descriptor, 4 KiB granule (Arm ARM D8.3). For mem/ alone, and its tests.
#pragma once

#include "lib/addr.h"
#include "lib/bits.h"
#include "mem/stage2.h"

#define S2_ENTRIES 512u

#define S2D_VALID      BIT(0)
#define S2D_TABLE      BIT(1) // a table at levels 0 to 2; a page at level 3
#define S2D_MEMATTR(a) ((uint64_t)(a) << 2)
#define S2D_AP_R       BIT(6)
#define S2D_AP_W       BIT(7)
#define S2D_SH_INNER   (UINT64_C(3) << 8)
#define S2D_AF         BIT(10)
#define S2D_CONTIGUOUS BIT(52)
#define S2D_XN         BIT(54) // with FEAT_XNX, XN[1:0] = 0b10: neither EL1 nor EL0 executes
#define S2D_ADDRESS    MASK(47, 12)

// For software (58:55).
// In an entry made invalid for break-before-make: the rest of it still says what it translated to,
// so that Newel's own readers go on as if nothing had happened.
#define S2D_BROKEN BIT(55)
// S2_X_LATER: execution is granted, and withheld until the caches agree about the contents.
#define S2D_X_LATER BIT(56)
// In an entry, leaf or table, made invalid although nothing about it changes: what lies behind it
// has to be looked at before the guest goes on there. See stage2_suspend().
#define S2D_SUSPENDED BIT(57)

#define S2D_RIGHTS (S2D_AP_R | S2D_AP_W | S2D_XN | S2D_X_LATER)

// MemAttr (D8.6.6 without, with FWB)
#define S2_ATTR_NORMAL     0xfu
#define S2_ATTR_DEVICE     0x1u
#define S2_ATTR_NORMAL_FWB 0x6u

// Adjacent entries that may carry the contiguous hint together (D8.7.1).
#define S2_CONTIGUOUS_ENTRIES 16u

static inline unsigned s2_shift(unsigned level)
{
    return 39 - 9 * level;
}

static inline uint64_t s2_span(unsigned level)
{
    return BIT(s2_shift(level));
}

static inline bool s2d_valid(uint64_t d)
{
    return (d & S2D_VALID) != 0;
}

static inline bool s2d_is_table(uint64_t d, unsigned level)
{
    return level < 3 && (d & S2D_TABLE) != 0 && (d & (S2D_VALID | S2D_SUSPENDED)) != 0;
}

// Does it translate, or will it again in a moment?
static inline bool s2d_is_leaf(uint64_t d, unsigned level)
{
    return (d & (S2D_VALID | S2D_BROKEN | S2D_SUSPENDED)) != 0 && !s2d_is_table(d, level);
}

static inline uint64_t *s2d_table(uint64_t d)
{
    return hpa_ptr(hpa(d & S2D_ADDRESS));
}

static inline uint64_t s2d_rights(enum s2_rights rights)
{
    return ((rights & S2_R) != 0 ? S2D_AP_R : 0) | ((rights & S2_W) != 0 ? S2D_AP_W : 0) |
           ((rights & S2_X) != 0 ? 0 : S2D_XN) | ((rights & S2_X_LATER) != 0 ? S2D_X_LATER : 0);
}

static inline enum s2_rights s2d_rights_of(uint64_t d)
{
    return (enum s2_rights)(((d & S2D_AP_R) != 0 ? S2_R : 0) | ((d & S2D_AP_W) != 0 ? S2_W : 0) |
                            ((d & S2D_XN) != 0 ? 0 : S2_X) |
                            ((d & S2D_X_LATER) != 0 ? S2_X_LATER : 0));
}
