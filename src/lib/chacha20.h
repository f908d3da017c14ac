// SPDX-License-Identifier: Apache-2.0
// The ChaCha20 block function (RFC 8439, 2.3).
#pragma once

#include <stdint.h>

#define CHACHA20_KEY   32
#define CHACHA20_BLOCK 64

// Key stream of one block. Words of the nonce as they stand in the state.
void chacha20_block(const uint8_t key[CHACHA20_KEY], uint32_t counter, const uint32_t nonce[3],
                    uint8_t out[CHACHA20_BLOCK]);
