// SPDX-License-Identifier: Apache-2.0
#include "dev/gic_frames.h"

#include "cpu/vcpu.h"
#include "irq/vgic.h"

static uint64_t dist_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    (void)dev;
    return vgic_dist_read(v->vgic, offset, size);
}

static void dist_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                       uint64_t value)
{
    (void)dev;
    vgic_dist_write(v->vgic, offset, size, value);
}

// The device is as large as there are vCPUs, so no offset is refused.
static uint64_t rdist_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    (void)dev;
    (void)vgic_rdist_read(v->vgic, offset, size, &value);
    return value;
}

static void rdist_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                        uint64_t value)
{
    (void)dev;
    (void)vgic_rdist_write(v->vgic, offset, size, value);
}

static uint64_t v2_dist_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    (void)dev;
    return vgic_v2_dist_read(v->vgic, offset, size);
}

static void v2_dist_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                          uint64_t value)
{
    (void)dev;
    vgic_v2_dist_write(v->vgic, offset, size, value);
}

static uint64_t interface_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)v;
    (void)offset;
    (void)size;
    return 0;
}

static void interface_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                            uint64_t value)
{
    (void)dev;
    vgic_v2_interface_write(v->vgic, offset, size, value);
}

static const struct device_ops dist_ops = {.name = "gicd", .read = dist_read, .write = dist_write};
static const struct device_ops rdist_ops = {
    .name = "gicr", .read = rdist_read, .write = rdist_write};

static const struct device_ops v2_dist_ops = {
    .name = "gicd", .read = v2_dist_read, .write = v2_dist_write};
static const struct device_ops interface_ops = {
    .name = "gicc", .read = interface_read, .write = interface_write};

void gic_frames_init_v2(struct gic_frames *g)
{
    g->dist = (struct device){.ops = &v2_dist_ops,
                              .base = gpa(VGIC_DIST_BASE),
                              .size = VGIC_DIST_SIZE,
                              .counter = CNT_MMIO_GICD};
    g->other = (struct device){.ops = &interface_ops,
                               .base = gpa(VGIC_CPU_BASE + PAGE_SIZE),
                               .size = PAGE_SIZE,
                               .counter = CNT_MMIO_GICC};
}

void gic_frames_init(struct gic_frames *g, unsigned vcpus)
{
    g->dist = (struct device){.ops = &dist_ops,
                              .base = gpa(VGIC_DIST_BASE),
                              .size = VGIC_DIST_SIZE,
                              .counter = CNT_MMIO_GICD};
    g->other = (struct device){.ops = &rdist_ops,
                               .base = gpa(VGIC_RDIST_BASE),
                               .size = vcpus * (uint64_t)VGIC_RDIST_SIZE,
                               .counter = CNT_MMIO_GICR};
}
