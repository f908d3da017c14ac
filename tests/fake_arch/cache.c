// SPDX-License-Identifier: Apache-2.0
#include "arch/cache.h"

#include <string.h>

struct fake_cache_call fake_cache_log[FAKE_CACHE_LOG];
size_t fake_cache_calls;
size_t fake_cache_count[FAKE_OPS];
size_t fake_zeroed_bytes;
void (*fake_cache_hook)(const struct fake_cache_call *call);
void (*fake_zero_hook)(uint64_t base, uint64_t size);

void fake_cache_reset(void)
{
    fake_cache_calls = 0;
    fake_zeroed_bytes = 0;
    memset(fake_cache_count, 0, sizeof(fake_cache_count));
}

// Several threads may get here at once; the log's order is then that of the counter.
static void record(struct fake_cache_call call)
{
    size_t at = __atomic_fetch_add(&fake_cache_calls, 1, __ATOMIC_RELAXED);

    if (at < FAKE_CACHE_LOG) {
        fake_cache_log[at] = call;
    }
    __atomic_fetch_add(&fake_cache_count[call.op], 1, __ATOMIC_RELAXED);
    if (fake_cache_hook != NULL) {
        fake_cache_hook(&call);
    }
}

static void record_lines(enum fake_cache_op op, const void *base, size_t size)
{
    record((struct fake_cache_call){.op = op, .address = (uintptr_t)base, .size = size});
}

void dcache_clean_poc(const void *base, size_t size)
{
    record_lines(FAKE_DC_CLEAN_POC, base, size);
}

void dcache_clean_inval_poc(const void *base, size_t size)
{
    record_lines(FAKE_DC_CLEAN_INVAL_POC, base, size);
}

void dcache_inval_poc(const void *base, size_t size)
{
    record_lines(FAKE_DC_INVAL_POC, base, size);
}

void dcache_clean_pou(const void *base, size_t size)
{
    record_lines(FAKE_DC_CLEAN_POU, base, size);
}

void icache_inval_pou(const void *base, size_t size)
{
    record_lines(FAKE_IC_INVAL_POU, base, size);
}

void icache_inval_all(void)
{
    record((struct fake_cache_call){.op = FAKE_IC_INVAL_ALL});
}

void cache_dsb_ish(void)
{
    record((struct fake_cache_call){.op = FAKE_DSB_ISH});
}

void cache_dsb_ishst(void)
{
    record((struct fake_cache_call){.op = FAKE_DSB_ISHST});
}

void cache_dsb_sy(void)
{
    record((struct fake_cache_call){.op = FAKE_DSB_SY});
}

void cache_isb(void)
{
    record((struct fake_cache_call){.op = FAKE_ISB});
}

void zero_pages(void *base, size_t size)
{
    memset(base, 0, size);
    __atomic_fetch_add(&fake_zeroed_bytes, size, __ATOMIC_RELAXED);
    if (fake_zero_hook != NULL) {
        fake_zero_hook((uintptr_t)base, size);
    }
}

// Between tlbi_begin() and tlbi_end(): of this thread, like the register.
static _Thread_local uint64_t vttbr_now;

struct tlbi_regime tlbi_begin(uint64_t vttbr)
{
    vttbr_now = vttbr;
    return (struct tlbi_regime){vttbr};
}

void tlbi_ipa(uint64_t operand, bool last)
{
    record((struct fake_cache_call){
        .op = FAKE_TLBI_IPA, .address = operand, .vttbr = vttbr_now, .last = last});
}

void tlbi_ipa_range(uint64_t operand, bool last)
{
    record((struct fake_cache_call){
        .op = FAKE_TLBI_IPA_RANGE, .address = operand, .vttbr = vttbr_now, .last = last});
}

void tlbi_end(uint64_t vttbr, const struct tlbi_regime *old)
{
    record((struct fake_cache_call){
        .op = FAKE_TLBI_END, .vttbr = vttbr == vttbr_now && old->vttbr == vttbr ? vttbr : 0});
    vttbr_now = 0;
}

void tlbi_vmid(uint64_t vttbr)
{
    record((struct fake_cache_call){.op = FAKE_TLBI_VMID, .vttbr = vttbr});
}

void tlbi_vmid_local(uint64_t vttbr)
{
    record((struct fake_cache_call){.op = FAKE_TLBI_VMID_LOCAL, .vttbr = vttbr});
}

void tlbi_all_vmids(void)
{
    record((struct fake_cache_call){.op = FAKE_TLBI_ALL_VMIDS});
}

void tlbi_el2_va(uint64_t va)
{
    record((struct fake_cache_call){.op = FAKE_TLBI_EL2_VA, .address = va});
}

void tlbi_el2_all(void)
{
    record((struct fake_cache_call){.op = FAKE_TLBI_EL2_ALL});
}
