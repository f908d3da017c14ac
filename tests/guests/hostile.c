// SPDX-License-Identifier: Apache-2.0
// A VM that does its worst, on two vCPUs at once: random system instructions, accesses, calls, page
// tables and entry points, from EL1 and EL0. What it does follows from `seed=`; `ops=` instructions
// in all. Nothing here may harm Newel or the VM beside it (victim.c); that is what is tested.
//
// The payload keeps itself alive: it loses no address of its own to a random store, never turns its
// VM off, and when one vCPU sleeps or is off, the other one is awake and wakes it.
#include "hostile/insn.h"
#include "hostile/shot.h"
#include "hostile/wild.h"
#include "lib/gic.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#define UART_IFLS 0x34
#define UART_IMSC 0x38
#define UART_LCRH 0x2c
#define UART_CR   0x30
#define WAKE_SGI  1
#define STALE_MS  20

#define SHOT_LENGTH 24

#define EFI_UPCALL   0xef1u /* X9: which service */
#define RESET_SYSTEM 10

enum kind { KIND_SHOT, KIND_AARCH32, KIND_FETCH, KIND_CALL, KIND_SLEEP, KIND_OFF, KINDS };
static const char *const kind_names[] = {"A64", "A32", "fetches", "calls", "sleeps", "turned off"};

struct hostile {
    struct random random; /* decides what is done */
    struct random luck;   /* decides what depends on the other vCPU's timing */
    unsigned index;
    uint64_t wanted, ops[KINDS], exceptions, interrupts, strays, rescues, restarts;
    volatile uint64_t shots; /* the heartbeat */
    volatile bool done;
    uint64_t other_shots, other_since;
};

struct shot hostile_shots[HOSTILES] __attribute__((aligned(1024)));
static struct hostile hostiles[HOSTILES];
static uint32_t code[HOSTILES][1024] __attribute__((aligned(4096)));
static volatile unsigned may_sleep; /* the vCPU whose turn it is; the other one stays awake */
static bool aarch32;

static struct hostile *other_of(const struct hostile *h)
{
    return &hostiles[1 - h->index];
}

static uint64_t all_ops(const struct hostile *h)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        sum += h->ops[i];
    }
    return sum;
}

/* ---- keeping alive ---- */

/* What SGIs and the timer of a CPU need in the GIC, whatever has been written there. */
static void mend_gic(unsigned cpu)
{
    uint64_t rd = gicr_base(cpu);

    mmio_write32(machine.gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1 | GICD_CTLR_GRP0);
    mmio_write32(rd + GICR_WAKER, 0);
    mmio_write32(rd + GICR_SGI + GICD_ICACTIVER, ~0u);
    mmio_write32(rd + GICR_SGI + GICD_IGROUPR, ~0u);
    for (unsigned i = 0; i < 32; i += 4) {
        mmio_write32(rd + GICR_SGI + GICD_IPRIORITYR + i, 0x80808080);
    }
    mmio_write32(rd + GICR_SGI + GICD_ISENABLER, 1u << WAKE_SGI | 1u << TIMER_VIRT_PPI);
}

static void mend_interface(void)
{
    write_sysreg(icc_ctlr_el1, 0);
    write_sysreg(s3_0_c12_c8_4, 0); /* ICC_AP0R0_EL1 */
    write_sysreg(s3_0_c12_c9_0, 0); /* ICC_AP1R0_EL1 */
    write_sysreg(icc_pmr_el1, 0xff);
    write_sysreg(icc_igrpen1_el1, 1);
}

static void mend_uart(void)
{
    mmio_write32(machine.uart + UART_IMSC, 0);
    mmio_write32(machine.uart + UART_LCRH, 0x70);
    mmio_write32(machine.uart + UART_CR, 0x301);
}

/* The other one has done nothing for a while: it sleeps, or it is off. */
static void rescue(struct hostile *h)
{
    struct hostile *o = other_of(h);
    unsigned n = o->index;

    h->rescues++;
    mend_gic(n);
    mend_interface();
    gic_send_sgi(WAKE_SGI, (uint16_t)(1u << n));
    if (cpu_is_off(n)) {
        h->restarts += psci_call(PSCI_CPU_ON, cpu_mpidr(n), wild_entry(&h->luck), 0) == 0;
    }
}

static void look_after_the_other(struct hostile *h)
{
    struct hostile *o = other_of(h);
    uint64_t now = timer_now();

    if (o->done || o->shots != h->other_shots) {
        h->other_shots = o->shots;
        h->other_since = now;
    } else if (now - h->other_since > timer_us(STALE_MS * 1000)) {
        rescue(h);
        h->other_since = now;
    }
}

static void take_interrupts(struct hostile *h)
{
    h->interrupts++;
    write_sysreg(cntv_ctl_el0, 0);
    mend_interface();
    for (unsigned i = 0; i < 64; i++) {
        unsigned intid = gic_ack();

        if (intid >= GIC_SPURIOUS - 3) {
            break;
        }
        gic_eoi(intid);
    }
    write_sysreg(icc_eoir0_el1, read_sysreg(icc_iar0_el1));
}

/* ---- shots ---- */

static uint64_t wild_sctlr(struct random *r, bool mmu)
{
    uint64_t optional = 1ul << 9 | 1ul << 14 | 1ul << 15 | 1ul << 19 | 1ul << 26;
    uint64_t pauth = 1ul << 13 | 1ul << 27 | 1ul << 30 | 1ul << 31;

    return 0x30d00800 | (random_next(r) & (optional | pauth)) | (mmu ? 0x1005 : 0);
}

static uint64_t wild_spsr(struct random *r)
{
    static const uint8_t modes[] = {5, 5, 5, 5, 5, 4, 0, 0};
    uint64_t masks = random_below(r, 8) ? 0x3c0 : random_next(r) & 0x3c0;
    uint64_t mode = modes[random_below(r, sizeof(modes))];

    if (random_below(r, 256) == 0) {
        return (random_next(r) & 0xffffffef) | 0x3c0; /* also modes there are none of */
    }
    return mode | masks | (random_next(r) & 0xf0000000);
}

static void load_registers(struct shot *s, struct random *r, bool mmu)
{
    for (unsigned i = 0; i < 26; i++) {
        s->x[i] = random_next(r);
    }
    for (unsigned i = 2; i < 17; i++) {
        s->x[i] = mmu ? wild_va(r) : wild_pa(r);
    }
    s->x[17] = random_below(r, 256);
    s->x[19] &= ~1ul;
}

static void publish(unsigned cpu)
{
    uint64_t line = (uint64_t)code[cpu];

    for (unsigned i = 0; i < SHOT_WORDS * 4; i += 64) {
        __asm__ volatile("dc civac, %0\n\tdsb sy\n\tic ivau, %0" ::"r"(line + i) : "memory");
    }
    __asm__ volatile("dsb sy\n\tisb" ::: "memory");
}

static void fire_at(struct hostile *h, struct shot *s, uint64_t entry)
{
    s->entry = entry;
    hostile_run(s);
    cpu_init(h->index);
    h->exceptions += s->exceptions;
    h->strays += s->ended_by == 0x1ff;
    if (SHOT_ENDED_BY_IRQ(s->ended_by)) {
        take_interrupts(h);
    }
}

static void fire(struct hostile *h, struct shot *s)
{
    publish(h->index);
    fire_at(h, s, (uint64_t)code[h->index]);
}

static void shoot(struct hostile *h, struct shot *s)
{
    struct random *r = &h->random;
    bool mmu = random_below(r, 4) == 0;
    uint32_t *to = code[h->index];
    unsigned words = 0;

    while (words + INSN_WORDS < SHOT_LENGTH) {
        words += insn_any(r, &to[words], mmu);
        h->ops[KIND_SHOT]++;
    }
    to[words] = INSN_SVC;
    load_registers(s, r, mmu);
    s->sctlr = wild_sctlr(r, mmu);
    s->spsr = wild_spsr(r);
    write_sysreg(cpacr_el1, random_below(r, 8) ? 0x3330000 : random_next(r));
    if (mmu) {
        wild_translation(r, s, h->index);
    }
    fire(h, s);
    write_sysreg(mdscr_el1, 0);
}

static void shoot_aarch32(struct hostile *h, struct shot *s)
{
    struct random *r = &h->random;
    bool thumb = random_below(r, 2);
    uint32_t *to = code[h->index];

    for (unsigned i = 0; i < 2; i++) {
        to[i] = insn_aarch32(r, thumb);
        h->ops[KIND_AARCH32]++;
    }
    to[2] = to[3] = thumb ? INSN_SVC_T32 : INSN_SVC_A32;
    load_registers(s, r, false);
    s->sctlr = 0x30d00800;
    s->spsr = 0x1d0 | (thumb ? 0x20 : 0) | (random_next(r) & 0xf0000000);
    fire(h, s);
}

/* Execution where nothing can be executed. */
static void fetch(struct hostile *h, struct shot *s)
{
    struct random *r = &h->random;

    load_registers(s, r, false);
    s->sctlr = wild_sctlr(r, false);
    s->spsr = random_below(r, 2) ? 0x3c5 : 0x3c0;
    if (aarch32 && random_below(r, 4) == 0) {
        s->spsr = 0x1d0 | (random_next(r) & 0x20);
    }
    h->ops[KIND_FETCH]++;
    fire_at(h, s, wild_bad_entry(r) & (s->spsr & 0x10 ? 0x3fffffff : ~0ul));
}

/* ---- calls ---- */

static bool ends_the_vm(uint32_t function)
{
    uint32_t psci = function & ~0x40000000u;

    return psci == PSCI_SYSTEM_OFF || psci == PSCI_SYSTEM_RESET || psci == 0x84000012u;
}

/* CPU_SUSPEND, CPU_OFF, CPU_FREEZE, CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND */
static bool may_not_return(uint32_t function)
{
    uint32_t psci = function & ~0x40000000u;

    return psci == 0x84000001u || psci == 0x84000002u || psci - 0x8400000bu < 4;
}

static uint32_t wild_function(struct random *r)
{
    static const uint32_t owners[] = {
        0x84000000, 0xc4000000, 0x80000000, 0xc0000000, 0x84000050, 0xc4000050,
        0xc5000020, 0x86000000, 0xc6000000, 0x8600ff00, 0xbf00ff00, 0x04000000,
    };
    uint32_t function;

    do {
        function = owners[random_below(r, 12)] | (uint32_t)random_below(r, 32);
        if (random_below(r, 4) == 0) {
            function = (uint32_t)random_next(r);
        }
    } while (ends_the_vm(function) || may_not_return(function));
    return function;
}

static void call(struct hostile *h, struct shot *s)
{
    struct random *r = &h->random;
    uint32_t *to = code[h->index];

    to[0] = random_below(r, 3) ? INSN_HVC : INSN_SMC;
    to[1] = INSN_SVC;
    for (unsigned i = 0; i < 26; i++) {
        s->x[i] = random_below(r, 2) ? random_next(r) : random_below(r, 4);
    }
    s->x[0] = wild_function(r) | (random_next(r) << 32);
    if (((uint32_t)s->x[0] & ~0x40000000u) == 0x84000003u) { /* CPU_ON */
        s->x[1] = random_below(r, 4) ? random_below(r, 3) : s->x[1];
        s->x[2] = random_below(r, 2) ? wild_entry(r) : wild_bad_entry(r);
    }
    s->sctlr = 0x30d00800;
    s->spsr = random_below(r, 8) ? 0x3c5 : 0x3c0;
    h->ops[KIND_CALL]++;
    fire(h, s);
}

/* EFI's upcall, without a stub: any service with any arguments, but for a reset that is one. */
static void upcall(struct hostile *h, struct shot *s)
{
    struct random *r = &h->random;
    uint32_t *to = code[h->index];

    to[0] = INSN_HVC | EFI_UPCALL << 5;
    to[1] = INSN_SVC;
    for (unsigned i = 0; i < 26; i++) {
        s->x[i] = random_below(r, 4)   ? wild_pa(r)
                  : random_below(r, 4) ? random_below(r, 256)
                                       : random_next(r);
    }
    s->x[9] = random_below(r, 8) ? random_below(r, 16) : random_next(r);
    if (s->x[9] == RESET_SYSTEM) {
        s->x[0] |= 4;
    }
    s->sctlr = 0x30d00800;
    s->spsr = 0x3c5;
    h->ops[KIND_CALL]++;
    fire(h, s);
}

/* ---- sleeping, one at a time ---- */

static bool my_turn_to_sleep(const struct hostile *h)
{
    return may_sleep == h->index && !other_of(h)->done;
}

static void sleep(struct hostile *h, struct shot *s)
{
    uint64_t entry = wild_entry(&h->luck);

    h->ops[KIND_SLEEP]++;
    mend_gic(h->index);
    mend_interface();
    write_sysreg(cntv_cval_el0, timer_now() + timer_us(random_below(&h->luck, 2000)));
    write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
    may_sleep = h->index;
    switch (random_below(&h->luck, 4)) {
    case 0:
        wfi();
        break;
    case 1:
        psci_call(PSCI_CPU_SUSPEND, 0, 0, 0);
        break;
    case 2:
        psci_call(PSCI_CPU_SUSPEND, 1ul << 16, entry, 0); /* ends at hostile_landing */
        break;
    default:
        code[h->index][0] = INSN_WFI; /* at EL0 */
        code[h->index][1] = INSN_SVC;
        s->sctlr = 0x30d00800 | 1ul << 16;
        s->spsr = 0x3c0;
        fire(h, s);
    }
    take_interrupts(h);
}

static void turn_off(struct hostile *h)
{
    h->ops[KIND_OFF]++;
    psci_call(PSCI_CPU_OFF, 0, 0, 0);
}

/* ---- the game ---- */

static void progress(struct hostile *h)
{
    static unsigned tenths;
    unsigned now = (unsigned)(all_ops(h) * 10 / h->wanted);

    if (h->index == 0 && now > tenths) {
        tenths = now;
        mend_uart();
        print("hostile: %u0%%\n", tenths);
    }
}

static void one(struct hostile *h, struct shot *s)
{
    uint64_t kind = random_below(&h->random, 1024);

    h->shots = h->shots + 1;
    if (kind < 60) {
        upcall(h, s);
    } else if (kind < 300) {
        call(h, s);
    } else if (kind < 340 && aarch32) {
        shoot_aarch32(h, s);
    } else if (kind < 360) {
        fetch(h, s);
    } else if (kind < 364 && my_turn_to_sleep(h)) {
        sleep(h, s);
    } else if (kind < 365 && my_turn_to_sleep(h)) {
        turn_off(h);
    } else {
        shoot(h, s);
    }
    if (may_sleep == h->index && random_below(&h->luck, 64) == 0) {
        may_sleep = 1 - h->index;
    }
    look_after_the_other(h);
}

/* Also where a vCPU goes on that was off or suspended. */
void hostile_loop(struct shot *s)
{
    struct hostile *h = &hostiles[s - hostile_shots];

    cpu_init(h->index);
    while (all_ops(h) < h->wanted) {
        one(h, s);
        progress(h);
    }
    h->done = true;
    while (!other_of(h)->done) {
        look_after_the_other(h);
    }
}

static void play(uint64_t index)
{
    extern char guest_vectors[];

    hostile_enter(&hostile_shots[index]);
    write_sysreg(vbar_el1, (uint64_t)guest_vectors);
    write_sysreg(cntv_ctl_el0, 0);
    mend_gic((unsigned)index);
    mend_interface();
}

static void prepare(void)
{
    uint64_t seed = arg_u64("seed", 1);
    uint64_t ops = arg_u64("ops", 200000);

    for (unsigned i = 0; i < HOSTILES; i++) {
        hostiles[i] = (struct hostile){
            .random = {seed * HOSTILES + i + 0x9e3779b97f4a7c15},
            .luck = {seed + 0x1234567 + i},
            .index = i,
            .wanted = ops / HOSTILES,
        };
    }
    aarch32 = (read_sysreg(id_aa64pfr0_el1) & 0xf) == 2;
    wild_prepare();
}

static void report(const struct hostile *h)
{
    print("hostile: vCPU %u:", h->index);
    for (unsigned i = 0; i < KINDS; i++) {
        print(" %lu %s,", h->ops[i], kind_names[i]);
    }
    print(" %lu exceptions, %lu interrupts, %lu strays, %lu rescues, %lu restarts of the other\n",
          h->exceptions, h->interrupts, h->strays, h->rescues, h->restarts);
}

TEST(does_its_worst)
{
    uint64_t start = timer_now();

    SKIP_UNLESS(strict(), "for a hypervisor's eyes");
    prepare();
    EXPECT_EQ(cpu_start(1, play, 1), PSCI_SUCCESS);
    play(0);
    cpu_init(0);
    mend_uart();
    EXPECT(cpu_join(1));
    for (unsigned i = 0; i < HOSTILES; i++) {
        report(&hostiles[i]);
        EXPECT(all_ops(&hostiles[i]) >= hostiles[i].wanted);
        EXPECT(hostiles[i].exceptions > hostiles[i].wanted / 4);
    }
    print("hostile: %lu ms\n", (timer_now() - start) * 1000 / read_sysreg(cntfrq_el0));
}
