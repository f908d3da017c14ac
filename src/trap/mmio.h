// SPDX-License-Identifier: Apache-2.0
// Which emulated device answers at a guest-physical address.
#pragma once

#include "cpu/vcpu.h"

#include <stdbool.h>
#include <stdint.h>

// size 1, 2, 4 or 8 bytes, ipa aligned to it. False where nothing answers. On the vCPU's own CPU.
bool mmio_read(struct vcpu *v, uint64_t ipa, unsigned size, uint64_t *value);
bool mmio_write(struct vcpu *v, uint64_t ipa, unsigned size, uint64_t value);

// Is there a device at all?
bool mmio_present(struct vcpu *v, uint64_t ipa);
