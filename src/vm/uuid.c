// SPDX-License-Identifier: Apache-2.0
#include "vm/uuid.h"

// FNV-1a, each half from a beginning of its own.
static uint64_t hash(const char *name, uint64_t state)
{
    for (; *name != '\0'; name++) {
        state = (state ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    }
    return state ^ state >> 32;
}

void vm_uuid(const struct vm_config *config, uint8_t uuid[16])
{
    uint64_t halves[2] = {hash(config->name, UINT64_C(0xcbf29ce484222325)),
                          hash(config->name, UINT64_C(0x6e6577656c2d766d))};
    for (unsigned i = 0; i < 16; i++) {
        uuid[i] = (uint8_t)(halves[i / 8] >> (8 * (7 - i % 8)));
    }
    uuid[6] = 0x80 | (uuid[6] & 0x0f); // version 8
    uuid[8] = 0x80 | (uuid[8] & 0x3f); // variant
}
