// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.h"

#include <stdnoreturn.h>

// Called by vectors.S; each returns the vCPU's attention bits (0: straight back to the guest).
uint32_t trap_sync(struct vcpu *v, uint64_t esr);
uint32_t trap_call(struct vcpu *v, uint64_t esr);
uint32_t trap_irq(struct vcpu *v);
uint32_t trap_serror(struct vcpu *v, uint64_t esr);
struct vcpu *trap_leave(struct vcpu *v);

// This CPU's ordinary life: vCPUs, work and waiting.
noreturn void trap_run_cpu(void);
