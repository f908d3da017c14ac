// SPDX-License-Identifier: Apache-2.0
#include "arch/bulk.h"

#include "arch/bulk_asm.h"
#include "arch/cache.h"
#include "arch/sysreg.h"

#include <stdint.h>
#include <string.h>

#define LINE 64u // what the fused loops are written for, and what every Arm core so far has

static size_t dcache_line(void)
{
    return (size_t)4 << bits_get(read_sysreg(ctr_el0), 19, 16);
}

// DC ZVA's block in bytes, 0 where it is prohibited.
static size_t zva_block(void)
{
    uint64_t dczid = read_sysreg(dczid_el0);
    return dczid & BIT(4) ? 0 : (size_t)4 << bits_get(dczid, 3, 0);
}

static OUTLINE void zero_then_clean(void *base, size_t size)
{
    zero_pages(base, size);
    dcache_clean_inval_poc(base, size);
}

void bulk_zero(void *base, size_t size, bool to_poc)
{
    if (!to_poc) {
        zero_pages(base, size);
    } else if (dcache_line() == LINE && zva_block() == LINE) {
        bulk_zero_lines_to_poc(base, size);
    } else {
        zero_then_clean(base, size);
    }
}

void bulk_copy(void *to, const void *from, size_t size, bool to_poc)
{
    size_t whole = size & ~(size_t)(4 * LINE - 1);
    bool fused = to_poc && dcache_line() == LINE;
    if (fused) {
        bulk_copy_lines_to_poc(to, from, whole);
    } else {
        bulk_copy_lines(to, from, whole);
    }
    memcpy((char *)to + whole, (const char *)from + whole, size - whole);
    if (to_poc) {
        size_t done = fused ? whole : 0;
        dcache_clean_inval_poc((char *)to + done, size - done);
    }
}
