// SPDX-License-Identifier: Apache-2.0
#include "dev/bus.h"

#include "lib/check.h"

void bus_add(struct bus *bus, struct device *d)
{
    if (d->base.v == 0) {
        CHECK(d->size == BUS_BASE && bus->below == NULL);
        bus->below = d;
        return;
    }
    uint64_t first = (d->base.v - BUS_BASE) >> BUS_SLOT_SHIFT;
    uint64_t last = (d->base.v + d->size - 1 - BUS_BASE) >> BUS_SLOT_SHIFT;
    CHECK(d->size != 0 && first <= last && last < BUS_SLOTS);
    for (struct device *other = bus->slot[first]; other != NULL; other = other->next_in_slot) {
        CHECK(!ranges_overlap(d->base.v, d->size, other->base.v, other->size));
    }
    d->next_in_slot = bus->slot[first];
    for (uint64_t slot = first; slot <= last; slot++) {
        CHECK(first == last || bus->slot[slot] == NULL);
        bus->slot[slot] = d;
    }
}
