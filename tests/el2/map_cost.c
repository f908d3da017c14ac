// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone.
#include "map_cost.h"

#include "con/console.h"
#include "lib/bits.h"
#include "mem/stage2.h"

#define GIB      (UINT64_C(1) << 30)
#define IPA_BITS 35 // as src/vm/vm.c has it for 1 GiB of RAM

#define MARK(n) __asm__ volatile("orr x" #n ", x" #n ", x" #n ::: "memory")

void run_map_cost(const struct invocation *in)
{
    static struct pool pool;
    static struct stage2 s2;

    (void)in;
    if (pool_create(&pool, OWNER_NEWEL, 16) != 0 || stage2_init(&s2, &pool, IPA_BITS) != 0) {
        console_printf("map: no memory\n");
        return;
    }
    MARK(19);
    int err = stage2_map(&s2, gpa(GIB), hpa(GIB), GIB, S2_RWX, S2_NORMAL);
    MARK(20);
    pool_destroy(&pool);
    console_printf("map: %s\n", err == 0 ? "done" : "failed");
}
