// SPDX-License-Identifier: Apache-2.0
// A QEMU plugin that counts instructions exactly, those of the hypervisor apart from its guests'.
//
// Arguments: out=FILE             where the log goes (needed)
//            hyp=START+SIZE       physical range of the hypervisor's code; may be given several
//            times ram=ADDR             physical address of RAM (0x40000000) hist=FILE executions
//            of each block of the hypervisor, by address trace=N              after mark 28, log
//            the next N instructions of that CPU
//
// The log, one line each:
//   first-guest hyp H guest G               when the first guest instruction is about to run, over
//   all CPUs mark M cpu C hyp H guest G all-hyp H all-guest G exits E
//                                           at "orr xM,xM,xM" (19 <= M <= 28): this CPU's counts,
//                                           then all CPUs'
//   trace PA VA TEXT                        an instruction of a trace
//   vector V N                              exits that entered the hypervisor at offset V of a 2
//   KiB vector table total cpu C hyp H guest G exits E       at the end
//
// A count includes every instruction that was begun, so one that faults and is run again counts
// twice, as the CPU does it. The mark itself is not yet counted when its line is written.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_api.h"

#define EXPORT  __attribute__((visibility("default")))
#define RANGES  4
#define VECTORS 16

EXPORT int qemu_plugin_version = 4;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

enum world { HYP, GUEST };

/* One a CPU, written by translated code. */
struct counts {
    uint64_t insns[2];
    uint64_t world;
    uint64_t exits;
    uint64_t vectors[VECTORS];
    uint64_t trace_left;
};

struct block {
    uint64_t pa;
    size_t insns;
    uint64_t executions;
    struct block *next;
};

static struct qemu_plugin_scoreboard *board;
static struct {
    uint64_t start;
    uint64_t size;
} ranges[RANGES];
static unsigned range_count;
static uint64_t ram = 0x40000000;
static uint64_t trace_length;
static char *ram_host; /* where QEMU keeps RAM */
static FILE *out;
static FILE *hist;
static struct block *blocks;
static bool hyp_started, guest_started;

#define ENTRY(field) ((qemu_plugin_u64){board, offsetof(struct counts, field)})

static struct counts *counts_of(unsigned cpu)
{
    return qemu_plugin_scoreboard_find(board, cpu);
}

static struct counts total(void)
{
    struct counts sum = {0};

    for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
        const struct counts *c = counts_of((unsigned)i);

        sum.insns[HYP] += c->insns[HYP];
        sum.insns[GUEST] += c->insns[GUEST];
        sum.exits += c->exits;
        for (unsigned v = 0; v < VECTORS; v++) {
            sum.vectors[v] += c->vectors[v];
        }
    }
    return sum;
}

static void enter_guest(unsigned cpu, void *unused)
{
    (void)unused;
    counts_of(cpu)->world = GUEST;
    if (hyp_started && !guest_started) {
        struct counts sum = total();

        guest_started = true;
        fprintf(out, "first-guest hyp %" PRIu64 " guest %" PRIu64 "\n", sum.insns[HYP],
                sum.insns[GUEST]);
        fflush(out);
    }
}

/* userdata is the virtual address at which the hypervisor was entered. */
static void enter_hyp(unsigned cpu, void *userdata)
{
    struct counts *c = counts_of(cpu);

    hyp_started = true;
    c->world = HYP;
    if (guest_started) {
        c->exits++;
        c->vectors[((uintptr_t)userdata & 0x7ff) >> 7]++;
    }
}

/* userdata is the mark's register number. */
static void on_mark(unsigned cpu, void *userdata)
{
    struct counts *c = counts_of(cpu);
    struct counts sum = total();
    unsigned mark = (unsigned)(uintptr_t)userdata;

    fprintf(out,
            "mark %u cpu %u hyp %" PRIu64 " guest %" PRIu64 " all-hyp %" PRIu64
            " all-guest %" PRIu64 " exits %" PRIu64 "\n",
            mark, cpu, c->insns[HYP], c->insns[GUEST], sum.insns[HYP], sum.insns[GUEST], sum.exits);
    if (mark == 28) {
        c->trace_left = trace_length;
    }
}

static void on_trace(unsigned cpu, void *text)
{
    struct counts *c = counts_of(cpu);

    if (c->trace_left) {
        c->trace_left--;
        fprintf(out, "trace cpu %u %s\n", cpu, (const char *)text);
    }
}

static void on_block(unsigned cpu, void *block)
{
    (void)cpu;
    __atomic_fetch_add(&((struct block *)block)->executions, 1, __ATOMIC_RELAXED);
}

/* The physical address of an instruction in RAM, else 0. The first code QEMU runs in RAM stands
 * where it seems to. */
static uint64_t physical(const struct qemu_plugin_insn *insn)
{
    char *host = qemu_plugin_insn_haddr(insn);

    if (!host) {
        return 0;
    }
    if (!ram_host) {
        uint64_t va = qemu_plugin_insn_vaddr(insn);

        if (va < ram) {
            return 0;
        }
        ram_host = host - (va - ram);
    }
    return ram + (uint64_t)(host - ram_host);
}

static enum world world_of(uint64_t pa)
{
    for (unsigned i = 0; i < range_count; i++) {
        if (pa - ranges[i].start < ranges[i].size) {
            return HYP;
        }
    }
    return GUEST;
}

static uint32_t opcode(const struct qemu_plugin_insn *insn)
{
    uint32_t word = 0;

    qemu_plugin_insn_data(insn, &word, sizeof(word));
    return word;
}

/* Data processing on general registers, but for pointer authentication: it cannot fault, so the
 * next one runs too. */
static bool cannot_fault(uint32_t op)
{
    bool immediate = (op >> 26 & 7) == 4;
    bool registers = (op >> 25 & 7) == 5;
    bool one_or_two_sources = (op & 0x1fe00000) == 0x1ac00000;

    return immediate || (registers && !one_or_two_sources);
}

static unsigned mark_of(uint32_t op)
{
    unsigned reg = op & 0x1f;

    return reg >= 19 && reg <= 28 && op == (0xaa000000u | reg << 16 | reg << 5 | reg) ? reg : 0;
}

/* Adds to the CPU's count once for each run of instructions that are executed together or not at
 * all. */
static void count_block(struct qemu_plugin_tb *tb, enum world world)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    qemu_plugin_u64 entry = ENTRY(insns);

    entry.offset += world * sizeof(uint64_t);
    for (size_t first = 0; first < n;) {
        struct qemu_plugin_insn *head = qemu_plugin_tb_get_insn(tb, first);
        unsigned mark = mark_of(opcode(head));
        size_t last = first;

        while (last + 1 < n && !mark) {
            struct qemu_plugin_insn *next = qemu_plugin_tb_get_insn(tb, last + 1);

            if (!cannot_fault(opcode(qemu_plugin_tb_get_insn(tb, last))) || mark_of(opcode(next))) {
                break;
            }
            last++;
        }
        if (mark) {
            qemu_plugin_register_vcpu_insn_exec_cb(head, on_mark, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(uintptr_t)mark);
        }
        qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(head, QEMU_PLUGIN_INLINE_ADD_U64, entry,
                                                            last - first + 1);
        first = last + 1;
    }
}

static void trace_block(struct qemu_plugin_tb *tb, enum world world)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        char *disas = qemu_plugin_insn_disas(insn);
        char *text = NULL;

        if (asprintf(&text, "%s 0x%" PRIx64 " 0x%" PRIx64 " %s", world == HYP ? "hyp" : "guest",
                     physical(insn), qemu_plugin_insn_vaddr(insn), disas ? disas : "?") > 0) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_trace, QEMU_PLUGIN_CB_NO_REGS, text);
        }
        free(disas);
    }
}

static void hist_block(struct qemu_plugin_tb *tb, uint64_t pa)
{
    struct block *block = calloc(1, sizeof(*block));

    if (!block) {
        return;
    }
    block->pa = pa;
    block->insns = qemu_plugin_tb_n_insns(tb);
    block->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&blocks, &block->next, block, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct qemu_plugin_insn *head = qemu_plugin_tb_get_insn(tb, 0);
    uint64_t pa = physical(head);
    enum world world = world_of(pa);

    (void)id;
    if (world == HYP) {
        qemu_plugin_register_vcpu_tb_exec_cond_cb(tb, enter_hyp, QEMU_PLUGIN_CB_NO_REGS,
                                                  QEMU_PLUGIN_COND_NE, ENTRY(world), HYP,
                                                  (void *)(uintptr_t)qemu_plugin_insn_vaddr(head));
    } else {
        qemu_plugin_register_vcpu_tb_exec_cond_cb(tb, enter_guest, QEMU_PLUGIN_CB_NO_REGS,
                                                  QEMU_PLUGIN_COND_NE, ENTRY(world), GUEST, NULL);
    }
    if (hist && world == HYP) {
        hist_block(tb, pa);
    }
    count_block(tb, world);
    if (trace_length) {
        trace_block(tb, world);
    }
}

static void at_end(qemu_plugin_id_t id, void *unused)
{
    struct counts sum = total();

    (void)id;
    (void)unused;
    for (unsigned v = 0; v < VECTORS; v++) {
        if (sum.vectors[v]) {
            fprintf(out, "vector 0x%03x %" PRIu64 "\n", v << 7, sum.vectors[v]);
        }
    }
    for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
        const struct counts *c = counts_of((unsigned)i);

        fprintf(out, "total cpu %d hyp %" PRIu64 " guest %" PRIu64 " exits %" PRIu64 "\n", i,
                c->insns[HYP], c->insns[GUEST], c->exits);
    }
    fclose(out);
    for (const struct block *b = blocks; hist && b; b = b->next) {
        fprintf(hist, "0x%" PRIx64 " %zu %" PRIu64 "\n", b->pa, b->insns, b->executions);
    }
    if (hist) {
        fclose(hist);
    }
}

static bool add_range(const char *text)
{
    char *end;

    if (range_count == RANGES) {
        return false;
    }
    ranges[range_count].start = strtoull(text, &end, 0);
    if (*end != '+') {
        return false;
    }
    ranges[range_count++].size = strtoull(end + 1, &end, 0);
    return *end == 0;
}

static bool set_option(const char *arg)
{
    const char *value = strchr(arg, '=');

    if (!value++) {
        return false;
    }
    if (!strncmp(arg, "out=", 4)) {
        return (out = fopen(value, "w")) != NULL;
    }
    if (!strncmp(arg, "hist=", 5)) {
        return (hist = fopen(value, "w")) != NULL;
    }
    if (!strncmp(arg, "hyp=", 4)) {
        return add_range(value);
    }
    if (!strncmp(arg, "ram=", 4)) {
        ram = strtoull(value, NULL, 0);
        return true;
    }
    if (!strncmp(arg, "trace=", 6)) {
        trace_length = strtoull(value, NULL, 0);
        return true;
    }
    return false;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!set_option(argv[i])) {
            fprintf(stderr, "newel-count: bad argument %s\n", argv[i]);
            return -1;
        }
    }
    if (!out) {
        fprintf(stderr, "newel-count: out=FILE is missing\n");
        return -1;
    }
    board = qemu_plugin_scoreboard_new(sizeof(struct counts));
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, at_end, NULL);
    return 0;
}
