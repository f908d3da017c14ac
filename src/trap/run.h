// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.h"

#include <stdnoreturn.h>

// Called by vectors.S. trap_call() is HVC, for which x20-x29 are not in v->regs; neither are they
// for trap_irq().
void trap_sync(struct vcpu *v, uint64_t esr);
void trap_sync_checked(struct vcpu *v, uint64_t esr); // on CPUs with ERRATUM_STAGE2_FIRST
void trap_call(struct vcpu *v, uint64_t esr);
void trap_irq(struct vcpu *v);       // GICv3
void trap_irq_gicv2(struct vcpu *v); // its twin
void trap_serror(struct vcpu *v, uint64_t esr);
// The vCPU's attention bits are not 0, and it is stored whole but for the state that moves at a
// switch; or NULL, where none has run so far. Returns the vCPU to enter: after another look at its
// attention bits.
struct vcpu *trap_leave(struct vcpu *v);

// This CPU's ordinary life: vCPUs, work and waiting.
noreturn void trap_run_cpu(void);
