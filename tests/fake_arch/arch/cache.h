// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for arch/cache.h: the same functions, which record their calls in order, so
// that tests check what was done, to which range and before what. A test may hook each call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void dcache_clean_poc(const void *base, size_t size);
void dcache_clean_inval_poc(const void *base, size_t size);
void dcache_inval_poc(const void *base, size_t size);
void dcache_clean_pou(const void *base, size_t size);
void icache_inval_pou(const void *base, size_t size);
void icache_inval_all(void);

void cache_dsb_ish(void);
void cache_dsb_ishst(void);
void cache_dsb_sy(void);
void cache_isb(void);

void zero_pages(void *base, size_t size);

struct tlbi_regime {
    uint64_t vttbr;
};
struct tlbi_regime tlbi_begin(uint64_t vttbr);
void tlbi_ipa(uint64_t operand, bool last);
void tlbi_ipa_range(uint64_t operand, bool last);
void tlbi_end(uint64_t vttbr, const struct tlbi_regime *old);
void tlbi_vmid(uint64_t vttbr);
void tlbi_vmid_local(uint64_t vttbr);
void tlbi_all_vmids(void);
void tlbi_el2_va(uint64_t va);
void tlbi_el2_all(void);

// ---- What tests see

enum fake_cache_op {
    FAKE_DC_CLEAN_POC,
    FAKE_DC_CLEAN_INVAL_POC,
    FAKE_DC_INVAL_POC,
    FAKE_DC_CLEAN_POU,
    FAKE_IC_INVAL_POU,
    FAKE_IC_INVAL_ALL,
    FAKE_DSB_ISH,
    FAKE_DSB_ISHST,
    FAKE_DSB_SY,
    FAKE_ISB,
    FAKE_TLBI_IPA,
    FAKE_TLBI_IPA_RANGE,
    FAKE_TLBI_VMID,
    FAKE_TLBI_END,
    FAKE_TLBI_VMID_LOCAL,
    FAKE_TLBI_ALL_VMIDS,
    FAKE_TLBI_EL2_VA,
    FAKE_TLBI_EL2_ALL,
    FAKE_OPS,
};

struct fake_cache_call {
    enum fake_cache_op op;
    uint64_t address; // base or va; of a TLBI by IPA, its operand
    uint64_t size;    // 0 where the operation has none
    uint64_t vttbr;
    bool last; // of a TLBI by IPA: last level only
};

#define FAKE_CACHE_LOG 4096

// The first FAKE_CACHE_LOG calls since fake_cache_reset(), in order; fake_cache_calls counts all.
extern struct fake_cache_call fake_cache_log[FAKE_CACHE_LOG];
extern size_t fake_cache_calls;
extern size_t fake_cache_count[FAKE_OPS];
extern size_t fake_zeroed_bytes;

// Called after each call is recorded, unless NULL; a test looks at the tables' state in it.
extern void (*fake_cache_hook)(const struct fake_cache_call *call);

// Called after zero_pages(), which is not in the log, unless NULL.
extern void (*fake_zero_hook)(uint64_t base, uint64_t size);

void fake_cache_reset(void);
