// SPDX-License-Identifier: Apache-2.0
// A vCPU's state into the machine and out of it, when the vCPU on a CPU changes.
#pragma once

#include "cpu/features.h"
#include "cpu/percpu.h"
#include "cpu/vcpu.h"

// Vectors and EL2 controls that no vCPU changes; once on each CPU. own: its ID registers.
void switch_init_cpu(const struct id_regs *own);
// What a CPU that has come up has been found to need; on the boot CPU, with features merged.
void switch_heed_errata(const struct percpu *cpu, const struct id_regs *its);

// The traps and controls a new vCPU starts with, by the feature table.
void switch_init_vcpu(struct vcpu *v);

// After vcpu_save() the vCPU is whole in memory; vcpu_load() of the vCPU that was here last skips
// what is still in the machine.
void vcpu_save(struct vcpu *v);
void vcpu_load(struct vcpu *v);

// The vCPU that runs here gets its FP/SIMD registers; until then their use traps. If it has more in
// SVE's registers than these hold, it gets them all.
void fp_load(struct vcpu *v);
// The same with all of SVE's registers. False if the guest is shown none.
bool sve_load(struct vcpu *v);
// For an instruction that is emulated: v->fp holds the FP/SIMD registers of the vCPU that runs
// here; then the machine those of v->fp, of which the mask's were written.
void fp_view(struct vcpu *v);
void fp_update(struct vcpu *v, uint32_t written);
void pauth_load(struct vcpu *v);
// Newel is about to use SIMD registers itself (a library while a VM is built): no vCPU's are in
// them afterwards.
void fp_borrow(void);

// Which of vectors.S's tables all CPUs choose from: VECTORS_GICV2 and up or, with 0, those before
// it. Before the first switch_init_cpu().
void switch_choose_vectors(unsigned first);
// vectors.S: which of its tables (VECTORS_PLAIN...) exceptions from a guest take from now on.
void cpu_vectors_install(unsigned table);
// Into guests, for the first time on this CPU.
_Noreturn void vcpu_enter_first(void);
