// SPDX-License-Identifier: Apache-2.0
// Instructions at random, short of those that would end the hostile VM's own part in the game:
// x2 to x16 hold addresses and are never written, x17 an offset, x19 a value for SCTLR_EL1, and x20
// to x25 take results.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

uint64_t random_next(struct random *r);

/* 0 to below - 1 */
static inline uint64_t random_below(struct random *r, uint64_t below)
{
    return random_next(r) % below;
}

#define INSN_SVC     0xd4000001u
#define INSN_SVC_A32 0xef000000u
#define INSN_SVC_T32 0xdf00df00u
#define INSN_HVC     0xd4000002u
#define INSN_SMC     0xd4000003u
#define INSN_WFI     0xd503207fu

/* What becomes of an instruction: words written, at most INSN_WORDS. */
#define INSN_WORDS 3

/* One instruction for EL1 or EL0; mmu: with own translation, which it must not lose. */
unsigned insn_any(struct random *r, uint32_t *to, bool mmu);

/* MRS, MSR, SYS, SYSL, hints, barriers. */
unsigned insn_system(struct random *r, uint32_t *to, bool mmu);

/* A load, store, atomic, prefetch or DC ZVA at an address in x2 to x16. */
uint32_t insn_memory(struct random *r);

/* For AArch32 EL0: coprocessor registers, A32 loads and stores, T32 IT blocks (as two halfwords).
 */
uint32_t insn_aarch32(struct random *r, bool thumb);
