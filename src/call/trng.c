// SPDX-License-Identifier: Apache-2.0
#include "call/trng.h"

#include "arch/random.h"
#include "cpu/drbg.h"
#include "cpu/features.h"
#include "lib/bits.h"

#define VERSION_1_0 0x10000

#define TRIES 10 // a source that is drained recovers; more would keep the CPU

// Newel's, as an implementation: 3a6e91d2-0c4f-4e57-8b1d-6e6577656c72, as four words in memory
// order.
static const uint32_t uuid[4] = {0xd2916e3au, 0x574e4f0cu, 0x656e1d8bu, 0x726c6577u};

static bool fresh(uint64_t *value)
{
    if (!features.rndr) {
        return drbg_read(value, sizeof(*value));
    }
    for (unsigned i = 0; i < TRIES; i++) {
        if (random_read(value)) {
            return true;
        }
    }
    return false;
}

// Three registers of width bits, the last of them holding the lowest; what is above bits is zero.
static int64_t random(struct vcpu *v, uint64_t bits, unsigned width)
{
    uint64_t words[3] = {0, 0, 0};
    if (bits == 0 || bits > UINT64_C(3) * width) {
        return TRNG_INVALID_PARAMETERS;
    }
    for (unsigned i = 0; i < 3 && bits > 0; i++) {
        unsigned n = (unsigned)MIN(bits, (uint64_t)width);
        if (!fresh(&words[i])) {
            return TRNG_NO_ENTROPY;
        }
        words[i] &= MASK(n - 1, 0);
        bits -= n;
    }
    v->regs.x[1] = words[2];
    v->regs.x[2] = words[1];
    v->regs.x[3] = words[0];
    return 0;
}

static int64_t get_uuid(struct vcpu *v)
{
    v->regs.x[1] = uuid[1];
    v->regs.x[2] = uuid[2];
    v->regs.x[3] = uuid[3];
    return uuid[0];
}

static int64_t supported(uint32_t function)
{
    return (function >= TRNG_VERSION && function <= TRNG_RND_32) || function == TRNG_RND_64
               ? 0
               : TRNG_NOT_SUPPORTED;
}

static int64_t answer(struct vcpu *v, uint32_t function)
{
    switch (function) {
    case TRNG_VERSION:
        return VERSION_1_0;
    case TRNG_FEATURES:
        return supported((uint32_t)v->regs.x[1]);
    case TRNG_GET_UUID:
        return get_uuid(v);
    case TRNG_RND_32:
        return random(v, (uint32_t)v->regs.x[1], 32);
    case TRNG_RND_64:
        return random(v, v->regs.x[1], 64);
    default:
        return TRNG_NOT_SUPPORTED;
    }
}

void trng_call(struct vcpu *v, uint32_t function)
{
    int64_t result = features.rndr || drbg_ready() ? answer(v, function) : TRNG_NOT_SUPPORTED;
    v->regs.x[0] = (uint64_t)result;
}
