// SPDX-License-Identifier: Apache-2.0
#include "mem/override.h"

#include "lib/bits.h"
#include "lib/error.h"

// The first range that ends above at.
static size_t first_above(const struct overrides *o, uint64_t at)
{
    size_t low = 0, high = o->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (o->range[middle].end > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

const struct override *override_find(const struct overrides *o, gpa_t at)
{
    size_t i = first_above(o, at.v);

    return i < o->count && o->range[i].base <= at.v ? &o->range[i] : NULL;
}

enum s2_rights override_at(const struct overrides *o, gpa_t at, uint64_t *extent)
{
    size_t i = first_above(o, at.v);
    bool inside = i < o->count && o->range[i].base <= at.v;

    if (extent != NULL) {
        uint64_t end = inside ? o->range[i].end : i < o->count ? o->range[i].base : UINT64_MAX;

        *extent = end - at.v;
    }
    return inside ? o->range[i].rights : S2_RWX;
}

// Appends what of r lies in [from, to); joined to the one before if they are alike and touch. False
// if there is no room.
static bool append(struct overrides *o, const struct override *r, uint64_t from, uint64_t to)
{
    struct override part = *r;

    part.base = MAX(part.base, from);
    part.end = MIN(part.end, to);
    if (part.base >= part.end || part.rights == S2_RWX) {
        return true;
    }
    struct override *last = o->count > 0 ? &o->range[o->count - 1] : NULL;

    if (last != NULL && last->end == part.base && last->rights == part.rights &&
        last->policy == part.policy) {
        last->end = part.end;
        return true;
    }
    if (o->count == OVERRIDE_MAX) {
        return false;
    }
    o->range[o->count++] = part;
    return true;
}

int override_set(struct overrides *o, gpa_t base, uint64_t size, enum s2_rights rights,
                 enum override_policy policy)
{
    struct override new = {base.v, base.v + size, rights, policy};
    bool fits = true;

    if (!is_aligned(base.v | size, PAGE_SIZE) || new.end <= new.base || rights > S2_RWX ||
        ((rights & S2_X) != 0 && (rights & S2_R) == 0)) {
        return ERR_INVALID;
    }
    struct overrides old = *o;
    size_t i = 0;

    o->count = 0;
    for (; i < old.count && old.range[i].base < new.base; i++) {
        fits = fits && append(o, &old.range[i], 0, new.base);
    }
    fits = fits && append(o, &new, 0, UINT64_MAX);
    for (i = 0; i < old.count; i++) {
        fits = fits && append(o, &old.range[i], new.end, UINT64_MAX);
    }
    if (!fits) {
        *o = old;
        return ERR_NOMEM;
    }
    return 0;
}
