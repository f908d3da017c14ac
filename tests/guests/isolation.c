// SPDX-License-Identifier: Apache-2.0
// Memory of a VM: all of it is there and keeps what is written while others do the same with
// another `pattern=`, and none but its own can be reached, by any access or page-table walk.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define FSC_SEA      0x10
#define FSC_SEA_WALK 0x14 /* + level */
#define STRIDE       64
#define FIRST        (2ul << 20) /* the payload and the device tree may stand below */

static uint64_t pattern;
static uint64_t memory_start, memory_end;

static uint64_t expected(uint64_t addr)
{
    return pattern ^ (addr * 0x9e3779b97f4a7c15);
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

TEST(setup)
{
    mmu_on();
    pattern = arg_u64("pattern", 0x0123456789abcdef);
    memory_start = machine.ram_base + FIRST;
    memory_end = machine.ram_base + machine.ram_size;
    EXPECT(memory_end > memory_start);
}

/* A VM's memory holds nothing of what another left there: zero, or what the loader put. */
TEST(memory_begins_as_zero)
{
    unsigned dirty = 0;

    SKIP_UNLESS(strict(), "a machine's memory holds its boot loader's things");
    for (uint64_t page = memory_start; page < memory_end; page += 4096) {
        for (uint64_t p = page; p < page + 4096; p += 8) {
            if (*(volatile uint64_t *)p) {
                dirty++;
                break;
            }
        }
    }
    EXPECT(dirty <= 256); /* device tree */
}

TEST(all_memory_is_there)
{
    uint64_t saved = *(volatile uint64_t *)(memory_end - 8);

    *(volatile uint64_t *)(memory_end - 8) = 1;
    EXPECT_EQ(*(volatile uint64_t *)(memory_end - 8), 1);
    *(volatile uint64_t *)(memory_end - 8) = saved;
}

TEST(pattern_stays)
{
    uint64_t rounds = arg_u64("rounds", 5);

    fill();
    for (uint64_t i = 0; i < rounds; i++) {
        EXPECT_EQ(wrong(), 0);
        delay_us(20000);
        pattern = pattern * 6364136223846793005 + 1442695040888963407;
        fill();
    }
    EXPECT_EQ(wrong(), 0);
}

static void read_at(uint64_t addr)
{
    *(volatile uint64_t *)addr;
}

static void write_at(uint64_t addr)
{
    *(volatile uint64_t *)addr = 0xbad;
}

static void zero_at(uint64_t addr)
{
    __asm__ volatile("dc zva, %0" ::"r"(addr) : "memory");
}

static void atomic_at(uint64_t addr)
{
    uint64_t old;

    __asm__ volatile("ldxr %0, [%1]" : "=r"(old) : "r"(addr) : "memory");
}

static void call_at(uint64_t addr)
{
    ((void (*)(void))addr)();
}

static void check_sea(exc_fn fn, uint64_t addr, unsigned ec)
{
    struct exc_info info;

    if (!expect_exception(&info, fn, addr)) {
        test_fail(__FILE_NAME__, __LINE__, "0x%lx can be reached", addr);
    } else if (ESR_EC(info.esr) != ec || ESR_FSC(info.esr) != FSC_SEA || info.far != addr) {
        test_fail(__FILE_NAME__, __LINE__, "0x%lx: ESR 0x%lx FAR 0x%lx", addr, info.esr, info.far);
    }
}

/* Everything around RAM, then each power of two up to what the CPU can address. */
TEST(outside_is_an_external_abort)
{
    uint64_t end = machine.ram_base + machine.ram_size;

    check_sea(read_at, end, EC_DABT_CUR);
    check_sea(write_at, end, EC_DABT_CUR);
    check_sea(read_at, end + 0x1ff000, EC_DABT_CUR);
    check_sea(write_at, end + (64ul << 20), EC_DABT_CUR);
}

TEST(far_outside_is_an_external_abort)
{
    SKIP_UNLESS(strict(), "a bare machine has more there");
    check_sea(read_at, machine.ram_base - 8, EC_DABT_CUR);
    check_sea(write_at, machine.ram_base - 4096, EC_DABT_CUR);
    for (unsigned bit = 32; bit < 39; bit++) {
        check_sea(read_at, 1ul << bit, EC_DABT_CUR);
        check_sea(write_at, (1ul << bit) + 0x40200000, EC_DABT_CUR);
    }
}

/* Normal memory attributes, so that exclusives, DC ZVA and fetches are allowed by the payload's own
 * tables. */
TEST(outside_by_other_means)
{
    uint64_t outside = (machine.ram_base + machine.ram_size + 0x200000) & ~0xffful;
    uint64_t alias = 0x3000000000;

    mmu_map_page(alias, outside, PTE_NORMAL);
    check_sea(read_at, alias, EC_DABT_CUR);
    check_sea(call_at, alias, EC_IABT_CUR);
    check_sea(zero_at, alias, EC_DABT_CUR);
    SKIP_UNLESS(strict(), "bare QEMU gives exclusives another status");
    check_sea(atomic_at, alias, EC_DABT_CUR);
}

/* Cache maintenance by address outside: allowed to do nothing or to abort, not to reach or to hang.
 */
TEST(cache_maintenance_outside)
{
    uint64_t outside = (machine.ram_base + machine.ram_size + 0x200000) & ~0xffful;
    uint64_t alias = 0x3000000000;

    mmu_map_page(alias, outside, PTE_NORMAL);
    exc_skip_mode(true);
    __asm__ volatile(
        "dc civac, %0\n\tdc cvac, %0\n\tdc cvau, %0\n\tdc ivac, %0\n\tic ivau, %0\n\tdsb sy" ::"r"(
            alias)
        : "memory");
    exc_skip_mode(false);
}

static uint64_t table_page[512] __attribute__((aligned(4096)));

/* The payload's own page tables point outside: the abort tells of the walk and its level. */
static void check_walk(unsigned level, uint64_t bad_table)
{
    uint64_t old_ttbr = read_sysreg(ttbr0_el1);
    uint64_t va = 0x3f80000000; /* an entry of the root nothing else uses */
    uint64_t *root = (uint64_t *)(old_ttbr & 0xfffffffff000);
    uint64_t saved = root[va >> 30];
    struct exc_info info;
    bool taken;

    table_page[0] = bad_table | PTE_VALID | PTE_TABLE;
    *(volatile uint64_t *)&root[va >> 30] =
        (level == 2 ? bad_table : (uint64_t)table_page) | PTE_VALID | PTE_TABLE;
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
    taken = expect_exception(&info, read_at, va);
    *(volatile uint64_t *)&root[va >> 30] = saved;
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
    EXPECT(taken);
    EXPECT_EQ(ESR_EC(info.esr), EC_DABT_CUR);
    EXPECT_EQ(ESR_FSC(info.esr), FSC_SEA_WALK + level);
    EXPECT_EQ(info.far, va);
}

TEST(page_tables_outside)
{
    uint64_t outside = (machine.ram_base + machine.ram_size + 0x200000) & ~0xffful;

    check_walk(2, outside);
    check_walk(3, outside);
}

/* A device is no page table either. */
TEST(page_tables_in_a_device)
{
    SKIP_UNLESS(strict(), "bare QEMU reads a device as a table");
    check_walk(2, machine.gicd);
    check_walk(3, machine.uart);
}

static volatile uint64_t other_wrong;

static void check_on_other_cpu(uint64_t unused)
{
    (void)unused;
    other_wrong = wrong();
}

TEST(every_cpu_sees_the_same_memory)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    fill();
    other_wrong = 1;
    EXPECT_EQ(cpu_start(1, check_on_other_cpu, 0), 0);
    EXPECT(cpu_join(1));
    EXPECT_EQ(other_wrong, 0);
}

TEST(still_unharmed)
{
    EXPECT_EQ(wrong(), 0);
}
