// SPDX-License-Identifier: Apache-2.0
// The parking code (src/park/) on CPUs that PSCI sends there: by which words it lets a CPU go, what
// wakes it, and how the CPU arrives.
#include "park/page.h"

#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define SOON_US 2000000
#define LONG_US 30000 // much longer than the event stream's period

#define ID(n)   (0x100 * (n) + 7) // nobody's index
#define ANY_SGI 5

extern char park_probe_entry[];

/* Filled by park_probe_entry with the MMU off, for the CPU of this MPIDR. */
struct probe {
    uint64_t x0;
    uint64_t current_el;
    uint64_t sctlr;
    uint64_t daif;
    uint64_t mpidr;
    uint64_t enabled; /* of the GIC's interface */
    uint64_t cntkctl;
    uint64_t times;
};

/* With GICv2 the CPU interface, for park_probe_entry. */
extern uint64_t probe_gicc;
uint64_t probe_gicc;

extern struct probe probes[CPU_MAX];
struct probe probes[CPU_MAX] __attribute__((aligned(64)));

static uint8_t pages[CPU_MAX][PARK_PAGE_SIZE] __attribute__((aligned(PARK_PAGE_SIZE)));

static void flush(const void *base, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += 16) {
        __asm__ volatile("dc civac, %0" ::"r"((uint64_t)base + at) : "memory");
    }
    dsb();
}

TEST(setup)
{
    mmu_on();
    gic_init();
    probe_gicc = machine.gicc;
    flush(&probe_gicc, sizeof(probe_gicc));
}

static struct probe *probe_of(unsigned n)
{
    flush(&probes[n], sizeof(probes[n]));
    return &probes[n];
}

static uint64_t word_at(unsigned n, uint64_t offset)
{
    flush(&pages[n][offset], 8);
    return *(volatile uint64_t *)&pages[n][offset];
}

static void put(unsigned n, uint64_t offset, uint64_t value)
{
    if (offset == PARK_ID) {
        *(volatile uint32_t *)&pages[n][offset] = (uint32_t)value;
    } else {
        *(volatile uint64_t *)&pages[n][offset] = value;
    }
    flush(&pages[n][offset], 8);
}

static void prepare_ring(unsigned n, enum park_wait wait, bool gic, uint64_t next)
{
    unsigned version = machine.gicc ? 2 : 3;
    struct park_cpu cpu = {ID(n),
                           wait,
                           {gic ? version : 0, machine.gicd, machine.gicc, gicr_base(n)},
                           cpu_mpidr(n),
                           next};

    park_fill(pages[n], &cpu);
    flush(pages[n], PARK_PAGE_SIZE);
    __asm__ volatile("ic ialluis\n\tdsb sy\n\tisb" ::: "memory");
    probes[n] = (struct probe){0};
    flush(&probes[n], sizeof(probes[n]));
}

static void prepare(unsigned n, enum park_wait wait, bool gic)
{
    prepare_ring(n, wait, gic, 0);
}

static bool send(unsigned n, unsigned page)
{
    uint64_t entry = park_entry((uint64_t)pages[page]);

    return psci_call(PSCI_CPU_ON, cpu_mpidr(n), entry, 0x1234) == PSCI_SUCCESS;
}

static bool start(unsigned n)
{
    return send(n, n);
}

static bool is_parked(unsigned n)
{
    flush(&pages[n][PARK_STATE], 16);
    return park_state(pages[n]) == PARK_AT_EL1 && (park_mpidr(pages[n]) & 0xff) == cpu_mpidr(n);
}

static bool park(unsigned n, enum park_wait wait)
{
    prepare(n, wait, true);
    return start(n) && wait_for(is_parked(n), SOON_US);
}

/* And off again, so that the next test has it. */
static bool has_left(unsigned n)
{
    return wait_for(probe_of(n)->times == 1, SOON_US) && wait_for(cpu_is_off(n), SOON_US) &&
           probe_of(n)->times == 1;
}

static bool stays(unsigned n)
{
    delay_us(LONG_US);
    return probe_of(n)->times == 0 && is_parked(n);
}

static void release(unsigned n)
{
    put(n, PARK_JUMP, (uint64_t)park_probe_entry);
    put(n, PARK_ID, ID(n));
}

static void wake(unsigned n)
{
    gic_send_sgi(ANY_SGI, 1u << n);
}

static void sev(void)
{
    __asm__ volatile("dsb sy\n\tsev" ::: "memory");
}

static void expect_arrival(unsigned n, uint64_t x0)
{
    const struct probe *p = probe_of(n);

    EXPECT_EQ(p->x0, x0);
    EXPECT_EQ(p->current_el, 1 << 2);
    EXPECT_EQ(p->sctlr & (1 << 0 | 1 << 2 | 1 << 12 | 1 << 25), 0);
    EXPECT_EQ(p->daif, 0x3c0);
    EXPECT_EQ(p->mpidr & 0xff, cpu_mpidr(n));
    EXPECT_EQ(p->enabled, 0);
    EXPECT_EQ(p->cntkctl & 4, 0);
    EXPECT_EQ(word_at(n, PARK_JUMP), 0);
    EXPECT_EQ(word_at(n, PARK_RELEASE), 0);
    EXPECT_EQ(park_state(pages[n]), PARK_RELEASED);
}

TEST(parked_by_sgi_from_wfi)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(park(1, PARK_IN_WFI));
    EXPECT(stays(1));
    release(1);
    wake(1);
    EXPECT(has_left(1));
    expect_arrival(1, (uint64_t)pages[1]);
}

TEST(parked_by_sgi_from_wfe)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(park(1, PARK_IN_WFE));
    release(1);
    wake(1);
    EXPECT(has_left(1));
    expect_arrival(1, (uint64_t)pages[1]);
}

TEST(spin_table_by_sev)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(park(1, PARK_IN_WFE));
    EXPECT(stays(1));
    put(1, PARK_RELEASE, (uint64_t)park_probe_entry);
    sev();
    EXPECT(has_left(1));
    expect_arrival(1, 0);
    EXPECT_EQ(word_at(1, PARK_ID), PARK_NOBODY);
}

TEST(released_before_it_comes)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    prepare(1, PARK_IN_WFI, true);
    release(1);
    EXPECT(start(1));
    EXPECT(has_left(1));
    expect_arrival(1, (uint64_t)pages[1]);
}

TEST(without_a_gic_the_event_stream_is_enough)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    prepare(1, PARK_IN_WFI, false);
    EXPECT(start(1));
    EXPECT(wait_for(is_parked(1), SOON_US));
    release(1);
    EXPECT(has_left(1));
}

TEST(another_id)
{
    static const uint32_t others[] = {0, ID(1) + 1, ID(2), 1, 0x80000000u | ID(1), 0xfffffffe};

    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(park(1, PARK_IN_WFI));
    put(1, PARK_JUMP, (uint64_t)park_probe_entry);
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        put(1, PARK_ID, others[i]);
        wake(1);
        EXPECT(stays(1));
        EXPECT_EQ(word_at(1, PARK_JUMP), (uint64_t)park_probe_entry);
    }
    put(1, PARK_ID, ID(1));
    wake(1);
    EXPECT(has_left(1));
}

TEST(id_before_address)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT(park(1, PARK_IN_WFI));
    put(1, PARK_ID, ID(1));
    wake(1);
    EXPECT(stays(1));
    put(1, PARK_JUMP, (uint64_t)park_probe_entry);
    EXPECT(stays(1)); // asleep until it is woken
    wake(1);
    EXPECT(has_left(1));
}

/* Written as Linux does, through a mapping without caches, and with all 16 SGIs. */
TEST(written_uncached_and_any_sgi)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    for (unsigned sgi = 0; sgi < 16; sgi++) {
        EXPECT(park(1, PARK_IN_WFI));
        mmu_map_page((uint64_t)pages[1], (uint64_t)pages[1], PTE_DEVICE);
        *(volatile uint64_t *)&pages[1][PARK_JUMP] = (uint64_t)park_probe_entry;
        *(volatile uint32_t *)&pages[1][PARK_ID] = ID(1);
        gic_send_sgi(sgi, 1u << 1);
        EXPECT(has_left(1));
        EXPECT_EQ(*(volatile uint64_t *)&pages[1][PARK_JUMP], 0);
        mmu_map_page((uint64_t)pages[1], (uint64_t)pages[1], PTE_NORMAL);
    }
}

/* Woken right where it may be about to wait: it was parked an instant ago. */
TEST(no_wake_up_is_lost)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    for (unsigned i = 0; i < 300; i++) {
        bool by_sev = i % 3 == 2;
        EXPECT(park(1, i % 3 == 0 ? PARK_IN_WFI : PARK_IN_WFE));
        delay_us(i % 10);
        if (by_sev) {
            put(1, PARK_RELEASE, (uint64_t)park_probe_entry);
            sev();
        } else {
            release(1);
            wake(1);
        }
        EXPECT(has_left(1));
    }
}

TEST(each_by_itself)
{
    unsigned cpus = cpu_count();

    SKIP_UNLESS(cpus >= 3, "less than three CPUs");
    for (unsigned n = 1; n < cpus; n++) {
        EXPECT(park(n, n % 2 == 0 ? PARK_IN_WFI : PARK_IN_WFE));
    }
    for (unsigned n = cpus - 1; n > 0; n--) {
        release(n);
        gic_send_sgi(0, 0xfe); // all of them
        EXPECT(has_left(n));
        expect_arrival(n, (uint64_t)pages[n]);
        for (unsigned other = 1; other < n; other++) {
            EXPECT(is_parked(other) && probe_of(other)->times == 0);
        }
    }
}

/* As where CPUs share the word that calls them: all come where one was sent. */
TEST(each_finds_its_page)
{
    unsigned cpus = cpu_count();

    SKIP_UNLESS(cpus >= 3, "less than three CPUs");
    for (unsigned n = 1; n < cpus; n++) {
        prepare_ring(n, PARK_IN_WFI, true, (uint64_t)pages[n + 1 < cpus ? n + 1 : 1]);
    }
    for (unsigned n = 1; n < cpus; n++) {
        EXPECT(send(n, 2));
    }
    for (unsigned n = 1; n < cpus; n++) {
        EXPECT(wait_for(is_parked(n), SOON_US));
    }
    for (unsigned n = 1; n < cpus; n++) {
        EXPECT_EQ(park_stranger(pages[n]), 0);
        release(n);
        wake(n);
        EXPECT(has_left(n));
        expect_arrival(n, (uint64_t)pages[n]);
    }
}

/* The last test: CPU 1 is not seen again. Whose page it is comes all the same. */
TEST(a_stranger_disturbs_nobody)
{
    SKIP_UNLESS(cpu_count() >= 4, "less than four CPUs");
    prepare_ring(2, PARK_IN_WFI, true, (uint64_t)pages[3]);
    prepare_ring(3, PARK_IN_WFI, true, (uint64_t)pages[2]);
    EXPECT(send(1, 2));
    EXPECT(wait_for(word_at(2, PARK_STRANGER) != 0, SOON_US));
    EXPECT_EQ(park_stranger(pages[2]) & 0xff, cpu_mpidr(1));
    EXPECT_EQ(park_state(pages[2]), PARK_NOT_THERE);
    EXPECT(start(2));
    EXPECT(wait_for(is_parked(2), SOON_US));
    release(2);
    gic_send_sgi(ANY_SGI, 0xe);
    EXPECT(has_left(2));
    expect_arrival(2, (uint64_t)pages[2]);
    EXPECT_EQ(word_at(3, PARK_STRANGER), 0);
    EXPECT(!cpu_is_off(1));
}
