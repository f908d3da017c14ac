// SPDX-License-Identifier: Apache-2.0
#include "dev/flash.h"

#include "cpu/counters.h"
#include "lib/bits.h"

static uint64_t flash_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    (void)dev;
    (void)v;
    (void)offset;
    return MASK(8 * size - 1, 0);
}

static void flash_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                        uint64_t value)
{
    (void)dev;
    (void)v;
    (void)offset;
    (void)size;
    (void)value;
}

static const struct device_ops ops = {.name = "flash", .read = flash_read, .write = flash_write};

void flash_init(struct device *d)
{
    *d = (struct device){
        .ops = &ops, .base = gpa(FLASH_BASE), .size = FLASH_SIZE, .counter = CNT_MMIO_FLASH};
}
