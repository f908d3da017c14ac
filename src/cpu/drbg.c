// SPDX-License-Identifier: Apache-2.0
#include "cpu/drbg.h"

#include "lib/bits.h"
#include "lib/chacha20.h"
#include "lib/spinlock.h"

#include <string.h>

// What a block is for is in its nonce.
static const uint32_t mixing[3] = {1}, reading[3] = {2};

static struct spinlock lock = SPINLOCK_INIT; // all of what follows
static uint8_t key[CHACHA20_KEY];
static bool ready;

static void wipe(void *bytes, size_t size)
{
    memset(bytes, 0, size);
    __asm__ volatile("" ::"r"(bytes) : "memory");
}

static void mix(const uint8_t *bytes, size_t size)
{
    uint8_t block[CHACHA20_BLOCK];
    for (size_t i = 0; i < size; i++) {
        key[i] ^= bytes[i];
    }
    chacha20_block(key, (uint32_t)size, mixing, block);
    memcpy(key, block, sizeof(key));
    wipe(block, sizeof(block));
}

void drbg_add(const void *bytes, size_t size)
{
    spin_lock(&lock);
    for (size_t at = 0; at < size; at += CHACHA20_KEY) {
        mix((const uint8_t *)bytes + at, MIN(size - at, (size_t)CHACHA20_KEY));
    }
    ready = ready || size >= DRBG_SEED;
    spin_unlock(&lock);
}

bool drbg_ready(void)
{
    return __atomic_load_n(&ready, __ATOMIC_RELAXED);
}

// The first half of block 0 is the next key; the rest of the stream goes out.
static void generate(uint8_t *out, size_t size)
{
    uint8_t block[CHACHA20_BLOCK], next[CHACHA20_KEY];
    size_t skip = CHACHA20_KEY;
    for (uint32_t counter = 0; counter == 0 || size > 0; counter++) {
        chacha20_block(key, counter, reading, block);
        if (counter == 0) {
            memcpy(next, block, sizeof(next));
        }
        size_t part = MIN(size, CHACHA20_BLOCK - skip);
        memcpy(out, block + skip, part);
        out += part;
        size -= part;
        skip = 0;
    }
    memcpy(key, next, sizeof(key));
    wipe(next, sizeof(next));
    wipe(block, sizeof(block));
}

bool drbg_read(void *out, size_t size)
{
    spin_lock(&lock);
    if (ready) {
        generate(out, size);
    }
    bool was = ready;
    spin_unlock(&lock);
    return was;
}
