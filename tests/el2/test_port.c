// SPDX-License-Identifier: Apache-2.0
// Ports that record what comes, for tests/guests/backdoor.c: linked into build/test/newel.img
// alone, and there in a VM with test-ports = "yes".
//   0x81, 0x1235       counts accesses; a read gives the number, in the low byte the width
//   their neighbours   likewise
//   0x1230             a write chooses a port, 0x1231 then reads what it recorded: the last value
//                      written, its width, reads, writes
#include "dev/port.h"
#include "lib/bits.h"
#include "vm/manifest.h"

#define FIRST_LOW  0x80 // within the reach of an immediate
#define FIRST_HIGH 0x1230
#define COUNT      8
#define CHOOSE     0x1230
#define RECORDED   0x1231

struct record {
    uint32_t value, width, reads, writes;
};

struct recorder {
    struct record record[2][COUNT];
    uint16_t chosen;
    unsigned field;
};

static struct recorder recorders[MANIFEST_MAX_VMS];

const bool port_test_devices = true;

static struct record *record_of(struct recorder *r, uint16_t port)
{
    return &r->record[port >= FIRST_HIGH][port % COUNT];
}

static uint32_t recorded(struct recorder *r)
{
    const struct record *record = record_of(r, r->chosen);
    const uint32_t fields[] = {record->value, record->width, record->reads, record->writes};
    return fields[r->field++ % ARRAY_SIZE(fields)];
}

static uint32_t recorder_read(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size)
{
    struct recorder *r = d->state;
    (void)v;
    if (port == RECORDED) {
        return recorded(r);
    }
    struct record *record = record_of(r, port);
    record->reads++;
    record->width = size;
    return UINT32_C(0x01010101) * record->reads;
}

static void recorder_write(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size,
                           uint32_t value)
{
    struct recorder *r = d->state;
    (void)v;
    if (port == CHOOSE) {
        r->chosen = (uint16_t)value;
        r->field = 0;
        return;
    }
    struct record *record = record_of(r, port);
    record->writes++;
    record->width = size;
    record->value = (record->value << 8 | record->value >> 24) ^ value;
}

void port_add_test_devices(struct port_bus *bus, unsigned vm)
{
    static const struct port_ops ops = {recorder_read, recorder_write, NULL, NULL};
    recorders[vm] = (struct recorder){0};
    port_add(bus, &(struct port_device){&ops, FIRST_LOW, COUNT, &recorders[vm]});
    port_add(bus, &(struct port_device){&ops, FIRST_HIGH, COUNT, &recorders[vm]});
}
