// SPDX-License-Identifier: Apache-2.0
#include "trap/mmio.h"

#include "irq/vgic.h"
#include "vm/vm.h"

#include <stddef.h>

#define RDISTS_SIZE (VM_MAX_VCPUS * (uint64_t)VGIC_RDIST_SIZE)

static struct device *find_device(struct vm *vm, uint64_t ipa)
{
    for (unsigned i = 0; i < vm->device_count; i++) {
        struct device *d = vm->devices[i];
        if (ipa - d->base.v < d->size) {
            return d;
        }
    }
    return NULL;
}

struct mmio_answer mmio_read(struct vcpu *v, uint64_t ipa, unsigned size)
{
    struct mmio_answer a = {.answered = true};
    if (ipa - VGIC_DIST_BASE < VGIC_DIST_SIZE) {
        count(&v->count, CNT_MMIO_GICD);
        a.value = vgic_dist_read(v->vgic, ipa - VGIC_DIST_BASE, size);
        return a;
    }
    if (ipa - VGIC_RDIST_BASE < RDISTS_SIZE) {
        count(&v->count, CNT_MMIO_GICR);
        a.answered = vgic_rdist_read(v->vgic, ipa - VGIC_RDIST_BASE, size, &a.value);
        return a;
    }
    struct device *d = find_device(v->vm, ipa);
    if (d == NULL) {
        a.answered = false;
        return a;
    }
    count(&v->count, (enum counter)d->counter);
    a.value = d->ops->read(d, v, ipa - d->base.v, size);
    return a;
}

bool mmio_write(struct vcpu *v, uint64_t ipa, unsigned size, uint64_t value)
{
    if (ipa - VGIC_DIST_BASE < VGIC_DIST_SIZE) {
        count(&v->count, CNT_MMIO_GICD);
        vgic_dist_write(v->vgic, ipa - VGIC_DIST_BASE, size, value);
        return true;
    }
    if (ipa - VGIC_RDIST_BASE < RDISTS_SIZE) {
        count(&v->count, CNT_MMIO_GICR);
        return vgic_rdist_write(v->vgic, ipa - VGIC_RDIST_BASE, size, value);
    }
    struct device *d = find_device(v->vm, ipa);
    if (d == NULL) {
        return false;
    }
    count(&v->count, (enum counter)d->counter);
    d->ops->write(d, v, ipa - d->base.v, size, value);
    return true;
}

bool mmio_present(struct vcpu *v, uint64_t ipa)
{
    return ipa - VGIC_DIST_BASE < VGIC_DIST_SIZE ||
           ipa - VGIC_RDIST_BASE < v->vm->config->cpus * (uint64_t)VGIC_RDIST_SIZE ||
           find_device(v->vm, ipa) != NULL;
}
