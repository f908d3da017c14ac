// SPDX-License-Identifier: Apache-2.0
#include "trap/trap.h"

#include "arch/sysreg_bits.h"

// ITSTATE<7:2> is in bits 15..10 of the PSTATE word, ITSTATE<1:0> in bits 26..25 (Arm ARM G1.9.1).
uint64_t aarch32_advance_it(uint64_t pstate)
{
    uint64_t it = (bits_get(pstate, 15, 10) << 2) | bits_get(pstate, 26, 25);
    if ((it & 7) == 0) {
        it = 0;
    } else {
        it = (it & 0xe0) | ((it << 1) & 0x1f);
    }
    return bits_set(bits_set(pstate, 15, 10, it >> 2), 26, 25, it & 3);
}
