// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/features.h"
#include "cpu/vcpu.h"
#include "mem/walk.h"

// What the machine's CPUs heed of a guest's tables.
struct walk_cpu walk_cpu_of(const struct features *f);

// The loaded guest's, on behalf of its EL1.
void walk_registers(struct walk_regs *r);
// Those of one that is whole in memory.
void walk_registers_of(const struct vcpu *v, struct walk_regs *r);

// Which level of the loaded guest's stage-1 walk for va reads its descriptor from the 4 KiB page at
// table: 0..3, level -1 being told as 0. Where the tables have changed since, the level that the
// walk gets to.
unsigned walk_level(struct vcpu *v, uint64_t va, uint64_t table);
