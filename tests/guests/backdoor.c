// SPDX-License-Identifier: Apache-2.0
// x86's I/O instructions and VMware's backdoor as a guest calls them (docs/guest-abi.md): by each
// of the three ways, from EL1 and EL0, with the test devices of tests/el2/test_port.c (`ports`),
// without BRK and with it (`brk`), and in a VM that has none of it (`none`).
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"

#define MAGIC   0x564d5868u
#define REFUSED 0xfffffffful
#define LOW     0x5658u
#define HIGH    0x5659u
#define CALL    (0x86ul << 32)

/* W7 */
#define IN       4u
#define DX       8u
#define STRING   0x10u
#define REPEAT   0x18u
#define DOWN     0x20u
#define SIZE(n)  ((n) == 4 ? 2u : (n)-1u)
#define PORT8(n) ((n) << 5)

/* tests/el2/test_port.c */
#define ODD_PORT    0x1235u
#define IMM_PORT    0x85u
#define CHOOSE      0x1230u
#define RECORDED    0x1231u
#define NOBODY_PORT 0x2001u

#define FILL 0x1122334455667788ul
#define NZCV 0xb0000000ul

struct call {
    uint64_t x[8];
    uint64_t nzcv, sp_moved;
};

typedef void call_fn(struct call *c);
call_fn call_by_mrs, call_by_hvc, call_by_brk, call_by_smc, call_by_brk87, call_into_x5;

// As expect_exception() and el0_exception() take it; the argument is the struct's address.
static exc_fn by_number(call_fn *fn)
{
    return (exc_fn)(uintptr_t)fn;
}
uint64_t call_with_fp(struct call *c);
extern char call_by_mrs_insn[], call_by_hvc_insn[], call_by_brk_insn[], call_by_brk87_insn[];

static const struct way {
    const char *name;
    call_fn *call;
    char *insn;
    bool el0, brk;
} ways[] = {
    {"mrs", call_by_mrs, call_by_mrs_insn, true, false},
    {"hvc", call_by_hvc, call_by_hvc_insn, false, false},
    {"brk", call_by_brk, call_by_brk_insn, true, true},
};
#define WAYS 3

static bool has_way(const struct way *w)
{
    return !w->brk || arg_flag("brk");
}

#define PAGE 4096ul
/* Three pages of which the middle one's mapping changes; shared with EL0. */
USER_DATA static uint8_t pages[3 * PAGE] __attribute__((aligned(PAGE)));
USER_DATA static struct call user_call;

static void at_el1(uint64_t way)
{
    ((const struct way *)way)->call(&user_call);
}

/* Makes the call; true if it ended in an exception. */
static bool call(const struct way *w, bool el0, struct call *c, struct exc_info *info)
{
    user_call = *c;
    user_call.x[7] |= CALL;
    bool taken = el0 ? el0_exception(info, by_number(w->call), (uint64_t)&user_call)
                     : expect_exception(info, at_el1, (uint64_t)w);
    if (!taken) {
        *c = user_call;
        c->x[7] &= 0xffffffff;
    }
    return taken;
}

#define EXPECT_CALL(w, el0, c)                                                                 \
    do {                                                                                       \
        struct exc_info info_;                                                                 \
        if (call(w, el0, c, &info_)) {                                                         \
            test_fail(__FILE_NAME__, __LINE__, "%s: ESR 0x%lx FAR 0x%lx ELR 0x%lx", (w)->name, \
                      info_.esr, info_.far, info_.elr);                                        \
            return;                                                                            \
        }                                                                                      \
    } while (0)

/* Every way from every level it exists at. */
#define FOR_WAYS(w, el0)                                   \
    for (const struct way *w = ways; w < ways + WAYS; w++) \
        for (unsigned el0 = 0; el0 <= 1 && has_way(w) && (!el0 || w->el0); el0++)

static uint32_t in(unsigned size, uint32_t port)
{
    struct call c = {.x = {0, 0, 0, port, 0, 0, 0, IN | DX | SIZE(size) | CALL}};

    call_by_mrs(&c);
    return (uint32_t)c.x[0];
}

static void out(unsigned size, uint32_t port, uint32_t value)
{
    struct call c = {.x = {value, 0, 0, port, 0, 0, 0, DX | SIZE(size) | CALL}};

    call_by_mrs(&c);
}

struct record {
    uint32_t value, width, reads, writes;
};

static struct record record_of(uint32_t port)
{
    struct record r;

    out(2, CHOOSE, port);
    r.value = in(4, RECORDED);
    r.width = in(4, RECORDED);
    r.reads = in(4, RECORDED);
    r.writes = in(4, RECORDED);
    return r;
}

static bool same_record(const struct record *a, const struct record *b)
{
    return a->value == b->value && a->reads == b->reads && a->writes == b->writes;
}

TEST(setup)
{
    mmu_on();
    write_sysreg(cpacr_el1, 3ul << 20);
}

/* ---- a VM without guest-tools ---- */

TEST(nothing_is_there)
{
    struct call c = {.x = {MAGIC, ~MAGIC, 10, LOW, 4, 5, 6, 0xe}};
    struct call before = c;
    struct exc_info info;

    SKIP_UNLESS(arg_flag("none"), "has tools");
    for (unsigned el0 = 0; el0 <= 1; el0++) {
        EXPECT_CALL(&ways[0], el0, &c);
        EXPECT(!memcmp(c.x, before.x, sizeof(c.x)));
        EXPECT(call(&ways[2], el0, &c, &info));
        EXPECT_EQ(info.esr, 0xf2000086);
        EXPECT_EQ(info.elr, call_by_brk_insn);
    }
    EXPECT_CALL(&ways[1], false, &c);
    EXPECT_EQ(c.x[0], (uint64_t)SMCCC_NOT_SUPPORTED);
}

#define TOOLS_ONLY SKIP_UNLESS(!arg_flag("none"), "no tools")
#define PORTS_ONLY SKIP_UNLESS(arg_flag("ports"), "no test devices")

/* ---- the clients' probe ---- */

TEST(version)
{
    TOOLS_ONLY;
    FOR_WAYS(w, el0)
    {
        struct call c = {.x = {MAGIC, (uint32_t)~MAGIC, 10, LOW, 4, 5, 6, 0xe}};

        EXPECT_CALL(w, el0, &c);
        EXPECT_EQ(c.x[0], 6);
        EXPECT_EQ(c.x[1], MAGIC);
        EXPECT_EQ(c.x[2], 2);
        EXPECT_EQ(c.x[3], LOW);
        EXPECT_EQ(c.x[4], 4);
        EXPECT_EQ(c.x[5], 5);
        EXPECT_EQ(c.x[6], 6);
        EXPECT_EQ(c.x[7], 0xe);
        EXPECT_EQ(c.nzcv, NZCV);
        EXPECT_EQ(c.sp_moved, 0);
    }
}

TEST(fp_is_kept)
{
    struct call c = {.x = {MAGIC, 0, 10, LOW, 4, 5, 6, 0xe | CALL}};

    TOOLS_ONLY;
    EXPECT_EQ(call_with_fp(&c), 0);
    EXPECT_EQ(c.x[0], 6);
}

TEST(unknown_commands)
{
    static const uint16_t unknown[] = {0, 2, 21, 31, 63, 69, 105, 0x7777, 0xffff};

    TOOLS_ONLY;
    FOR_WAYS(w, el0)
    {
        for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
            struct call c = {.x = {MAGIC, 1, unknown[i], LOW, 4, 5, 6, 0xe}};

            EXPECT_CALL(w, el0, &c);
            EXPECT_EQ(c.x[0], REFUSED);
            EXPECT_EQ(c.x[1], 1);
            EXPECT_EQ(c.x[2], unknown[i]);
            EXPECT_EQ(c.x[3], LOW);
            EXPECT(c.x[4] == 4 && c.x[5] == 5 && c.x[6] == 6);
        }
    }
}

/* Without the magic number in EAX nobody answers. */
TEST(wrong_magic)
{
    TOOLS_ONLY;
    FOR_WAYS(w, el0)
    {
        struct call c = {.x = {MAGIC + 1, 1, 10, LOW, 4, 5, 6, 0xe}};

        EXPECT_CALL(w, el0, &c);
        EXPECT_EQ(c.x[0], REFUSED);
        EXPECT_EQ(c.x[1], 1);
        EXPECT_EQ(c.x[2], 10);
    }
}

TEST(privileged_commands_are_refused_to_el0)
{
    TOOLS_ONLY;
    FOR_WAYS(w, el0)
    {
        struct call c = {.x = {MAGIC, 1, 18, LOW, 4, 5, 6, 0xe}};

        EXPECT_CALL(w, el0, &c);
        EXPECT_EQ(c.x[0], el0 ? REFUSED : 0);
    }
}

/* Upper halves of registers, and of ECX, are no part of a command's number. */
TEST(narrow_arguments)
{
    struct call c = {.x = {FILL << 32 | MAGIC, 1, 0xabcd00010014, 0xfff00005658, 4, 5, 6, 0xe}};

    TOOLS_ONLY;
    EXPECT_CALL(&ways[0], false, &c);
    EXPECT_EQ(c.x[0], machine.ram_size >> 20);
}

/* ---- what is no call ---- */

TEST(without_the_magic_it_is_a_debug_register)
{
    static const uint64_t others[] = {0, 0x85ul << 32, 0x87ul << 32, 0x80000086ul << 32};
    struct exc_info info;

    TOOLS_ONLY;
    for (unsigned i = 0; i < 4; i++) {
        struct call c = {.x = {MAGIC, 1, 10, LOW, 4, 5, 6, 0xe | others[i]}};

        call_by_mrs(&c);
        EXPECT_EQ(c.x[0], MAGIC);
        EXPECT_EQ(c.x[1], 1);
    }
    user_call = (struct call){.x = {MAGIC, 1, 10, LOW, 4, 5, 6, 0xe}};
    write_sysreg(mdscr_el1, 1ul << 12); /* TDCC */
    EXPECT(el0_exception(&info, by_number(call_by_mrs), (uint64_t)&user_call));
    EXPECT_EQ(info.esr, 0x6220c3e3);
    EXPECT_EQ(info.elr, call_by_mrs_insn);
    EXPECT_CALL(&ways[0], true, &user_call); /* and with it, it is still a call */
    EXPECT_EQ(user_call.x[0], 6);
    write_sysreg(mdscr_el1, 0);
}

TEST(into_a_register_it_is_a_debug_register)
{
    struct call c = {.x = {MAGIC, 1, 10, LOW, 4, 5, 6, 0xe | CALL}};

    TOOLS_ONLY;
    call_into_x5(&c);
    EXPECT_EQ(c.x[0], MAGIC);
    EXPECT_EQ(c.x[1], 1);
    EXPECT_EQ(c.x[5], 0);
}

TEST(smc_is_no_way)
{
    struct call c = {.x = {MAGIC, 1, 10, LOW, 4, 5, 6, 0xe | CALL}};

    TOOLS_ONLY;
    call_by_smc(&c);
    EXPECT_EQ(c.x[0], (uint64_t)SMCCC_NOT_SUPPORTED);
    EXPECT_EQ(c.x[1], 1);
}

static void brk87(uint64_t c)
{
    call_by_brk87((struct call *)c);
}

/* All BRKs, where it is no call; and those that are not ours always. */
TEST(other_breaks_are_the_guests)
{
    struct call c = {.x = {MAGIC, 1, 10, LOW, 4, 5, 6, 0xe | CALL}};
    struct exc_info info;

    TOOLS_ONLY;
    EXPECT(expect_exception(&info, brk87, (uint64_t)&c));
    EXPECT_EQ(info.esr, 0xf2000087);
    EXPECT_EQ(info.elr, call_by_brk87_insn);
    EXPECT_EQ(info.spsr & 0xf0000000, NZCV);
    EXPECT_EQ(info.vector, 4);
    user_call = c;
    EXPECT(el0_exception(&info, by_number(call_by_brk87), (uint64_t)&user_call));
    EXPECT_EQ(info.esr, 0xf2000087);
    EXPECT_EQ(info.vector, 8);
    if (!arg_flag("brk")) {
        EXPECT(call(&ways[2], true, &c, &info));
        EXPECT_EQ(info.esr, 0xf2000086);
        EXPECT_EQ(info.elr, call_by_brk_insn);
    }
}

extern char bkpt_insn[];
void bkpt_at_el0(uint64_t unused);

/* AArch32's breakpoint comes with BRK where that is a call, and is none itself. */
TEST(breaks_of_aarch32_are_the_guests)
{
    struct exc_info info;

    TOOLS_ONLY;
    SKIP_UNLESS((read_sysreg(id_aa64pfr0_el1) & 0xf) == 2, "no AArch32");
    EXPECT(expect_exception(&info, bkpt_at_el0, 0));
    EXPECT_EQ(info.esr, (uint64_t)EC_BKPT32 << 26 | 1ul << 25 | 0x86);
    EXPECT_EQ(info.elr, bkpt_insn);
    EXPECT_EQ(info.spsr & 0x1f, 0x10);
    EXPECT_EQ(info.vector, 12);
}

/* While the guest debugs by hardware, all BRKs are its own; afterwards it may call again. */
TEST(breaks_while_debugging)
{
    struct call c = {.x = {MAGIC, 1, 10, LOW, 4, 5, 6, 0xe}};
    struct exc_info info;

    SKIP_UNLESS(arg_flag("brk"), "no calls by BRK");
    write_sysreg(oslar_el1, 0);
    write_sysreg(mdscr_el1, 1ul << 15); /* MDE */
    EXPECT(call(&ways[2], false, &c, &info));
    EXPECT_EQ(info.esr, 0xf2000086);
    EXPECT_CALL(&ways[0], false, &c);
    write_sysreg(mdscr_el1, 0);
    c.x[0] = MAGIC;
    c.x[2] = 10;
    EXPECT_CALL(&ways[2], true, &c);
    EXPECT_EQ(c.x[0], 6);
}

TEST(reserved_encodings)
{
    static const uint32_t reserved[] = {
        3,
        7,
        0xb,
        0xf,
        0x13,
        0x1f,
        IN | DX | 0x20,
        DX | 0x1000,
        0x2000,
        0x10000,
        IN | DX | 2 | 0x80000000,
        STRING | 0x40,
        STRING | IN | 0x1000,
        REPEAT | 0x100,
        REPEAT | DOWN | 0x8000,
    };

    TOOLS_ONLY;
    FOR_WAYS(w, el0)
    {
        for (unsigned i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
            struct call c = {.x = {MAGIC, 1, 10, LOW, 4, 5, 6, reserved[i]}};

            EXPECT_CALL(w, el0, &c);
            EXPECT_EQ(c.x[0], REFUSED);
            EXPECT_EQ(c.x[1], 1);
            EXPECT_EQ(c.x[2], 10);
            EXPECT(c.x[4] == 4 && c.x[5] == 5 && c.x[6] == 6);
        }
    }
}

/* ---- single accesses ---- */

static const unsigned sizes[] = {1, 2, 4};

/* One access of the whole width, whose neighbours hear nothing. */
static void single(const struct way *w, bool el0, unsigned size, bool dx)
{
    uint32_t port = dx ? ODD_PORT : IMM_PORT, form = dx ? DX : PORT8(IMM_PORT);
    uint64_t mask = size == 4 ? 0xffffffff : (1ul << 8 * size) - 1;
    struct record next = record_of(port + 1), previous = record_of(port - 1);
    struct record before = record_of(port), after;
    struct call c = {
        .x = {0xa1b2c3d4e5f60718, 1, 2, dx ? 0xfff0000 | port : 0x33, 4, 5, 6, form | SIZE(size)}};
    struct call kept = c;

    EXPECT_CALL(w, el0, &c);
    EXPECT(!memcmp(c.x, kept.x, sizeof(c.x))); /* OUT changes nothing */
    EXPECT_EQ(c.nzcv, NZCV);
    after = record_of(port);
    EXPECT_EQ(after.writes, before.writes + 1);
    EXPECT_EQ(after.reads, before.reads);
    EXPECT_EQ(after.width, size);
    EXPECT_EQ(after.value, (before.value << 8 | before.value >> 24) ^ (0xe5f60718 & mask));
    c.x[7] |= IN;
    EXPECT_CALL(w, el0, &c);
    uint64_t got = (before.reads + 1) * 0x01010101ul & mask;
    EXPECT_EQ(c.x[0], size == 4 ? got : (kept.x[0] & ~mask) | got);
    EXPECT(!memcmp(&c.x[1], &kept.x[1], 6 * sizeof(c.x[1])));
    after = record_of(port);
    EXPECT_EQ(after.reads, before.reads + 1);
    EXPECT_EQ(after.width, size);
    struct record still = record_of(port + 1);
    EXPECT(same_record(&still, &next));
    still = record_of(port - 1);
    EXPECT(same_record(&still, &previous));
}

TEST(single_accesses)
{
    PORTS_ONLY;
    FOR_WAYS(w, el0)
    {
        for (unsigned i = 0; i < 3; i++) {
            single(w, el0, sizes[i], true);
            single(w, el0, sizes[i], false);
        }
    }
}

TEST(nobody_answers_all_ones)
{
    TOOLS_ONLY;
    EXPECT_EQ(in(1, NOBODY_PORT), 0xff);
    EXPECT_EQ(in(2, NOBODY_PORT), 0xffff);
    EXPECT_EQ(in(4, NOBODY_PORT), 0xffffffff);
    EXPECT_EQ(in(2, LOW), 0xffff);
    EXPECT_EQ(in(4, HIGH), 0xffffffff);
    out(4, LOW, 10);
    out(1, 0xffff, 10);
    EXPECT_EQ(in(4, 0xffff), 0xffffffff);
}

/* ---- strings ---- */

static void fill_pages(void)
{
    for (unsigned i = 0; i < sizeof(pages); i++) {
        pages[i] = (uint8_t)(i * 7 + (i >> 8));
    }
}

/* What the device is left with after count elements from at on. */
static uint32_t written(uint32_t value, const uint8_t *at, unsigned size, long step, uint64_t count)
{
    for (; count; count--, at += step) {
        uint32_t element = 0;

        memcpy(&element, at, size);
        value = (value << 8 | value >> 24) ^ element;
    }
    return value;
}

/* An OUTS of count elements at an odd place that lies in two pages. */
static void outs(const struct way *w, bool el0, unsigned size, bool down, uint64_t count)
{
    long step = down ? -(long)size : (long)size;
    uint8_t *from = &pages[PAGE - 3 + (down ? count / 2 * size : 0)];
    struct record before = record_of(ODD_PORT), after;
    struct call c = {.x = {FILL, 1, count, ODD_PORT, (uint64_t)from, 5, 6,
                           (count == 1 ? STRING : REPEAT) | SIZE(size) | (down ? DOWN : 0)}};

    EXPECT_CALL(w, el0, &c);
    EXPECT_EQ(c.x[4], (uint64_t)from + (uint64_t)step * count);
    EXPECT_EQ(c.x[2], count == 1 ? 1 : 0);
    EXPECT(c.x[0] == FILL && c.x[1] == 1 && c.x[3] == ODD_PORT && c.x[5] == 5 && c.x[6] == 6);
    EXPECT_EQ(c.nzcv, NZCV);
    after = record_of(ODD_PORT);
    EXPECT_EQ(after.writes, before.writes + count);
    EXPECT_EQ(after.value, written(before.value, from, size, step, count));
    EXPECT(!count || after.width == size);
}

static void ins(const struct way *w, bool el0, unsigned size, bool down, uint64_t count)
{
    long step = down ? -(long)size : (long)size;
    uint8_t *to = &pages[PAGE - 3 + (down ? count / 2 * size : 0)];
    uint8_t *lowest = down && count ? to - (count - 1) * size : to;
    struct record before = record_of(ODD_PORT), after;
    struct call c = {.x = {FILL, 1, count, ODD_PORT, 4, (uint64_t)to, 6,
                           (count == 1 ? STRING : REPEAT) | IN | SIZE(size) | (down ? DOWN : 0)}};

    fill_pages();
    uint8_t below = lowest[-1], above = lowest[count * size];
    EXPECT_CALL(w, el0, &c);
    EXPECT_EQ(c.x[5], (uint64_t)to + (uint64_t)step * count);
    EXPECT_EQ(c.x[2], count == 1 ? 1 : 0);
    EXPECT(c.x[0] == FILL && c.x[1] == 1 && c.x[4] == 4 && c.x[6] == 6);
    after = record_of(ODD_PORT);
    EXPECT_EQ(after.reads, before.reads + count);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t want = (uint32_t)(before.reads + 1 + i) * 0x01010101u;
        EXPECT(!memcmp(to + (long)i * step, &want, size));
    }
    EXPECT(lowest[-1] == below && lowest[count * size] == above);
}

/* 1000 is more than one exit does. */
TEST(strings)
{
    static const uint64_t counts[] = {1, 0, 2, 3, 64, 65, 1000};

    PORTS_ONLY;
    fill_pages();
    FOR_WAYS(w, el0)
    {
        for (unsigned i = 0; i < 3; i++) {
            for (unsigned n = 0; n < 7; n++) {
                outs(w, el0, sizes[i], false, counts[n]);
                outs(w, el0, sizes[i], true, counts[n]);
                ins(w, el0, sizes[i], false, counts[n]);
                ins(w, el0, sizes[i], true, counts[n]);
            }
        }
    }
}

/* ---- faults in the middle ---- */

static volatile unsigned mended;
static struct exc_info first_fault;
static struct exc_frame first_frame;

/* Notes the fault, and maps the page as it was: the instruction goes on where it was. */
static bool mend_page(struct exc_frame *frame, const struct exc_info *info)
{
    unsigned class = ESR_EC(info->esr);

    if ((class != EC_DABT_LOW && class != EC_DABT_CUR) || mended) {
        return false;
    }
    first_fault = *info;
    first_frame = *frame;
    mended++;
    mmu_map_page((uint64_t)&pages[PAGE], (uint64_t)&pages[PAGE],
                 PTE_NORMAL | PTE_USER | PTE_PXN | PTE_UXN);
    return true;
}

struct faulting {
    uint64_t w7, start, count, left; /* elements that are left when it faults */
    uint64_t far;
};

/* flags: the middle page's until the fault; status: the fault's. */
static void faulting(const struct way *w, bool el0, const struct faulting *f, uint64_t flags,
                     unsigned status)
{
    bool is_in = f->w7 & IN, down = f->w7 & DOWN;
    uint64_t size = 1ul << (f->w7 & 3);
    uint64_t done = f->count - f->left;
    uint64_t moved = down ? -(size * done) : size * done;
    struct record before = record_of(ODD_PORT), after;
    struct call c = {.x = {FILL, 1, f->count, ODD_PORT, f->start, f->start, 6, f->w7}};

    if (flags) {
        mmu_map_page((uint64_t)&pages[PAGE], (uint64_t)&pages[PAGE], flags);
    } else {
        mmu_unmap_page((uint64_t)&pages[PAGE]);
    }
    mended = 0;
    exc_set_mend(mend_page);
    EXPECT_CALL(w, el0, &c);
    exc_set_mend(0);
    EXPECT_EQ(mended, 1);
    EXPECT_EQ(first_fault.far, f->far);
    EXPECT_EQ(first_fault.elr, w->insn);
    EXPECT_EQ(first_fault.esr, (el0 ? EC_DABT_LOW : EC_DABT_CUR) * (1ul << 26) | 1ul << 25 |
                                   (is_in ? 0x40 : 0) | status);
    EXPECT_EQ(first_frame.x[2], f->left);
    EXPECT_EQ(first_frame.x[is_in ? 5 : 4], f->start + moved);
    EXPECT_EQ(first_frame.x[is_in ? 4 : 5], f->start);
    EXPECT_EQ(c.x[2], 0);
    EXPECT_EQ(c.x[is_in ? 5 : 4], f->start + (down ? -(size * f->count) : size * f->count));
    after = record_of(ODD_PORT);
    EXPECT_EQ(after.reads, before.reads + (is_in ? f->count : 0)); /* none lost, none twice */
    EXPECT_EQ(after.writes, before.writes + (is_in ? 0 : f->count));
}

TEST(faults_in_the_middle)
{
    uint64_t middle = (uint64_t)&pages[PAGE], last = (uint64_t)&pages[2 * PAGE];
    const struct faulting cases[] = {
        {REPEAT, middle - 5, 9, 4, middle},
        {REPEAT | IN, middle - 5, 9, 4, middle},
        {REPEAT | SIZE(4), middle - 7, 5, 4, middle},
        {REPEAT | IN | SIZE(4), middle - 7, 5, 4, middle},
        {REPEAT | SIZE(2) | DOWN, last + 4, 6, 3, last - 2},
        {REPEAT | IN | SIZE(4) | DOWN, last + 2, 4, 3, last - 2},
        {REPEAT | IN | SIZE(2), middle - 300, 200, 50, middle},
    };

    PORTS_ONLY;
    FOR_WAYS(w, el0)
    {
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            faulting(w, el0, &cases[i], 0, 7);
        }
    }
}

/* The rights that count are the caller's own. */
TEST(permission_faults)
{
    uint64_t middle = (uint64_t)&pages[PAGE];
    const struct faulting out_of = {REPEAT, middle - 5, 9, 4, middle};
    const struct faulting into = {REPEAT | IN, middle - 5, 9, 4, middle};
    uint64_t rest = PTE_NORMAL | PTE_PXN | PTE_UXN;

    PORTS_ONLY;
    FOR_WAYS(w, el0)
    {
        faulting(w, el0, &into, rest | PTE_USER | PTE_RO, 0xf);
        if (el0) {
            faulting(w, el0, &into, rest, 0xf);
            faulting(w, el0, &out_of, rest, 0xf);
        } else {
            faulting(w, el0, &into, rest | PTE_RO, 0xf);
        }
        faulting(w, el0, &out_of, (rest | PTE_USER) & ~PTE_AF, 0xb);
    }
}

static void pan_on(uint64_t unused)
{
    (void)unused;
    __asm__ volatile(".inst 0xd500419f"); /* MSR PAN, #1 */
}

static void pan_off(void)
{
    __asm__ volatile(".inst 0xd500409f");
}

/* PSTATE.PAN keeps EL1 out of EL0's memory, where there is PAN. */
TEST(pan)
{
    struct call c = {.x = {0, 1, 3, ODD_PORT, (uint64_t)pages, (uint64_t)pages, 6, REPEAT | CALL}};
    struct exc_info info;
    struct record before;

    PORTS_ONLY;
    SKIP_UNLESS(read_sysreg(id_aa64mmfr1_el1) >> 20 & 0xf, "no PAN");
    before = record_of(ODD_PORT);
    pan_on(0);
    bool taken = expect_exception(&info, by_number(call_by_mrs), (uint64_t)&c);
    pan_off();
    EXPECT(taken);
    EXPECT_EQ(ESR_FSC(info.esr), 0xf);
    EXPECT_EQ(info.far, pages);
    EXPECT_EQ(record_of(ODD_PORT).writes, before.writes);
    c.x[7] |= IN;
    EXPECT_EQ(c.x[2], 3);
    pan_on(0);
    taken = expect_exception(&info, by_number(call_by_mrs), (uint64_t)&c);
    pan_off();
    EXPECT(taken);
    EXPECT(ESR_WNR(info.esr));
    EXPECT_EQ(record_of(ODD_PORT).reads, before.reads);
}

TEST(nothing_is_mapped_there)
{
    struct exc_info info;

    PORTS_ONLY;
    FOR_WAYS(w, el0)
    {
        struct call c = {.x = {0, 1, 3, ODD_PORT, 0x0f000000, 0x0f000000, 6, REPEAT}};

        EXPECT(call(w, el0, &c, &info)); /* nothing is there at stage 2, nor EL0's at stage 1 */
        EXPECT_EQ(ESR_FSC(info.esr), el0 ? 0xd : 0x10);
        EXPECT_EQ(info.far, 0x0f000000);
        EXPECT_EQ(info.elr, w->insn);
        c.x[4] = 0xfff0000000000000;
        EXPECT(call(w, el0, &c, &info));
        EXPECT(ESR_FSC(info.esr) >= 4 && ESR_FSC(info.esr) <= 7);
        EXPECT_EQ(info.far, 0xfff0000000000000);
    }
}

/* ---- the port for whole messages, without a channel ---- */

TEST(no_message_without_a_channel)
{
    TOOLS_ONLY;
    FOR_WAYS(w, el0)
    {
        struct call c = {.x = {MAGIC, 0x10000, 8, 0x50000 | HIGH, (uint64_t)pages, 5, 6, REPEAT}};

        EXPECT_CALL(w, el0, &c);
        EXPECT_EQ(c.x[1] >> 16 & 1, 0);
        EXPECT_EQ(c.x[2], 8);
        EXPECT_EQ(c.x[4], (uint64_t)pages);
        c = (struct call){
            .x = {MAGIC, 0x10000, 1ul << 40, 0x50000 | HIGH, 4, (uint64_t)pages, 6, REPEAT | IN}};
        EXPECT_CALL(w, el0, &c);
        EXPECT_EQ(c.x[1] >> 16 & 1, 0);
        EXPECT_EQ(c.x[2], 1ul << 40);
    }
}

/* ---- any values at all ---- */

static uint64_t random_state = 1;

static uint64_t random_value(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1dul;
}

static uint64_t random_address(uint64_t r)
{
    switch (r & 3) {
    case 0:
        return r;
    case 1:
        return r >> 20;
    default:
        return (uint64_t)pages + PAGE + (r >> 8) % 64 - 32;
    }
}

/* Strings stay within the pages, whatever the direction: no more than 1000 elements. */
static void random_call(struct call *c)
{
    static const uint16_t ports[] = {LOW, LOW, LOW, HIGH, HIGH, ODD_PORT, IMM_PORT, NOBODY_PORT};
    static const uint32_t forms[] = {0xe, 0x18, 0x1c};
    uint64_t r = random_value(), form = r >> 8 & 7;

    for (unsigned i = 0; i < 8; i++) {
        c->x[i] = random_value();
    }
    c->x[0] = r & 1 ? MAGIC : c->x[0];
    c->x[2] = r & 2 ? c->x[2] & 0x7f : r & 4 ? c->x[2] % 200 : c->x[2];
    c->x[3] = (c->x[3] & ~0xfffful) | (r & 8 ? (uint16_t)c->x[3] : ports[r >> 4 & 7]);
    c->x[4] = random_address(c->x[4]);
    c->x[5] = random_address(c->x[5]);
    c->x[7] = form < 3 ? forms[form] : form < 7 ? c->x[7] & 0x3f : c->x[7] & 0xffffffff;
    bool near =
        c->x[4] - (uint64_t)pages < sizeof(pages) || c->x[5] - (uint64_t)pages < sizeof(pages);
    if (c->x[7] & STRING && near) {
        c->x[2] %= 1000;
    }
}

TEST(random_values)
{
    uint64_t rounds = arg_u64("rounds", 0), faults = 0;
    struct exc_info info;

    SKIP_UNLESS(rounds, "wants rounds=");
    random_state = arg_u64("seed", 1);
    for (uint64_t n = 0; n < rounds; n++) {
        struct call c;
        const struct way *w = &ways[random_value() % WAYS];

        w = has_way(w) ? w : &ways[0];
        random_call(&c);
        faults += call(w, w->el0 && random_value() & 1, &c, &info);
    }
    struct call c = {.x = {MAGIC, 0, 10, LOW, 4, 5, 6, 0xe}};
    EXPECT_CALL(&ways[0], true, &c);
    EXPECT_EQ(c.x[0], 6);
    EXPECT(faults > rounds / 100);
    EXPECT(!psci_call(PSCI_AFFINITY_INFO, cpu_mpidr(0), 0, 0));
}
