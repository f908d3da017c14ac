// SPDX-License-Identifier: Apache-2.0
// Addresses, entry points and page tables that point everywhere, but for what keeps the payload
// itself alive.
#pragma once

#include "hostile/insn.h"
#include "hostile/shot.h"

/* Fills the entry points and the scratch tables. Once, before anything else here. */
void wild_prepare(void);

/* A guest-physical address from which no access of insn.h reaches the payload. */
uint64_t wild_pa(struct random *r);

/* A virtual address under wild_translation(). */
uint64_t wild_va(struct random *r);

/* An address in RAM that leads to hostile_landing, and one that PSCI must refuse. */
uint64_t wild_entry(struct random *r);
uint64_t wild_bad_entry(struct random *r);

/* The shot's translation: the payload mapped read-only, the rest changed a little and wild. */
void wild_translation(struct random *r, struct shot *s, unsigned cpu);
