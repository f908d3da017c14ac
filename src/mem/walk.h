// SPDX-License-Identifier: Apache-2.0
// A guest's own translation, walked in software: where the CPU's AT instruction cannot serve, and
// as its check. EL1&0 regime, 4, 16 and 64 KiB granules, addresses of up to 52 bits (Arm ARM D8.2
// to D8.5). A TCR_EL1.TGn that is reserved, or of a granule that the CPU lacks, is for the CPU to
// read as it likes: here it is a translation fault of level 0.
#pragma once

#include "mem/stage2.h"

#include <stdbool.h>
#include <stdint.h>

// What the CPU heeds of the guest's registers and tables, whatever ID registers the guest is shown.
struct walk_cpu {
    unsigned pa_bits;        // 32..52
    bool lva;                // 52-bit virtual addresses with 64 KiB granules
    bool lpa2_4k, lpa2_16k;  // TCR_EL1.DS, by granule
    bool small_tables;       // FEAT_TTST: TnSZ up to 48, or 47
    bool access_flag, dirty; // by hardware, where TCR_EL1.HA and HD ask
    bool hpds, e0pd, pauth, epan;
};

// The guest's registers, as they are when it runs.
struct walk_regs {
    struct walk_cpu cpu;
    uint64_t sctlr, tcr, ttbr0, ttbr1, mair; // _EL1
    bool pan;                                // PSTATE.PAN
    unsigned el;                             // 0 or 1: on whose behalf
};

enum walk_access { WALK_READ, WALK_WRITE, WALK_FETCH };

// The codes of FST in PAR_EL1 and of FSC in ESR_ELx, without the level.
enum walk_fault {
    WALK_OK = -1,
    WALK_ADDRESS_SIZE = 0x00,
    WALK_TRANSLATION = 0x04,
    WALK_ACCESS_FLAG = 0x08,
    WALK_PERMISSION = 0x0c,
};

struct walk_result {
    enum walk_fault fault;
    int level;          // of the fault, or of the leaf of stage 1; -1 to 3
    bool stage2;        // the fault is stage 2's, and so is the level
    bool on_walk;       // and a descriptor's address was what it did not translate
    int walk_level;     // of stage 1, where the walk ended
    gpa_t ipa;          // of the byte; at a stage-2 fault, of what did not translate
    hpa_t pa;           // walk_both()
    uint64_t size;      // bytes that stage 1's leaf maps
    uint8_t attributes; // of MAIR_EL1
    uint8_t shareability;
};

// Stage 1 alone gives the IPA; stage 2 is used for the descriptors. Reads them through the one
// door, which populates what was not touched yet.
void walk_stage1(struct stage2 *s2, const struct walk_regs *r, gva_t va, enum walk_access access,
                 struct walk_result *out);
// And then stage 2 for the byte itself: what AT S12E1x gives.
void walk_both(struct stage2 *s2, const struct walk_regs *r, gva_t va, enum walk_access access,
               struct walk_result *out);

// What a leaf and the tables above it let each level do, PSTATE.PAN apart: bit n for enum
// walk_access n.
struct walk_rights {
    uint8_t el1, el0;
};

// walk_stage1() for nobody's access: a leaf is found whatever it permits, and without an access
// flag.
void walk_look(struct stage2 *s2, const struct walk_regs *r, gva_t va, struct walk_result *out,
               struct walk_rights *rights);

// The shape of a half of the address space, with stage 1 on. False if nothing is translated in it:
// TCR_EL1.EPDn, or a size or granule that this walker takes for a fault.
struct walk_half {
    unsigned page_bits, input_bits; // 12, 14, 16; 16..52
};
bool walk_half(const struct walk_regs *r, bool high, struct walk_half *out);

// The level of stage 1 at which a walk for va reads its descriptor from the 4 KiB page at table: -1
// to 3; of where it ends if it does not get there.
int walk_until(struct stage2 *s2, const struct walk_regs *r, gva_t va, gpa_t table);

// PAR_EL1 as AT would leave it (D19.2.113): S1E1x for walk_stage1()'s result, S12E1x for the
// other's.
uint64_t walk_par(const struct walk_result *w, bool both);
