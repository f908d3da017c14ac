// SPDX-License-Identifier: Apache-2.0
// The one door to guest memory: EL2 reads and writes a guest's RAM through these and nothing else.
// Each copies, so that what the caller then validates can no longer be changed by another vCPU.
// Each holds the space's lock while it copies: no page can leave the VM meanwhile.
#pragma once

#include "mem/stage2.h"

#include <stddef.h>

// ERR_RANGE where a byte of the range is not mapped as Normal memory, ERR_ACCESS where the rights
// do not allow it; then nothing has been copied. Sizes are for the caller to bound (a handler: 4
// KiB).
int guest_read(struct stage2 *s2, void *to, gpa_t from, size_t size);
int guest_write(struct stage2 *s2, gpa_t to, const void *from, size_t size);
// Would guest_write() do it? Nothing is copied.
int guest_writable(struct stage2 *s2, gpa_t to, size_t size);
int guest_zero(struct stage2 *s2, gpa_t to, size_t size);
