// SPDX-License-Identifier: Apache-2.0
// Whole memories zeroed and copied, for a guest that starts with its caches off: where to_poc is
// set, each line is cleaned and invalidated to the point of coherency as soon as it is written. No
// barrier is implied: end a batch by dsb.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// base and size are multiples of 4 KiB.
void bulk_zero(void *base, size_t size, bool to_poc);

// to is a multiple of 64 bytes. Uses the SIMD registers: after fp_borrow() alone.
void bulk_copy(void *to, const void *from, size_t size, bool to_poc);
