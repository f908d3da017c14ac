// SPDX-License-Identifier: Apache-2.0
#include "arch/bulk.h"

#include "arch/cache.h"

void bulk_zero(void *base, size_t size, bool to_poc)
{
    zero_pages(base, size);
    if (to_poc) {
        dcache_clean_inval_poc(base, size);
    }
}
