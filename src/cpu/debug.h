// SPDX-License-Identifier: Apache-2.0
// A guest's breakpoints and watchpoints. Their registers trap, so memory always holds what the
// guest wrote, and the machine's are loaded for those vCPUs alone that have one enabled.
#pragma once

#include "arch/debug.h"
#include "cpu/vcpu.h"

// The CPU's own registers disabled, whatever the firmware left in them. Once on each CPU.
void debug_init_cpu(void);

// The vCPU is about to run here. After it, the CPU holds no other vCPU's breakpoint.
void debug_load(struct vcpu *v);

// The guest's accesses, on the vCPU's own CPU. False where the CPU has no register of that number.
bool debug_read(const struct vcpu *v, enum debug_kind kind, unsigned n, uint64_t *value);
bool debug_write(struct vcpu *v, enum debug_kind kind, unsigned n, uint64_t value);
void debug_set_os_lock(struct vcpu *v, bool locked);
