// SPDX-License-Identifier: Apache-2.0
// How the CPUs' time is shared: every vCPU computes from one moment to another (from-ms, to-ms: of
// the machine's counter, which all VMs see), and says what it got and what was stolen from it.
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define PV_TIME_ST 0xc5000021u

static uint64_t from, to; // ticks
static struct {
    uint64_t rounds, stolen_ns;
} got[CPU_MAX];

static uint64_t physical_now(void)
{
    isb();
    return read_sysreg(cntpct_el0);
}

static volatile uint64_t *stolen_ns(void)
{
    uint64_t record = (uint64_t)hvc_call(PV_TIME_ST, 0, 0, 0);

    return (volatile uint64_t *)(record + 8);
}

static void compute(uint64_t index)
{
    volatile uint64_t *stolen = strict() ? stolen_ns() : &got[index].stolen_ns;
    uint64_t rounds = 0, before;

    while (physical_now() < from) {
    }
    before = *stolen;
    while (physical_now() < to) {
        rounds++;
    }
    got[index].stolen_ns = *stolen - before;
    got[index].rounds = rounds;
}

static uint64_t ticks(uint64_t ms)
{
    return read_sysreg(cntfrq_el0) * ms / 1000;
}

TEST(every_cpu_computes)
{
    mmu_on();
    from = ticks(arg_u64("from-ms", 0));
    to = ticks(arg_u64("to-ms", 0));
    if (to == 0) {
        from = physical_now() + ticks(100);
        to = from + ticks(500);
    }
    if (strict()) {
        uint64_t page = (uint64_t)hvc_call(PV_TIME_ST, 0, 0, 0) & ~0xffful;

        mmu_map_page(page, page, PTE_NORMAL | PTE_PXN | PTE_UXN);
    }
    for (unsigned i = 1; i < cpu_count(); i++) {
        EXPECT_EQ(cpu_start(i, compute, i), 0);
    }
    EXPECT(physical_now() < from);
    compute(0);
    for (unsigned i = 0; i < cpu_count(); i++) {
        EXPECT(i == 0 || cpu_join(i));
        print("share: vcpu %u rounds %lu stolen-ns %lu\n", i, got[i].rounds, got[i].stolen_ns);
        EXPECT(got[i].rounds > 0);
    }
}

/* All that want to compute all the time have together, of each second, what `pcpus` CPUs give. */
TEST(stolen_time_is_what_others_had)
{
    uint64_t pcpus = arg_u64("pcpus", 0), sum = 0, all;

    SKIP_UNLESS(strict() && pcpus > 0, "not alone on a known number of CPUs");
    for (unsigned i = 0; i < cpu_count(); i++) {
        sum += got[i].stolen_ns;
    }
    all = (to - from) * 1000 / (read_sysreg(cntfrq_el0) / 1000000) * (cpu_count() - pcpus);
    EXPECT(sum > all - all / 5 && sum < all + all / 5);
}
