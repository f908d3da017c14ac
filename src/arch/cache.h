// SPDX-License-Identifier: Apache-2.0
// Cache and TLB maintenance (Arm ARM D7.5.9, D8.17). The host's stand-in records the calls, so that
// tests check their order.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Data cache by virtual address, over every line that [base, base+size) touches. No barrier is
// implied: end a batch by dsb.
void dcache_clean_poc(const void *base, size_t size);
void dcache_clean_inval_poc(const void *base, size_t size);
void dcache_inval_poc(const void *base, size_t size); // whole lines; what is dirty is lost
void dcache_clean_pou(const void *base, size_t size);
void icache_inval_pou(const void *base,
                      size_t size); // by EL2's own address, where the I-cache is PIPT
void icache_inval_all(void);        // IC IALLUIS

void cache_dsb_ish(void);
void cache_dsb_ishst(void);
void cache_isb(void);

// Zeroes whole pages by the fastest means there is.
void zero_pages(void *base, size_t size);

// Stage-2 TLB invalidation for the VM whose VTTBR_EL2 value is given (it is put into the register
// for the moment if another one is there), Inner Shareable, completed (DSB) on return and with
// stage-1 results gone where they can hold it.
void tlbi_ipa(uint64_t vttbr, uint64_t ipa, unsigned level, unsigned granule_shift);
void tlbi_ipa_range(uint64_t vttbr, uint64_t ipa, uint64_t size);
void tlbi_vmid(uint64_t vttbr); // all of the VM's, both stages
void tlbi_vmid_local(uint64_t vttbr);
void tlbi_all_vmids(void);
void tlbi_local_el1(void); // of every VMID, on this CPU alone
// EL2's own regime.
void tlbi_el2_va(uint64_t va);
void tlbi_el2_all(void);

// Once, before any of these is called for a VM (cpu/errata.h): do broadcast TLBIs twice; let no
// stage-1 walk begin while VTTBR_EL2 is another VM's than EL1's registers.
void tlbi_set_errata(bool repeat, bool guard);
