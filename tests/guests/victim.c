// SPDX-License-Identifier: Apache-2.0
// A VM that does nothing but look whether all is well: its memory, its registers, its timer's
// ticks, and the answers that it gets, for `ms=` milliseconds beside whatever runs there.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define STRIDE    64
#define TICK_US   2000
#define LATEST_MS 3000 /* others have their turns, and QEMU's machine other work */

void victim_fp_fill(uint64_t seed);
uint64_t victim_fp_differences(uint64_t seed);

static volatile uint64_t ticks, latest, strays;
static uint64_t next_tick, period, length;

static void tick(void)
{
    unsigned intid = gic_ack();
    uint64_t now = timer_now();

    if (intid != TIMER_VIRT_PPI) {
        strays = strays + (intid < GIC_SPURIOUS - 3);
        return;
    }
    if (now < next_tick) {
        strays = strays + 1;
    } else if (now - next_tick > latest) {
        latest = now - next_tick;
    }
    ticks = ticks + 1;
    next_tick += period;
    write_sysreg(cntv_cval_el0, next_tick);
    gic_eoi(intid);
}

static uint64_t memory_start, memory_end;

static uint64_t expected(uint64_t addr)
{
    return (addr ^ 0x5ca1ab1e) * 0x9e3779b97f4a7c15;
}

static void fill(void)
{
    for (uint64_t p = memory_start; p < memory_end; p += STRIDE) {
        *(volatile uint64_t *)p = expected(p);
    }
}

static uint64_t wrong(void)
{
    for (uint64_t p = memory_start; p < memory_end; p += STRIDE) {
        if (*(volatile uint64_t *)p != expected(p)) {
            return p;
        }
    }
    return 0;
}

static void check_round(uint64_t seed)
{
    uint32_t typer = mmio_read32(machine.gicd + GICD_TYPER);
    uint64_t pfr0 = read_sysreg(id_aa64pfr0_el1);

    victim_fp_fill(seed);
    EXPECT_EQ(wrong(), 0);
    EXPECT_EQ(victim_fp_differences(seed), 0);
    EXPECT_EQ(psci_call(PSCI_VERSION, 0, 0, 0), 0x10001);
    EXPECT_EQ(mmio_read32(machine.gicd + GICD_TYPER), typer);
    EXPECT_EQ(read_sysreg(id_aa64pfr0_el1), pfr0);
    EXPECT_EQ(strays, 0);
}

TEST(setup)
{
    mmu_on();
    gic_init();
    length = timer_us(arg_u64("ms", 1000) * 1000); /* the device tree goes by what follows */
    memory_start = machine.ram_base + (2ul << 20);
    memory_end = machine.ram_base + machine.ram_size;
    fill();
}

TEST(notices_nothing)
{
    uint64_t begin = timer_now();
    uint64_t end = begin + length;
    uint64_t rounds = 0;
    uint64_t now;

    period = timer_us(TICK_US);
    next_tick = begin + period;
    gic_setup(TIMER_VIRT_PPI);
    exc_set_irq(tick);
    write_sysreg(cntv_cval_el0, next_tick);
    write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
    irq_enable();
    while (timer_now() < end) {
        check_round(rounds++ << 8);
    }
    delay_us(100 * TICK_US);
    irq_disable();
    now = timer_now();
    print("victim: %lu rounds, %lu ticks, the latest by %lu us\n", rounds, ticks,
          latest * 1000000 / read_sysreg(cntfrq_el0));
    EXPECT(ticks + 2 + latest / period >= (now - begin) / period);
    EXPECT(latest < timer_us(LATEST_MS * 1000));
}
