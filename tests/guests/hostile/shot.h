// SPDX-License-Identifier: Apache-2.0
// A shot: a handful of generated instructions, run with chosen registers, translation and state.
// hostile_asm.S mirrors the offsets.
#pragma once

#ifdef __ASSEMBLER__
#define SHOT_SAVED_SP   248
#define SHOT_LOOP_SP    256
#define SHOT_ENTRY      264
#define SHOT_SPSR       272
#define SHOT_SCTLR      280
#define SHOT_TTBR0      288
#define SHOT_TTBR1      296
#define SHOT_TCR        304
#define SHOT_MAIR       312
#define SHOT_ENDED_BY   320
#define SHOT_EXCEPTIONS 328
#define SHOT_CODE_BYTES 256
#define SHOT_SIZE_LOG   9
#else
#include <stddef.h>
#include <stdint.h>

#define SHOT_WORDS 64 /* of code */
#define HOSTILES   2  /* vCPUs that shoot */

/*
 * While a shot runs, x26 to x30 are the vectors': x26 scratch, x27 counts exceptions, x28 holds the
 * vectors' address, x29 SCTLR_EL1, x30 the code's address. A synchronous exception skips its
 * instruction; SVC, an interrupt and what cannot be skipped end the shot.
 */
struct shot {
    uint64_t x[31]; /* x0 to x25 are loaded */
    uint64_t saved_sp;
    uint64_t loop_sp;
    uint64_t entry;
    uint64_t spsr;
    uint64_t sctlr; /* with bit 0, TTBRn_EL1, TCR_EL1 and MAIR_EL1 are loaded too */
    uint64_t ttbr0, ttbr1, tcr, mair;
    uint64_t ended_by; /* exception class, or 0x100 + vector number */
    uint64_t exceptions;
    uint64_t unused[22];
};
_Static_assert(sizeof(struct shot) == 512, "hostile_asm.S");
_Static_assert(offsetof(struct shot, exceptions) == 328, "hostile_asm.S");

#define SHOT_ENDED_BY_IRQ(e) (((e)&0x100) && (((e)&3) == 1 || ((e)&3) == 2))

extern struct shot hostile_shots[HOSTILES];

/* Runs this CPU's shot. On return the MMU is off, exceptions are masked, VBAR_EL1 is the shots'. */
void hostile_run(struct shot *shot);

/* Calls hostile_loop() until it returns, on this CPU; a CPU that comes up at hostile_landing calls
 * it again. */
void hostile_enter(struct shot *shot);
void hostile_loop(struct shot *shot);

extern char hostile_landing[];
#endif
