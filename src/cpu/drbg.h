// SPDX-License-Identifier: Apache-2.0
// Random bits for guests, from what the host gave at the start: ChaCha20 whose key is replaced by
// its own output at each use, so that what was given out cannot be found from what is kept (D. J.
// Bernstein, "Fast-key-erasure random-number generators", 2017). Any CPU, at any time.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// What is added at once counts as a source from so many bytes on.
#define DRBG_SEED 32

// Mixes bytes in; they do no harm whoever knows them.
void drbg_add(const void *bytes, size_t size);

// False, and out untouched, if nothing that counts has been added. Takes some 700
// instructions for each 64 bytes, the lock held.
bool drbg_read(void *out, size_t size);

bool drbg_ready(void);
