// SPDX-License-Identifier: Apache-2.0
#include "mem/coherence.h"

#include "arch/bulk.h"
#include "arch/cache.h"
#include "lib/bits.h"

// From here on one instruction that empties the cache costs the machine less than many by address.
#define EMPTY_FROM UINT64_C(65536)

// CTR_EL0 (D19.2.34)
#define CTR_IDC     BIT(28)
#define CTR_DIC     BIT(29)
#define CTR_L1IP(c) bits_get(c, 15, 14)
#define CTR_IMIN(c) bits_get(c, 3, 0)
#define CTR_DMIN(c) bits_get(c, 19, 16)
#define L1IP_PIPT   3

static struct coherence_features features;

void coherence_setup(const struct coherence_features *f)
{
    features = *f;
}

bool coherence_lazy(void)
{
    return (features.ctr & (CTR_IDC | CTR_DIC)) != (CTR_IDC | CTR_DIC);
}

static size_t lines(hpa_t base, size_t size, uint64_t log)
{
    uint64_t shift = log + 2; // the field counts words

    return (size_t)(((base.v + size - 1) >> shift) - (base.v >> shift) + 1);
}

static void clean_and_invalidate(struct coherence_counters *c, hpa_t base, size_t size)
{
    dcache_clean_inval_poc(hpa_ptr(base), size);
    cache_dsb_ish();
    c->lines_cleaned += lines(base, size, CTR_DMIN(features.ctr));
}

void coherence_hand_over(struct coherence_counters *c, hpa_t base, size_t size)
{
    if (!features.fwb && NEWEL_MUTATION != MUTATION_NO_HAND_OVER) {
        clean_and_invalidate(c, base, size);
    }
}

void coherence_hand_over_zeroed(struct coherence_counters *c, hpa_t base, size_t size)
{
    bool clean = !features.fwb && NEWEL_MUTATION != MUTATION_NO_HAND_OVER;

    bulk_zero(hpa_ptr(base), size, clean);
    if (clean) {
        cache_dsb_ish();
        c->lines_cleaned += size >> (CTR_DMIN(features.ctr) + 2);
    }
}

void coherence_before_read(struct coherence_counters *c, hpa_t base, size_t size)
{
    if (!features.fwb) {
        clean_and_invalidate(c, base, size);
    }
}

bool coherence_cleans_fill(void)
{
    return NEWEL_MUTATION != MUTATION_NO_HAND_OVER &&
           (!features.fwb || (features.ctr & CTR_IDC) == 0);
}

void coherence_filled(struct coherence_counters *c, hpa_t base, size_t size)
{
    if (coherence_cleans_fill()) {
        c->lines_cleaned += lines(base, size, CTR_DMIN(features.ctr));
    }
    cache_dsb_ish();
    if (NEWEL_MUTATION != MUTATION_NO_INVALIDATE) {
        icache_inval_all();
        c->icache_emptied++;
    }
    cache_dsb_ish();
    cache_isb();
    c->pages_executable += size / PAGE_SIZE;
}

static void clean(struct coherence_counters *c, hpa_t base, size_t size, bool uncached)
{
    if (NEWEL_MUTATION == MUTATION_NO_CLEAN) {
        return;
    }
    if (uncached) {
        dcache_clean_poc(hpa_ptr(base), size);
    } else if ((features.ctr & CTR_IDC) == 0) {
        dcache_clean_pou(hpa_ptr(base), size);
    } else {
        cache_dsb_ishst(); // what IDC still asks for
        return;
    }
    c->lines_cleaned += lines(base, size, CTR_DMIN(features.ctr));
    cache_dsb_ish();
}

static void invalidate(struct coherence_counters *c, hpa_t base, size_t size)
{
    if (NEWEL_MUTATION == MUTATION_NO_INVALIDATE || (features.ctr & CTR_DIC) != 0) {
        return;
    }
    // EL2's address of a line finds it in a PIPT cache alone; the guest's address differs.
    if (size >= EMPTY_FROM || CTR_L1IP(features.ctr) != L1IP_PIPT) {
        icache_inval_all();
        c->icache_emptied++;
    } else {
        icache_inval_pou(hpa_ptr(base), size);
        c->lines_invalidated += lines(base, size, CTR_IMIN(features.ctr));
    }
    cache_dsb_ish();
    cache_isb();
}

void coherence_make_executable(struct coherence_counters *c, hpa_t base, size_t size, bool uncached)
{
    clean(c, base, size, uncached);
    invalidate(c, base, size);
    c->pages_executable += size / PAGE_SIZE;
}

void coherence_make_fresh_executable(struct coherence_counters *c, hpa_t base, size_t size)
{
    // What is clean at the point of coherency is so at the point of unification.
    if (features.fwb) {
        clean(c, base, size, false);
    }
    invalidate(c, base, size);
    c->pages_executable += size / PAGE_SIZE;
}
