// SPDX-License-Identifier: Apache-2.0
#include "lib/crc32.h"

#define POLYNOMIAL UINT32_C(0xedb88320)

// Four bits at a time: a table of 64 bytes, which no one has to fill before its first use.
#define STEP(n)                                                        \
    ((((n)&1 ? POLYNOMIAL >> 3 : 0) ^ ((n)&2 ? POLYNOMIAL >> 2 : 0)) ^ \
     (((n)&4 ? POLYNOMIAL >> 1 : 0) ^ ((n)&8 ? POLYNOMIAL : 0)))

static const uint32_t table[16] = {
    STEP(0), STEP(1), STEP(2),  STEP(3),  STEP(4),  STEP(5),  STEP(6),  STEP(7),
    STEP(8), STEP(9), STEP(10), STEP(11), STEP(12), STEP(13), STEP(14), STEP(15),
};

uint32_t crc32(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}
