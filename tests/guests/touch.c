// SPDX-License-Identifier: Apache-2.0
// All CPUs load, store and fetch in the same pages for `ms=` milliseconds, while the operator
// forbids some of it and the pages move elsewhere in the machine: whatever is not refused by an
// external abort must be what this CPU stored last, or the code that always was there.
#include "lib/mmu.h"
#include "lib/test.h"
#include "lib/timer.h"

#define PAGES    16
#define OFFSET   (48ul << 20) /* of the pages in RAM */
#define CODE     1024         /* in each page */
#define ANSWER   0x1234
#define EXTERNAL 0x10

static volatile bool stop;

static struct touched {
    uint64_t stored[PAGES];
    uint64_t rounds, wrong, loads, stores, fetches; /* the last three: refused */
    uint64_t found, expected;                       /* the last that was wrong */
    volatile bool refused;
} __attribute__((aligned(64))) touched[CPU_MAX];

static bool mend(struct exc_frame *frame, const struct exc_info *info)
{
    if (ESR_FSC(info->esr) != EXTERNAL) {
        return false;
    }
    touched[cpu_index()].refused = true;
    frame->elr = ESR_EC(info->esr) == EC_IABT_CUR ? frame->x[30] : frame->elr + 4;
    return true;
}

static uint64_t page_at(unsigned page)
{
    return machine.ram_base + OFFSET + page * 4096ul;
}

static void load(struct touched *t, unsigned page, uint64_t at)
{
    uint64_t value = 0;

    t->refused = false;
    __asm__ volatile("ldr %0, [%1]" : "+r"(value) : "r"(at) : "memory");
    t->loads += t->refused;
    if (!t->refused && value != t->stored[page]) {
        t->wrong++;
        t->found = value;
        t->expected = t->stored[page];
    }
}

static void store(struct touched *t, unsigned page, uint64_t at)
{
    t->refused = false;
    __asm__ volatile("str %0, [%1]" ::"r"(t->stored[page] + 1), "r"(at) : "memory");
    t->stores += t->refused;
    t->stored[page] += !t->refused;
}

static void fetch(struct touched *t, unsigned page)
{
    t->refused = false;
    uint64_t answer = ((uint64_t(*)(void))(page_at(page) + CODE))();

    t->fetches += t->refused;
    if (!t->refused && answer != ANSWER) {
        t->wrong++;
        t->found = answer;
        t->expected = ANSWER;
    }
}

static void work(uint64_t unused)
{
    struct touched *t = &touched[cpu_index()];

    (void)unused;
    exc_set_mend(mend);
    while (!stop) {
        for (unsigned page = 0; page < PAGES; page++) {
            uint64_t at = page_at(page) + 64 * cpu_index();

            load(t, page, at);
            store(t, page, at);
            fetch(t, page);
        }
        t->rounds++;
    }
    exc_set_mend(0);
}

static void write_code(unsigned page)
{
    volatile uint32_t *code = (volatile uint32_t *)(page_at(page) + CODE);

    code[0] = 0xd2800000 | ANSWER << 5; /* MOV X0, #ANSWER */
    code[1] = 0xd65f03c0;               /* RET */
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(code)
                     : "memory");
}

TEST(touch)
{
    uint64_t rounds = 0, wrong = 0, loads = 0, stores = 0, fetches = 0;

    mmu_on();
    for (unsigned page = 0; page < PAGES; page++) {
        mmu_map_page(page_at(page), page_at(page), PTE_NORMAL);
        for (unsigned i = 0; i < CPU_MAX; i++) {
            *(volatile uint64_t *)(page_at(page) + 64 * i) = 0;
        }
        write_code(page);
    }
    for (unsigned i = 1; i < cpu_count(); i++) {
        EXPECT_EQ(cpu_start(i, work, 0), 0);
    }
    print("touch: running\n");
    uint64_t end = timer_now() + timer_us(arg_u64("ms", 1000) * 1000);

    while (timer_now() < end) {
        delay_us(1000);
    }
    stop = true;
    for (unsigned i = 1; i < cpu_count(); i++) {
        EXPECT(cpu_join(i));
        EXPECT(touched[i].rounds > 0);
        rounds += touched[i].rounds;
        wrong += touched[i].wrong;
        loads += touched[i].loads;
        stores += touched[i].stores;
        fetches += touched[i].fetches;
    }
    print("touch: %lu rounds, refused %lu loads %lu stores %lu fetches\n", rounds, loads, stores,
          fetches);
    for (unsigned i = 1; wrong && i < cpu_count(); i++) {
        print("touch: CPU %u found 0x%lx, not 0x%lx\n", i, touched[i].found, touched[i].expected);
    }
    EXPECT_EQ(wrong, 0);
}
