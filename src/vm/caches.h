// SPDX-License-Identifier: Apache-2.0
// Which of a VM's vCPUs have their MMU or data cache off, and what becomes of maintenance by set
// and way, which knows nothing of addresses and so is made good for all of a VM's memory. None of
// it is needed where FEAT_S2FWB forces cacheability, and none of it traps.
//
// A vCPU starts with HCR_EL2.TVM, so that its turning MMU and data cache on is seen; from then on
// nothing traps but set/way, and it may turn them off again unseen.
#pragma once

#include "arch/sysreg_bits.h"
#include "cpu/vcpu.h"

// With these SCTLR_EL1 bits its data accesses can be cacheable.
static inline bool caches_on(uint64_t sctlr)
{
    return (sctlr & (SCTLR_M | SCTLR_C)) == (SCTLR_M | SCTLR_C);
}

// The vCPU is about to start, with all off. It is not loaded on any CPU.
void caches_start(struct vcpu *v);
// It is about to be turned off: what it had off does not matter any more.
void caches_stop(struct vcpu *v);

// The rest is for the CPU on which the vCPU is loaded.

// SCTLR_EL1 says that they are off, which may be news.
void caches_found_off(struct vcpu *v);
// Looks at SCTLR_EL1 for it: before Newel reads the vCPU's memory on its behalf.
void caches_look(struct vcpu *v);

// It executed DC ISW, CSW or CISW.
void caches_set_way(struct vcpu *v);
// It wrote a register that HCR_EL2.TVM traps, which is in the machine now, or a power-down did;
// sctlr: SCTLR_EL1 before.
void caches_register_written(struct vcpu *v, uint64_t sctlr);
