// SPDX-License-Identifier: Apache-2.0
#include "lib/chacha20.h"

#include <string.h>

static uint32_t rotate(uint32_t value, unsigned by)
{
    return value << by | value >> (32 - by);
}

static void quarter_round(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

static void double_round(uint32_t *s)
{
    for (unsigned i = 0; i < 4; i++) {
        quarter_round(s, i, i + 4, i + 8, i + 12);
    }
    for (unsigned i = 0; i < 4; i++) {
        quarter_round(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
}

// Both machines that this runs on are little-endian, as the cipher is.
void chacha20_block(const uint8_t key[CHACHA20_KEY], uint32_t counter, const uint32_t nonce[3],
                    uint8_t out[CHACHA20_BLOCK])
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, [12] = counter};
    uint32_t state[16];
    memcpy(&start[4], key, CHACHA20_KEY);
    memcpy(&start[13], nonce, 3 * sizeof(nonce[0]));
    memcpy(state, start, sizeof(state));
    for (unsigned i = 0; i < 10; i++) {
        double_round(state);
    }
    for (unsigned i = 0; i < 16; i++) {
        state[i] += start[i];
    }
    memcpy(out, state, CHACHA20_BLOCK);
    memset(start, 0, sizeof(start));
    memset(state, 0, sizeof(state));
    __asm__ volatile("" ::"r"(start), "r"(state) : "memory"); // so that these are not left out
}
