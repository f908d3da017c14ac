// SPDX-License-Identifier: Apache-2.0
#include "trap/mmio.h"

#include "vm/vm.h"

#include <stddef.h>

#define RDISTS_SIZE (VM_MAX_VCPUS * (uint64_t)VGIC_RDIST_SIZE)

static struct device *find_device(struct vm *vm, uint64_t ipa)
{
    struct device *const *d = vm->devices;
    while (*d != NULL && ipa - (*d)->base.v >= (*d)->size) {
        d++;
    }
    return *d;
}

__attribute__((noinline)) static struct mmio_answer
read_redistributor(struct vcpu *v, uint64_t offset, unsigned size)
{
    struct mmio_answer a = {.value = 0};
    count(&v->count, CNT_MMIO_GICR);
    a.answered = vgic_rdist_read(v->vgic, offset, size, &a.value);
    return a;
}

static struct mmio_answer read_device(struct vcpu *v, uint64_t ipa, unsigned size)
{
    struct device *d = find_device(v->vm, ipa);
    if (d == NULL) {
        return (struct mmio_answer){0, false};
    }
    count(&v->count, (enum counter)d->counter);
    return (struct mmio_answer){d->ops->read(d, v, ipa - d->base.v, size), true};
}

struct mmio_answer mmio_read_other(struct vcpu *v, uint64_t ipa, unsigned size)
{
    if (ipa >> 24 == VGIC_DIST_BASE >> 24 && ipa - VGIC_RDIST_BASE < RDISTS_SIZE) {
        return read_redistributor(v, ipa - VGIC_RDIST_BASE, size);
    }
    return read_device(v, ipa, size);
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
