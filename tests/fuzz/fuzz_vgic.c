// SPDX-License-Identifier: Apache-2.0
// Guests on a vGIC, their devices and the scheduler, by whatever the fuzzer thinks of: what they
// see is what the model says. Half of the input bytes may be raw register accesses, for which there
// is no model but the bounds of memory.
#include "../unit/vgic_machine.h"

#include <stddef.h>

static const uint8_t *bytes;
static size_t left;

static uint32_t next_byte(void)
{
    if (left == 0) {
        return 0;
    }
    left--;
    return *bytes++;
}

static uint64_t next(unsigned count)
{
    uint64_t value = 0;
    while (count-- > 0) {
        value = value << 8 | next_byte();
    }
    return value;
}

// Any offset and size to any frame, in any order, with the interrupts that follow served.
static void raw_access(void)
{
    static const uint8_t sizes[] = {1, 2, 4, 8};
    unsigned op = (unsigned)next_byte();
    unsigned size = sizes[op & 3];
    int v = machine.runs[op >> 2 & 1];
    uint64_t offset = next(3) & ~(uint64_t)(size - 1);
    uint64_t value = op & 0x20 ? next(size) : UINT64_MAX >> (64 - 8 * size);
    if (v < 0) {
        return;
    }
    struct vgic_cpu *c = guest(v);
    if ((op & 0x80) && machine_gicv2) {
        vgic_v2_dist_write(c, offset % VGIC_DIST_SIZE, size, value);
        (void)vgic_v2_dist_read(c, offset % VGIC_DIST_SIZE, size);
        vgic_v2_interface_write(c, offset % PAGE_SIZE & ~UINT64_C(3), size, value);
    } else if (op & 0x80) {
        vgic_dist_write(c, offset % VGIC_DIST_SIZE, size, value);
        (void)vgic_dist_read(c, offset % VGIC_DIST_SIZE, size);
    } else {
        (void)vgic_rdist_write(c, offset, size, value);
        REQUIRE(vgic_rdist_read(c, offset, size, &value) == (offset / VGIC_RDIST_SIZE < VCPUS));
    }
    if (op & 0x40) {
        vgic_send_sgi(c, next(8), op & 1);
        vgic_deactivate(c, next(4));
    }
    uint32_t n = fake_gic_ack(op & 8);
    if (op & 0x10) {
        fake_gic_eoi(n, op & 8);
    }
    serve_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t registers[] = {1, 2, 4, 16};
    bytes = data;
    left = size;
    unsigned how = (unsigned)next_byte();
    machine_gicv2 = (how & 8) != 0;
    machine_start(registers[how & 3], next_byte);
    while (left > 0) {
        if (how & 4) {
            raw_access();
        } else {
            machine_step();
        }
    }
    return 0;
}
