// SPDX-License-Identifier: Apache-2.0
#include "mem/backing.h"

#include "lib/bits.h"
#include "mem/s2_desc.h"

// What one look tells: to the end of the entry, of whatever level.
static void look(const struct stage2 *s2, gpa_t ipa, uint64_t size, struct backing *out)
{
    struct s2_entry e = {0};
    bool mapped = stage2_lookup(s2, ipa, &e) == 0;
    uint64_t span = mapped ? e.size : s2_span((unsigned)e.level);
    bool beyond = ipa.v >= BIT(s2->ipa_bits);

    *out = (struct backing){ipa, MIN(size, span - (ipa.v & (span - 1))), mapped, e.pa};
    out->size = beyond ? size : out->size;
}

static bool joins(const struct backing *a, const struct backing *b)
{
    return a->mapped == b->mapped && (!a->mapped || a->pa.v + a->size == b->pa.v);
}

bool backing_find(const struct stage2 *s2, gpa_t ipa, uint64_t size, unsigned *steps,
                  struct backing *out)
{
    struct backing next;

    *out = (struct backing){.ipa = ipa};
    while (*steps > 0 && out->size < size) {
        --*steps;
        look(s2, gpa_add(ipa, out->size), size - out->size, &next);
        if (out->size != 0 && !joins(out, &next)) {
            break;
        }
        next.size += out->size;
        next.pa = out->size != 0 ? out->pa : next.pa;
        next.ipa = ipa;
        *out = next;
    }
    return out->size != 0;
}
