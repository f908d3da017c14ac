// SPDX-License-Identifier: Apache-2.0
// The I/O ports of a VM, as an x86 processor has them: 65536 byte addresses of their own, apart
// from memory. An access goes once, with its width, to the device that its first address belongs
// to; neighbours do not hear of it, and nothing has to be aligned.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vcpu;
struct port_device;

#define PORT_DEVICES_MAX 4
#define PORT_NOBODY      UINT32_C(0xffffffff) // what is read where no device answers

enum port_end {
    PORT_DONE,
    PORT_AGAIN,    // execute the instruction once more: registers have its progress
    PORT_FAULT,    // the caller's memory faulted; the instruction is to be restarted
    PORT_ORDINARY, // of a block: not for this device, go on element by element
};

// The caller's memory, which the string forms move. A range lies within 4 KiB that are aligned to
// their size. What ends other than PORT_DONE has moved nothing.
struct port_memory {
    enum port_end (*read)(struct port_memory *m, uint64_t va, void *to, size_t size);
    enum port_end (*write)(struct port_memory *m, uint64_t va, const void *from, size_t size);
    // Could it be written?
    enum port_end (*writable)(struct port_memory *m, uint64_t va, size_t size);
};

// By the vCPU's own CPU, no lock held. Sizes are 1, 2 and 4; more than size bytes of what is read
// are ignored, of what is written they are 0.
struct port_ops {
    uint32_t (*read)(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size);
    void (*write)(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size,
                  uint32_t value);
    // All of an ascending REP INSB (in) or REP OUTSB at once; NULL where there is no such thing.
    enum port_end (*block)(struct port_device *d, struct vcpu *v, bool in, struct port_memory *m);
    // A plain IN EAX, DX, for which all registers are the device's to read and, but EAX, to change;
    // returns EAX. NULL: it is a read.
    uint32_t (*call)(struct port_device *d, struct vcpu *v);
};

struct port_device {
    const struct port_ops *ops;
    uint16_t first;
    uint32_t count;
    void *state;
};

struct port_bus {
    struct port_device device[PORT_DEVICES_MAX];
    size_t count;
};

// While the VM does not run. No two devices overlap, and there are not too many: a CHECK.
void port_add(struct port_bus *bus, const struct port_device *d);

// NULL where nothing answers.
struct port_device *port_find(struct port_bus *bus, uint16_t port);

uint32_t port_read(struct port_bus *bus, struct vcpu *v, uint16_t port, unsigned size);
void port_write(struct port_bus *bus, struct vcpu *v, uint16_t port, unsigned size, uint32_t value);

// The devices of a test (the manifest's test-ports): in the tests' image alone, else there are
// none and this is false.
extern const bool port_test_devices;
void port_add_test_devices(struct port_bus *bus, unsigned vm);
