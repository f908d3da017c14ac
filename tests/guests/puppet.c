// SPDX-License-Identifier: Apache-2.0
// A guest that does what it is told on its console, one thing a line: a letter and up to three
// hexadecimal numbers. It answers "= NUMBER", or "! ESR FAR" for an exception.
// tests/system/puppet.py pulls the strings, and reads Newel's counters between two pulls.
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"
#include "puppet/trees.h"

#define UART_DR      0x00
#define UART_FR      0x18
#define UART_FR_RXFE (1u << 4)

#define RET       0xd65f03c0u
#define MOVZ(imm) (0xd2800000u | (uint32_t)((imm)&0xffff) << 5)

struct order {
    char what;
    uint64_t n[3];
    uint64_t answer;
};

static uint64_t call(uint64_t at)
{
    return ((uint64_t(*)(void))at)();
}

/* A function that returns n. */
static void put_code(uint64_t at, uint64_t n, bool maintain)
{
    *(volatile uint64_t *)at = (uint64_t)RET << 32 | MOVZ(n);
    if (maintain) {
        __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(at)
                         : "memory");
    }
}

static void maintain(char what, uint64_t at)
{
    switch (what) {
    case 'c':
        __asm__ volatile("dc cvau, %0\n\tdsb ish" ::"r"(at) : "memory");
        break;
    case 'k':
        __asm__ volatile("dc civac, %0\n\tdsb sy" ::"r"(at) : "memory");
        break;
    case 'd':
        __asm__ volatile("dc ivac, %0\n\tdsb sy" ::"r"(at) : "memory");
        break;
    case 'i':
        __asm__ volatile("ic ivau, %0\n\tdsb ish\n\tisb" ::"r"(at) : "memory");
        break;
    default:
        __asm__ volatile("dc zva, %0\n\tdsb ish" ::"r"(at) : "memory");
        break;
    }
}

static void by_set_and_way(uint64_t times)
{
    while (times-- > 0) {
        __asm__ volatile("dc cisw, xzr" ::: "memory");
    }
    __asm__ volatile("dsb sy" ::: "memory");
}

/* What a program does that breaks no rule: code that is called, data that is read and written. */
static uint64_t work(uint64_t code, uint64_t data, uint64_t times)
{
    uint64_t sum = 0;

    while (times-- > 0) {
        sum += call(code);
        *(volatile uint64_t *)data = sum;
        sum = *(volatile uint64_t *)data;
    }
    return sum;
}

/* ---- All CPUs at one page ---- */

static volatile uint64_t go, arrived, sum;
static uint64_t common;

static void join_in(uint64_t arg)
{
    (void)arg;
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    while (!go) {
    }
    __atomic_fetch_add(&sum, call(common), __ATOMIC_SEQ_CST);
}

static uint64_t call_everywhere(uint64_t at)
{
    common = at;
    go = arrived = sum = 0;
    for (unsigned i = 1; i < cpu_count(); i++) {
        cpu_start(i, join_in, 0);
    }
    while (arrived != cpu_count() - 1) {
    }
    go = 1;
    for (unsigned i = 1; i < cpu_count(); i++) {
        cpu_join(i);
    }
    return sum;
}

/* ---- Orders ---- */

static void store(uint64_t at)
{
    *(volatile uint64_t *)at = at;
}

static uint64_t aborts(uint64_t at, uint64_t times)
{
    struct exc_info info;
    uint64_t n = 0;

    while (times-- > 0) {
        n += expect_exception(&info, store, at);
    }
    return n;
}

static uint64_t translate(char what, const uint64_t *n)
{
    switch (what) {
    case 'm': /* VA PA FLAGS, beside those of normal memory */
        mmu_map_page(n[0], n[1], PTE_NORMAL ^ n[2]);
        return 0;
    case 'u':
        mmu_unmap_page(n[0]);
        return 0;
    case 'e':
        return (uint64_t)mmu_entry(n[0]);
    case 'b':
        return read_sysreg(ttbr0_el1);
    case 'H': /* TCR_EL1.HA, HD */
        write_sysreg(tcr_el1, read_sysreg(tcr_el1) | n[0] << 39);
        __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
        return read_sysreg(tcr_el1);
    default:
        return trees_order(what, n);
    }
}

static uint64_t access(char what, const uint64_t *n)
{
    switch (what) {
    case 'r':
        return *(volatile uint64_t *)n[0];
    case 'w':
        *(volatile uint64_t *)n[0] = n[1];
        return 0;
    case 'x':
        return call(n[0]);
    case 'p':
    case 'P':
        put_code(n[0], n[1], what == 'P');
        return 0;
    case 'l':
        return work(n[0], n[1], n[2]);
    case 'f':
        return aborts(n[0], n[1]);
    case 'S':
        return call_everywhere(n[0]);
    default:
        return translate(what, n);
    }
}

static void obey(uint64_t arg)
{
    struct order *o = (struct order *)arg;

    switch (o->what) {
    case 'c':
    case 'k':
    case 'd':
    case 'i':
    case 'z':
        maintain(o->what, o->n[0]);
        break;
    case 's':
        by_set_and_way(o->n[0]);
        break;
    case 'o':
        mmu_off();
        break;
    case 'O':
        mmu_on();
        break;
    case 't':
        o->answer = timer_now();
        break;
    case 'y':
        o->answer = o->n[0];
        break;
    default:
        o->answer = access(o->what, o->n);
        break;
    }
}

static char get(void)
{
    while (mmio_read32(machine.uart + UART_FR) & UART_FR_RXFE) {
        delay_us(500);
    }
    return (char)mmio_read32(machine.uart + UART_DR);
}

static struct order next_order(void)
{
    struct order o = {.what = get()};
    unsigned n = 0;

    for (char c = get(); c != '\r'; c = get()) {
        if (c == ' ') {
            n++;
        } else if (n > 0 && n <= 3) {
            o.n[n - 1] = o.n[n - 1] << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
    }
    return o;
}

TEST(strings)
{
    struct exc_info info;

    mmu_on();
    print("ready\n");
    for (struct order o = next_order(); o.what != 'q'; o = next_order()) {
        if (expect_exception(&info, obey, (uint64_t)&o)) {
            print("! %lx %lx\n", info.esr, info.far);
        } else {
            print("= %lx\n", o.answer);
        }
    }
}
