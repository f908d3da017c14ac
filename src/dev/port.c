// SPDX-License-Identifier: Apache-2.0
#include "dev/port.h"

#include "lib/addr.h"
#include "lib/bits.h"
#include "lib/check.h"

void port_add(struct port_bus *bus, const struct port_device *d)
{
    CHECK(bus->count < PORT_DEVICES_MAX && d->count != 0 && d->first + d->count <= 0x10000);
    for (size_t i = 0; i < bus->count; i++) {
        CHECK(!ranges_overlap(d->first, d->count, bus->device[i].first, bus->device[i].count));
    }
    bus->device[bus->count++] = *d;
}

struct port_device *port_find(struct port_bus *bus, uint16_t port)
{
    for (size_t i = 0; i < bus->count; i++) {
        struct port_device *d = &bus->device[i];
        if ((uint32_t)port - d->first < d->count) {
            return d;
        }
    }
    return NULL;
}

static uint32_t truncate(uint32_t value, unsigned size)
{
    return value & (uint32_t)MASK(8 * size - 1, 0);
}

uint32_t port_read(struct port_bus *bus, struct vcpu *v, uint16_t port, unsigned size)
{
    struct port_device *d = port_find(bus, port);
    return truncate(d != NULL ? d->ops->read(d, v, port, size) : PORT_NOBODY, size);
}

void port_write(struct port_bus *bus, struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    struct port_device *d = port_find(bus, port);
    if (d != NULL) {
        d->ops->write(d, v, port, size, truncate(value, size));
    }
}
