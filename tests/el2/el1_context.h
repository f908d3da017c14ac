// SPDX-License-Identifier: Apache-2.0
// EL1's translation regime as a guest's, for tests at EL2 that walk tables of their own making.
#pragma once

#include "mem/walk.h"

// Keeps what is in force, and puts a space's stage 2 in its place.
void el1_enter(const struct stage2 *s2);
// EL1's registers; nothing of the space is in the TLBs after it.
void el1_load(const struct stage2 *s2, const struct walk_regs *r);
// Puts back what el1_enter() kept. Was PAR_EL1 still what it was then?
bool el1_leave(const struct stage2 *s2);
