// SPDX-License-Identifier: Apache-2.0
#include "arch/random.h"

bool random_read(uint64_t *value)
{
    uint64_t bits;
    uint64_t ok;
    __asm__ volatile("mrs %0, S3_3_C2_C4_1\n\tcset %1, ne" : "=r"(bits), "=r"(ok)::"cc");
    *value = bits;
    return ok != 0;
}
