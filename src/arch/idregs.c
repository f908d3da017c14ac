// SPDX-License-Identifier: Apache-2.0
// The whole ID space at once: encodings that are not allocated read as zero (Arm ARM D12.3.1).
#include "arch/cpu.h"
#include "arch/fp.h"
#include "arch/sysreg.h"
#include "cpu/features.h"

#define ROW(crm)                                                    \
    do {                                                            \
        ids->r[ID_INDEX(crm, 0)] = read_sysreg(S3_0_C0_C##crm##_0); \
        ids->r[ID_INDEX(crm, 1)] = read_sysreg(S3_0_C0_C##crm##_1); \
        ids->r[ID_INDEX(crm, 2)] = read_sysreg(S3_0_C0_C##crm##_2); \
        ids->r[ID_INDEX(crm, 3)] = read_sysreg(S3_0_C0_C##crm##_3); \
        ids->r[ID_INDEX(crm, 4)] = read_sysreg(S3_0_C0_C##crm##_4); \
        ids->r[ID_INDEX(crm, 5)] = read_sysreg(S3_0_C0_C##crm##_5); \
        ids->r[ID_INDEX(crm, 6)] = read_sysreg(S3_0_C0_C##crm##_6); \
        ids->r[ID_INDEX(crm, 7)] = read_sysreg(S3_0_C0_C##crm##_7); \
    } while (0)

// A length that the CPU does not have gives the next shorter one.
static uint16_t read_sve_lengths(void)
{
    uint16_t lengths = 0;
    for (unsigned len = 0; len < 16; len++) {
        write_sysreg(ZCR_EL2, len);
        isb();
        lengths |= (uint16_t)BIT(sve_vector_bytes() / 16 - 1);
    }
    return lengths;
}

void features_read(struct id_regs *ids)
{
    ROW(1);
    ROW(2);
    ROW(3);
    ROW(4);
    ROW(5);
    ROW(6);
    ROW(7);
    ids->midr = (uint32_t)read_sysreg(midr_el1);
    ids->ctr = read_sysreg(ctr_el0);
    ids->sve_lengths = bits_get(ids->r[ID_INDEX(4, 0)], 35, 32) != 0 ? read_sve_lengths() : 0;
}
