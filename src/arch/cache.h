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
void cache_dsb_sy(void); // for who looks with caches off
void cache_isb(void);

// Zeroes whole pages by the fastest means there is.
void zero_pages(void *base, size_t size);

// TLB invalidation, Inner Shareable, for the VM whose VTTBR_EL2 value is given; that is put into
// the register for the moment if another one is there. By address: cache_dsb_ishst() for the
// tables, tlbi_begin(), what is to be invalidated, tlbi_end(); when that returns it is complete
// (DSB), and stage-1 results that may have been combined with it are gone too. Operands as in the
// instructions (Arm ARM C5.5): mem/s2_tlb.c makes them. last: entries of the last level alone (the
// L forms).
struct tlbi_regime {
    uint64_t vttbr, tcr, sctlr;
};
struct tlbi_regime tlbi_begin(uint64_t vttbr);
void tlbi_ipa(uint64_t operand, bool last);
void tlbi_ipa_range(uint64_t operand, bool last); // FEAT_TLBIRANGE
void tlbi_end(uint64_t vttbr, const struct tlbi_regime *old);
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
