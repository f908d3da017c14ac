// SPDX-License-Identifier: Apache-2.0
// The one table of what the CPUs can do, read from the ID registers once; and what guests are shown
// of it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// The AArch64 feature registers op0=3 op1=0 CRn=0 CRm=1..7 op2=0..7 (Arm ARM D12.3.1), raw.
#define ID_REG_COUNT       56
#define ID_INDEX(crm, op2) (((crm)-1) * 8 + (op2))

// And what else tells CPUs apart.
struct id_regs {
    uint64_t r[ID_REG_COUNT];
    uint64_t ctr;         // CTR_EL0
    uint32_t midr;        // MIDR_EL1
    uint16_t sve_lengths; // bit n: vectors of 16 * (n + 1) bytes; 0 without SVE
};

struct features {
    struct id_regs raw; // fields' minimum over all CPUs
    unsigned pa_bits;   // 32..48 (52 is used as 48)
    unsigned vmid_bits;
    bool granule_4k, granule_16k, granule_64k; // at stage 1
    bool aarch32_el0;
    bool vhe, pan, hafdbs, xnx, fwb, ttl, range_tlbi, evt, fgt, ecv, bbm2, hcx;
    bool pauth, sve, sme, mte, ras, amu, pmu, spe, trbe, csv2, csv3, rndr, lse, ssbs;
    unsigned pmu_version;              // PMUVer, 0 where there is no PMUv3
    unsigned breakpoints, watchpoints; // hardware's: 2..16
    unsigned sve_length;               // bytes of the longest vectors; 0 without SVE
    uint32_t errata;                   // of any CPU: bits of cpu/errata.h
    bool differ;                       // the CPUs' ID registers are not all the same
    bool e2h_res1;                     // HCR_EL2.E2H cannot be cleared: Newel does not run there
};

extern struct features features; // filled by the boot CPU before anybody reads it

// This CPU's registers, raw (src/arch/idregs.c).
void features_read(struct id_regs *ids);

// Works out the table from raw registers; pure, so that tests feed it any CPU.
void features_from(struct features *f, const struct id_regs *raw);
// Keeps the minimum of both, for machines whose CPUs differ.
void features_merge(struct features *f, const struct id_regs *other);

// One raw field of 4 bits, unsigned, of the register at CRm and op2.
int features_field(const struct features *f, unsigned crm, unsigned op2, unsigned shift);

// Per-VM choices that change what a guest is shown.
struct id_policy {
    bool hide_pauth, hide_sve, hide_pmu;
    bool hide_gic; // the system registers of GICv3
};

// What a guest reads: an allow-list; what Newel does not switch or emulate reads as absent.
uint64_t features_guest_id(const struct features *f, const struct id_policy *policy,
                           unsigned index);

// The first field, of AArch64's registers, in which what the CPU shows is not what a guest is to
// see of it, apart from fields that mean nothing to a guest or that it can do no harm to believe.
// False if there is none. *index: the register, ID_INDEX(); *shift: the field's lowest bit.
bool features_betrayed(const struct features *f, const struct id_policy *policy, unsigned *index,
                       unsigned *shift);
