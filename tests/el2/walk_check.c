// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone: random EL1 translation tables behind a stage 2 with
// holes, random registers and addresses, and each walk done by the CPU's AT and by mem/walk.c.
#include "walk_check.h"

#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "con/console.h"
#include "cpu/features.h"
#include "el1_context.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "mem/frames.h"
#include "mem/walk.h"
#include "trap/walk.h"

#define RAM_PAGES   512u
#define RAM_SIZE    (RAM_PAGES * PAGE_SIZE)
#define RAM_BASE    UINT64_C(0x40000000) // the guest's
#define IPA_BITS    36
#define ROUNDS      24 // each with tables of its own
#define CONFIGS     48 // registers, a round
#define ADDRESSES   6  // with each
#define SHOWN       4  // differences that are shown
#define PAR_FAILED  (MASK(9, 0) | BIT(11))
#define PAR_SUCCESS (MASK(63, 56) | MASK(51, 12) | MASK(8, 7) | BIT(11) | BIT(0))

static struct pool pool;
static struct stage2 s2;
static hpa_t ram;
static uint64_t rng;
static unsigned compared, different, succeeded, by_stage2;

static uint64_t next(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t pick(uint64_t n)
{
    return (next() >> 16) % n;
}

// True once in n.
static bool once_in(uint64_t n)
{
    return pick(n) == 0;
}

// ---- What is walked

static uint64_t random_address(void)
{
    uint64_t at = RAM_BASE + pick(RAM_SIZE >> 16 << 4 | 1) % (RAM_SIZE >> 16) * 0x10000;

    return once_in(16) ? next() & MASK(51, 12) : once_in(16) ? at + (pick(16) << 12) : at;
}

// shareability: or 0 where these bits may be of an address.
static uint64_t random_descriptor(uint64_t shareability)
{
    uint64_t kind = once_in(12) ? pick(4) : once_in(4) ? 1 : 3;
    uint64_t lower = (next() & (MASK(7, 2) | BIT(11))) | (next() & shareability << 8) |
                     (once_in(16) ? 0 : BIT(10));
    uint64_t upper = next() & next() & next() & (MASK(54, 51) | MASK(63, 59));

    return kind | lower | upper | random_address();
}

static void fill_tables(bool big_endian)
{
    uint64_t *d = hpa_ptr(ram), shareability = once_in(2) ? 3 : 0;

    for (size_t i = 0; i < RAM_SIZE / sizeof(*d); i++) {
        uint64_t new = random_descriptor(shareability);

        d[i] = big_endian ? __builtin_bswap64(new) : new;
    }
}

// readable: all of it that is mapped.
static void map_ram(bool readable)
{
    (void)stage2_unmap(&s2, gpa(RAM_BASE), RAM_SIZE);
    for (uint64_t at = 0; at < RAM_SIZE; at += PAGE_SIZE) {
        enum s2_rights rights = !readable && once_in(16) ? S2_NONE : once_in(8) ? S2_R : S2_RW;

        if (!once_in(24)) {
            CHECK(stage2_map(&s2, gpa(RAM_BASE + at), hpa_add(ram, at), PAGE_SIZE, rights,
                             S2_NORMAL) == 0);
        }
    }
}

static uint64_t random_granule(bool high)
{
    static const uint8_t tg0[] = {0, 2, 1}, tg1[] = {2, 1, 3};
    const bool have[] = {features.granule_4k, features.granule_16k, features.granule_64k};
    uint64_t n = pick(3);

    while (!have[n]) {
        n = pick(3);
    }
    return high ? tg1[n] : tg0[n];
}

static uint64_t random_size(const struct walk_cpu *cpu)
{
    return once_in(10)         ? pick(64)
           : once_in(4)        ? 12 + pick(8)
           : cpu->small_tables ? 16 + pick(33)
                               : 16 + pick(24);
}

static uint64_t random_tcr(const struct walk_cpu *cpu)
{
    bool ds = (cpu->lpa2_4k || cpu->lpa2_16k) && once_in(2);
    uint64_t tcr = random_size(cpu) | random_size(cpu) << 16 | random_granule(false) << 14 |
                   random_granule(true) << 30 | UINT64_C(0x3500) | UINT64_C(0x35000000) |
                   (ds || once_in(3) ? 6 : pick(7)) << 32 | (ds ? BIT(59) : 0);

    // EPD, TBI; HA and HD; HPD, TBID and E0PD
    tcr |= once_in(8) ? BIT(pick(2) != 0 ? 7 : 23) : 0;
    tcr |= next() & MASK(38, 37);
    tcr |= once_in(3) ? next() & MASK(40, 39) : 0;
    // QEMU heeds HPD where the CPU has no FEAT_HPDS, and the bits are RES0.
    tcr |= once_in(2) ? next() & ((cpu->hpds ? MASK(42, 41) : 0) | MASK(52, 51)) : 0;
    return tcr | (once_in(4) ? next() & MASK(56, 55) : 0);
}

static void random_regs(struct walk_regs *r, bool big_endian)
{
    static const uint8_t attributes[] = {0x00, 0x04, 0x08, 0x0c, 0x44, 0xff, 0xbb, 0xee, 0x4f};

    r->sctlr = UINT64_C(0x30500800) | BIT(2) | BIT(12) | (once_in(12) ? 0 : BIT(0)) |
               (big_endian ? BIT(25) : 0) | (next() & BIT(19)) |
               (r->cpu.epan && once_in(3) ? BIT(57) : 0);
    r->tcr = random_tcr(&r->cpu);
    r->ttbr0 = (once_in(8) ? next() & MASK(47, 0) : random_address()) | (next() & MASK(63, 48));
    r->ttbr1 = (once_in(8) ? next() & MASK(47, 0) : random_address()) | (next() & MASK(63, 48));
    r->mair = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        r->mair |= (uint64_t)attributes[pick(sizeof(attributes))] << i;
    }
}

// Of either half, mostly with as many leading bits alike as the half wants.
static uint64_t random_va(const struct walk_regs *r)
{
    bool high = once_in(2);
    unsigned bits = 64 - (unsigned)(high ? bits_get(r->tcr, 21, 16) : bits_get(r->tcr, 5, 0));
    uint64_t low = bits >= 64 ? next() : next() & (BIT(bits) - 1);
    uint64_t va = high && bits < 64 ? low | ~(BIT(bits) - 1) : low;

    va ^= once_in(4) ? next() & MASK(63, 56) : 0;
    return va ^ (once_in(16) ? BIT(pick(64)) : 0);
}

// ---- What the CPU says

enum at_form { E1R, E1W, E0R, E0W, E1RP, E1WP, S12E1R, S12E0R, FORMS };

static const char *const form_name[] = {"S1E1R",  "S1E1W",  "S1E0R",  "S1E0W",
                                        "S1E1RP", "S1E1WP", "S12E1R", "S12E0R"};

// QEMU does not survive an S12 form to which stage 2 denies the access: these read, and are for
// tables that let them.
static uint64_t cpu_walk(enum at_form form, uint64_t va)
{
    switch (form) {
    case E1R:
        __asm__ volatile("at s1e1r, %0" ::"r"(va) : "memory");
        break;
    case E1W:
        __asm__ volatile("at s1e1w, %0" ::"r"(va) : "memory");
        break;
    case E0R:
        __asm__ volatile("at s1e0r, %0" ::"r"(va) : "memory");
        break;
    case E0W:
        __asm__ volatile("at s1e0w, %0" ::"r"(va) : "memory");
        break;
    case E1RP:
        __asm__ volatile("sys #0, c7, c9, #0, %0" ::"r"(va) : "memory");
        break;
    case E1WP:
        __asm__ volatile("sys #0, c7, c9, #1, %0" ::"r"(va) : "memory");
        break;
    case S12E1R:
        __asm__ volatile("at s12e1r, %0" ::"r"(va) : "memory");
        break;
    default:
        __asm__ volatile("at s12e0r, %0" ::"r"(va) : "memory");
        break;
    }
    isb();
    return read_sysreg(par_el1);
}

static uint64_t own_walk(struct walk_regs *r, enum at_form form, uint64_t va)
{
    enum walk_access access = form == E1W || form == E0W || form == E1WP ? WALK_WRITE : WALK_READ;
    struct walk_result w;

    r->el = form == E0R || form == E0W || form == S12E0R ? 0 : 1;
    r->pan = form == E1RP || form == E1WP;
    if (form >= S12E1R) {
        walk_both(&s2, r, gva(va), access, &w);
    } else {
        walk_stage1(&s2, r, gva(va), access, &w);
    }
    by_stage2 += w.fault != WALK_OK && w.stage2;
    return walk_par(&w, form >= S12E1R);
}

static void show(const struct walk_regs *r, enum at_form form, uint64_t va, uint64_t cpu,
                 uint64_t own)
{
    console_printf("walk: %s 0x%lx: CPU 0x%lx, walker 0x%lx\n", form_name[form], va, cpu, own);
    console_printf("walk:   sctlr 0x%lx tcr 0x%lx ttbr 0x%lx 0x%lx\n", r->sctlr, r->tcr, r->ttbr0,
                   r->ttbr1);
}

static void compare(struct walk_regs *r, enum at_form form, uint64_t va)
{
    // The walker first: AT may set an access flag.
    uint64_t own = own_walk(r, form, va), cpu = cpu_walk(form, va);
    uint64_t mask = (cpu & 1) != 0 ? PAR_FAILED : PAR_SUCCESS;

    compared++;
    succeeded += (cpu & 1) == 0;
    if (((own ^ cpu) & mask) != 0 && different++ < SHOWN) {
        show(r, form, va, cpu, own);
    }
}

// ---- All of it

static void set_pan(bool on)
{
    if (on) {
        __asm__ volatile(".inst 0xd500419f" ::: "memory"); // MSR PAN, #1
    } else {
        __asm__ volatile(".inst 0xd500409f" ::: "memory");
    }
}

static void check_config(struct walk_regs *r, bool pan2, bool s12)
{
    for (unsigned i = 0; i < ADDRESSES; i++) {
        uint64_t va = random_va(r);

        for (enum at_form form = E1R; form < FORMS; form++) {
            bool privileged = form == E1RP || form == E1WP;

            if ((privileged && !pan2) || (form >= S12E1R && !s12)) {
                continue;
            }
            if (privileged) {
                set_pan(true);
            }
            compare(r, form, va);
            if (privileged) {
                set_pan(false);
            }
        }
    }
}

static void check_all(void)
{
    struct walk_regs r = {.cpu = walk_cpu_of(&features)};
    bool pan2 = features_field(&features, 7, 1, 20) >= 2;

    for (unsigned round = 0; round < ROUNDS; round++) {
        bool big_endian = once_in(6), s12 = once_in(2);

        map_ram(s12);
        fill_tables(big_endian);
        el1_enter(&s2);
        for (unsigned i = 0; i < CONFIGS; i++) {
            random_regs(&r, big_endian);
            el1_load(&s2, &r);
            check_config(&r, pan2, s12);
        }
        (void)el1_leave(&s2);
    }
}

void run_walk_check(const struct invocation *in)
{
    unsigned seed = 0;

    if (!monitor_arg_number(in, 0, 1u << 30, &seed)) {
        return;
    }
    rng = UINT64_C(0x9e3779b97f4a7c15) * (seed + 1);
    compared = different = succeeded = by_stage2 = 0;
    if (frames_alloc(OWNER_NEWEL, RAM_PAGES, RAM_PAGES, &ram) != 0 ||
        pool_create(&pool, OWNER_NEWEL, 16) != 0 || stage2_init(&s2, &pool, IPA_BITS) != 0) {
        console_printf("walk: no memory\n");
        return;
    }
    check_all();
    pool_destroy(&pool);
    frames_free(OWNER_NEWEL, ram, RAM_PAGES);
    console_printf("walk: %u compared, %u of them succeeded, %u were stopped by stage 2\n",
                   compared, succeeded, by_stage2);
    console_printf("walk: %u different\n", different);
}
