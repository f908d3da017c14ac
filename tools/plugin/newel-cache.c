// SPDX-License-Identifier: Apache-2.0
// A QEMU plugin that finds missing cache maintenance. QEMU's caches are coherent; this models a
// machine whose are not (cache/lines.h), from each store, each cache instruction, each DSB and each
// fetch of the guests and the hypervisor, and reports what such a machine might have got stale.
//
// Arguments: out=FILE             where the report goes (needed)
//            ram=START+SIZE       RAM (0x40000000+8 GiB)
//            polled=START+SIZE    mailboxes: a load that comes before the clean comes again
//
// The report, one line each:
//   WHAT at va A pa A by cpu N elE, written at va A pa A by cpu N elE
//                                 WHAT is one of the kinds below; the first 200 are written
//   unresolved OP ...             a cache instruction whose address leads nowhere
//   total KEY N KEY N ...         at the end; the run is good if reports and unresolved are 0.
//                                 fetches: lines; replaced: instructions found where another one
//                                 was before; grants: descriptors that let a guest execute or
//                                 write, checked
//
// The address of a cache instruction is resolved as the CPU would, by a walk of the tables in use
// then, of both stages; the last answer serves until a TLB would forget it. That the walks are
// right is checked against QEMU's own for each block of instructions translated (misresolved).
//
// A store of DC ZVA counts whole. Stores by SVE, MTE's tag stores and FEAT_MOPS are not seen: run
// it on a CPU without them. A guest's set/way operations have no effect here, as nothing is sure
// about them elsewhere.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/lines.h"
#include "cache/report.h"
#include "cache/tables.h"
#include "cache/walk.h"
#include "qemu_api.h"

#define EXPORT __attribute__((visibility("default")))
#define PAGE   4096u
#define NOP    0xd503201fu
#define ISB    0xd5033fdfu

#define L1IP_PIPT 3

// What Linux makes of the NOP at a function's beginning when it gets ready for tracing, also of
// those that do it: against the rule, but the one does as well as the other.
#define MOV_X9_X30 0xaa1e03e9u

EXPORT int qemu_plugin_version = 4;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

// ---- What is known of each CPU

enum count {
    CLEANED,
    INVALIDATED,
    EMPTIED,
    SET_WAY,
    STORES_LOST, // whose physical address QEMU does not tell
    FAULTING,    // cache instructions that fault at stage 2
    UNRESOLVED,
    MISRESOLVED,
    COUNTS,
};
static const char *const count_names[COUNTS] = {
    [CLEANED] = "lines-cleaned", [INVALIDATED] = "lines-invalidated", [EMPTIED] = "icaches-emptied",
    [SET_WAY] = "set-way",       [STORES_LOST] = "stores-lost",       [FAULTING] = "faulting",
    [UNRESOLVED] = "unresolved", [MISRESOLVED] = "misresolved",
};

// Of the exception level the CPU is at. Read again when that may have changed.
struct regime {
    uint64_t sctlr, hcr;
    bool data_uncached, fetch_uncached;
};

struct cpu {
    struct regime regime;
    bool descriptor_stored; // and no DSB since
    // the last walk
    uint64_t walk_page;
    uint64_t walk_generation;
    struct walk walk;
    uint64_t counts[COUNTS];
} __attribute__((aligned(128)));

static struct cpu cpus[CPUS];

// What translated code writes.
struct inline_state {
    uint64_t regime; // that cpus[].regime describes: 0 none, 1 EL1 and EL0, 2 EL2
    uint64_t fetches;
};
static struct qemu_plugin_scoreboard *board;
#define ENTRY(field) ((qemu_plugin_u64){board, offsetof(struct inline_state, field)})

static uint64_t tlbi_generation = 1;

static unsigned regime_of(unsigned el)
{
    return el == 2 ? 2 : 1;
}

static struct regime read_regime(unsigned el)
{
    struct regime r = {
        .sctlr = read_register(el == 2 ? REG_SCTLR_EL2 : REG_SCTLR_EL1),
        .hcr = read_register(REG_HCR),
    };
    bool forced = el < 2 && (r.hcr & (HCR_FWB | HCR_DC)) != 0;

    r.data_uncached = !forced && (r.sctlr & (SCTLR_M | SCTLR_C)) != (SCTLR_M | SCTLR_C);
    r.fetch_uncached = !forced && (r.sctlr & SCTLR_I) == 0;
    return r;
}

static void enter_regime(unsigned cpu, void *userdata)
{
    unsigned el = (unsigned)(uintptr_t)userdata;
    struct cpu *c = &cpus[cpu];

    ((struct inline_state *)qemu_plugin_scoreboard_find(board, cpu))->regime = regime_of(el);
    c->regime = read_regime(el);
    c->walk_generation = 0;
    if (el == 2) {
        return;
    }
    tables_enter(read_register(REG_VTTBR), read_register(REG_VTCR), (c->regime.hcr & HCR_FWB) != 0,
                 cpu);
    if (c->descriptor_stored) {
        c->descriptor_stored = false;
        report("guest entered without a DSB since a descriptor was stored", 0, 0, cpu, el, NULL);
    }
}

// ---- Addresses

static enum walk_result resolve(struct cpu *c, uint64_t va, unsigned el, struct walk *found)
{
    uint64_t generation = __atomic_load_n(&tlbi_generation, __ATOMIC_RELAXED);
    uint64_t page = va & -(uint64_t)PAGE;

    if (c->walk_generation != generation || c->walk_page != page) {
        enum walk_result result = walk(page, el, &c->walk);

        if (result != WALK_FOUND) {
            c->walk_generation = 0;
            return result;
        }
        c->walk_page = page;
        c->walk_generation = generation;
    }
    *found = c->walk;
    found->pa |= va % PAGE;
    return WALK_FOUND;
}

static void on_tlbi(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
    __atomic_fetch_add(&tlbi_generation, 1, __ATOMIC_RELAXED);
}

// ---- Stores, and loads with caches off

static uint64_t polled_start, polled_size;

static void store_to(uint64_t pa, uint64_t size, uint32_t writer, unsigned cpu)
{
    struct line *line = line_at(pa);

    if (!line) {
        return;
    }
    if (cpus[cpu].regime.data_uncached) {
        line_store_uncached(line, words_of(pa, size), writer, cpu);
    } else {
        line_store(line, words_of(pa, size), writer, cpu);
    }
}

static void load_from(uint64_t pa, uint64_t va, uint64_t size, uint32_t reader, unsigned cpu)
{
    struct line *line = pa - polled_start < polled_size ? NULL : line_at(pa);

    if (line && cpus[cpu].regime.data_uncached && line_read_uncached(line, words_of(pa, size))) {
        report("uncached load of a line not clean to the point of coherency", va, pa, cpu,
               place_of(reader)->el, line);
        line_forget(line);
    }
}

// False if it is a device, or unknown.
static bool physical(qemu_plugin_meminfo_t info, uint64_t va, unsigned cpu, uint64_t *pa)
{
    const struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(info, va);

    if (!where) {
        cpus[cpu].counts[STORES_LOST]++;
        return false;
    }
    if (qemu_plugin_hwaddr_is_io(where)) {
        return false;
    }
    *pa = qemu_plugin_hwaddr_phys_addr(where);
    return true;
}

static void on_load(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t va, void *place)
{
    uint64_t pa;

    if (!qemu_plugin_mem_is_store(info) && physical(info, va, cpu, &pa)) {
        load_from(pa, va, UINT64_C(1) << qemu_plugin_mem_size_shift(info),
                  (uint32_t)(uintptr_t)place, cpu);
    }
}

static void on_store(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t va, void *place)
{
    uint32_t writer = (uint32_t)(uintptr_t)place;
    uint64_t pa, size = UINT64_C(1) << qemu_plugin_mem_size_shift(info);
    uint64_t over = va % LINE_SIZE + size;

    if (!physical(info, va, cpu, &pa)) {
        return;
    }
    store_to(pa, size, writer, cpu);
    if (over > LINE_SIZE && physical(info, va + size - 1, cpu, &pa)) {
        store_to(pa & -(uint64_t)LINE_SIZE, over - LINE_SIZE, writer, cpu);
    }
}

// May the instruction be replaced, or replace another of its kind, while it is executed (B2.2.5)?
static bool patchable(uint32_t word)
{
    bool branch = (word & 0x7c000000) == 0x14000000;    // B, BL
    bool exception = (word & 0xff000000) == 0xd4000000; // SVC, HVC, SMC, BRK

    return branch || exception || word == NOP || word == ISB;
}

static bool may_replace(uint32_t word, uint32_t old)
{
    return patchable(word) ? old == 0 || patchable(old) : word == MOV_X9_X30 && old == NOP;
}

// The last instruction translated at each word of RAM, 0 for none; how often it was another.
static uint32_t *executed;
static uint64_t replaced;

static uint32_t *executed_at(uint64_t pa)
{
    return pa - ram_start < ram_size ? &executed[(pa - ram_start) / 4] : NULL;
}

static void on_guest_store(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t va, void *place)
{
    if (qemu_plugin_mem_size_shift(info) == 2 && !cpus[cpu].regime.data_uncached) {
        uint32_t word = qemu_plugin_mem_get_value(info).data.u32;
        const uint32_t *old;
        uint64_t pa;

        if ((patchable(word) || word == MOV_X9_X30) && physical(info, va, cpu, &pa) &&
            (old = executed_at(pa)) != NULL && may_replace(word, *old)) {
            line_store_either(line_at(pa), words_of(pa, 4), (uint32_t)(uintptr_t)place, cpu);
            return;
        }
    }
    on_store(cpu, info, va, place);
}

static void on_el2_store(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t va, void *place)
{
    unsigned size = 1u << qemu_plugin_mem_size_shift(info);
    qemu_plugin_mem_value value = qemu_plugin_mem_get_value(info);

    on_store(cpu, info, va, place);
    if (tables_store(va, value.data.u64, size, cpu)) { // Newel's addresses are physical
        cpus[cpu].descriptor_stored = true;
    }
}

// ---- Cache instructions and barriers

enum op {
    OP_NONE,
    OP_DC_ZVA,
    OP_DC_IVAC,
    OP_DC_CVAC,
    OP_DC_CVAU,
    OP_DC_CIVAC,
    OP_IC_IVAU,
    OP_IC_IALLU,
    OP_IC_IALLUIS,
    OP_SET_WAY,
    OP_UNKNOWN,
};

// An instruction of these, as it was translated.
struct cache_insn {
    struct place place;
    uint32_t number; // of the place
    uint8_t op, rt;
};

#define SYS(op1, crm, op2)      (0xd5087000u | (op1) << 16 | (crm) << 8 | (op2) << 5)
#define IS_SYS_CACHE(op)        (((op)&0xfff8f000) == 0xd5087000)
#define IS_TLBI(op)             (((op)&0xfff8e000) == 0xd5088000)
#define IS_DSB(op)              (((op)&0xfffff0ff) == 0xd503309f)
#define IS_DSB_NXS(op)          (((op)&0xfffff3ff) == 0xd503323f)
#define DSB_TYPE(op)            ((op) >> 8 & 3)
#define DSB_DOMAIN(op)          ((op) >> 10 & 3)
#define DSB_LOADS_AND_STORES    3
#define DSB_NON_SHAREABLE       1
#define IS_ADDRESS_TRANSLATE(o) (((o) >> 8 & 15) == 8 || ((o) >> 8 & 15) == 9)

static const struct {
    uint32_t word;
    enum op op;
} ops[] = {
    {SYS(3, 4, 1), OP_DC_ZVA},     {SYS(0, 6, 1), OP_DC_IVAC},  {SYS(3, 10, 1), OP_DC_CVAC},
    {SYS(3, 11, 1), OP_DC_CVAU},   {SYS(3, 12, 1), OP_DC_CVAC}, {SYS(3, 13, 1), OP_DC_CVAC},
    {SYS(3, 14, 1), OP_DC_CIVAC},  {SYS(3, 5, 1), OP_IC_IVAU},  {SYS(0, 5, 0), OP_IC_IALLU},
    {SYS(0, 1, 0), OP_IC_IALLUIS}, {SYS(0, 6, 2), OP_SET_WAY},  {SYS(0, 10, 2), OP_SET_WAY},
    {SYS(0, 14, 2), OP_SET_WAY},
};

static enum op decode(uint32_t word)
{
    if (!IS_SYS_CACHE(word) || IS_ADDRESS_TRANSLATE(word)) {
        return OP_NONE;
    }
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if ((word & ~0x1fu) == ops[i].word) {
            return ops[i].op;
        }
    }
    return OP_UNKNOWN;
}

// Does the instruction trap, to EL1 or EL2? Then whoever serves the trap does what it does.
static bool traps(const struct regime *r, enum op op, unsigned el)
{
    uint64_t hcr = 0;

    if (el == 2) {
        return false;
    }
    switch (op) {
    case OP_DC_ZVA:
        hcr = HCR_TDZ;
        break;
    case OP_DC_IVAC:
    case OP_DC_CVAC:
    case OP_DC_CIVAC:
        hcr = HCR_TPC;
        break;
    case OP_DC_CVAU:
    case OP_IC_IVAU:
    case OP_IC_IALLU:
        hcr = HCR_TPU | HCR_TOCU;
        break;
    case OP_IC_IALLUIS:
        hcr = HCR_TPU | HCR_TICAB;
        break;
    default:
        hcr = HCR_TSW;
        break;
    }
    bool to_el1 = el == 0 && (r->sctlr & (op == OP_DC_ZVA ? SCTLR_DZE : SCTLR_UCI)) == 0;

    return to_el1 || (r->hcr & hcr) != 0;
}

static void zero_line(const struct walk *at, uint32_t writer, unsigned el, unsigned cpu)
{
    uint64_t pa = at->pa & -(uint64_t)LINE_SIZE;

    if (at->writable) {
        store_to(pa, LINE_SIZE, writer, cpu);
    }
    if (el == 2) {
        tables_zeroed(pa);
    }
}

static void clean(struct line *line, enum op op, unsigned el, unsigned cpu)
{
    // A guest's DC IVAC cleans as well (D7.5.9.5, effects of virtualization).
    bool keeps = el < 2 && (cpus[cpu].regime.hcr & HCR_VM);

    cpus[cpu].counts[CLEANED]++;
    if (op == OP_DC_CVAU) {
        line_dc(line, DC_CLEAN_POU, cpu);
    } else if (op == OP_DC_CVAC) {
        line_dc(line, DC_CLEAN_POC, cpu);
    } else {
        line_dc(line, op == OP_DC_IVAC && !keeps ? DC_INVALIDATE : DC_CLEAN_INVALIDATE, cpu);
    }
}

static void unresolved(const struct cache_insn *insn, uint64_t va, unsigned cpu)
{
    cpus[cpu].counts[UNRESOLVED]++;
    fprintf(report_file,
            "unresolved op %d address 0x%" PRIx64 " at va 0x%" PRIx64 " by cpu %u el%u\n", insn->op,
            va, insn->place.va, cpu, insn->place.el);
}

// Does an instruction cache find a line by whatever address it has?
static bool physically_tagged(void)
{
    return (read_register(REG_CTR) >> 14 & 3) == L1IP_PIPT;
}

static void on_address_op(const struct cache_insn *insn, unsigned cpu)
{
    struct cpu *c = &cpus[cpu];
    uint64_t va = insn->rt == 31 ? 0 : read_register(REG_X0 + insn->rt);
    struct walk at;
    enum walk_result result = resolve(c, va, insn->place.el, &at);

    if (result == WALK_STAGE2_FAULT) { // it is served, and comes again
        c->counts[FAULTING]++;
        return;
    }
    if (result != WALK_FOUND) {
        if (insn->op != OP_DC_ZVA) { // which faults as a store
            unresolved(insn, va, cpu);
        }
        return;
    }
    struct line *line = line_at(at.pa);

    if (insn->op == OP_DC_ZVA) {
        zero_line(&at, insn->number, insn->place.el, cpu);
    } else if (line && insn->op == OP_IC_IVAU) {
        c->counts[INVALIDATED]++;
        if (insn->place.el < 2 || physically_tagged()) { // a guest's own address is another
            line_ic(line, cpu);
        }
    } else if (line) {
        clean(line, insn->op, insn->place.el, cpu);
    }
}

static void on_cache_insn(unsigned cpu, void *userdata)
{
    const struct cache_insn *insn = userdata;
    struct cpu *c = &cpus[cpu];

    if (traps(&c->regime, insn->op, insn->place.el)) {
        return;
    }
    switch (insn->op) {
    case OP_IC_IALLU:
    case OP_IC_IALLUIS:
        c->counts[EMPTIED]++;
        ic_all(cpu, insn->op == OP_IC_IALLUIS || (insn->place.el < 2 && c->regime.hcr & HCR_FB));
        break;
    case OP_SET_WAY:
        c->counts[SET_WAY]++;
        break;
    case OP_UNKNOWN:
        unresolved(insn, 0, cpu);
        break;
    default:
        on_address_op(insn, cpu);
        break;
    }
}

// userdata: for the inner shareable domain, or more?
static void on_dsb(unsigned cpu, void *shareable)
{
    dsb(cpu, shareable || (cpus[cpu].regime.hcr & HCR_BSU) != 0);
    cpus[cpu].descriptor_stored = false;
}

static void on_dsb_of_stores(unsigned cpu, void *unused)
{
    (void)unused;
    cpus[cpu].descriptor_stored = false;
}

// ---- Fetches

// What a block of instructions takes from a line.
struct fetch_line {
    struct line *line;
    uint16_t words;
};

struct fetch {
    struct place place;
    unsigned lines;
    struct fetch_line line[];
};

static const char *what_is_wrong(unsigned wrong)
{
    return wrong & DIRTY_POU   ? "stale fetch, not cleaned"
           : wrong & DIRTY_POC ? "stale fetch, not clean to the point of coherency"
           : wrong & BEHIND    ? "stale fetch, written with caches off and then not invalidated"
                               : "stale fetch, not invalidated";
}

static void fetch_slow(const struct fetch *fetch, const struct fetch_line *l, unsigned cpu)
{
    unsigned wrong = line_fetch(l->line, l->words, cpu, cpus[cpu].regime.fetch_uncached);

    if (wrong) {
        unsigned first_word = (unsigned)__builtin_ctz(l->words);
        uint64_t pa = line_pa(l->line) + first_word * 4;
        uint64_t page = (fetch->place.pa & -(uint64_t)PAGE) == (pa & -(uint64_t)PAGE)
                            ? fetch->place.va
                            : fetch->place.va + PAGE;

        report(what_is_wrong(wrong), (page & -(uint64_t)PAGE) | pa % PAGE, pa, cpu, fetch->place.el,
               l->line);
        line_forget(l->line);
    }
}

static void on_fetch(unsigned cpu, void *userdata)
{
    const struct fetch *fetch = userdata;
    bool uncached = cpus[cpu].regime.fetch_uncached;

    for (unsigned i = 0; i < fetch->lines; i++) {
        const struct fetch_line *l = &fetch->line[i];

        if (!line_fetch_fine(l->line, l->words, uncached)) {
            fetch_slow(fetch, l, cpu);
        }
    }
}

// ---- Translation

// The physical address of an instruction in RAM, else 0. The first code QEMU runs in RAM stands
// where it seems to.
static uint64_t insn_physical(const struct qemu_plugin_insn *insn)
{
    char *host = qemu_plugin_insn_haddr(insn);

    if (!host) {
        return 0;
    }
    if (!ram_host) {
        uint64_t va = qemu_plugin_insn_vaddr(insn);

        if (va < ram_start) {
            return 0;
        }
        ram_host = host - (va - ram_start);
    }
    return ram_start + (uint64_t)(host - ram_host);
}

static uint32_t opcode(const struct qemu_plugin_insn *insn)
{
    uint32_t word = 0;

    qemu_plugin_insn_data(insn, &word, sizeof(word));
    return word;
}

// After these the CPU's regime, or where its addresses lead, is another.
static bool changes_regime(uint32_t word)
{
    switch (word & ~0x1fu) {
    case 0xd5181000: // SCTLR_EL1
    case 0xd5182000: // TTBR0_EL1
    case 0xd5182020: // TTBR1_EL1
    case 0xd5182040: // TCR_EL1
    case 0xd51c1000: // SCTLR_EL2
        return true;
    default:
        return false;
    }
}

static void add_cache_insn(struct qemu_plugin_insn *insn, const struct place *place, enum op op,
                           unsigned rt)
{
    struct cache_insn *record = malloc(sizeof(*record));

    *record = (struct cache_insn){*place, place_add(place), (uint8_t)op, (uint8_t)rt};
    qemu_plugin_register_vcpu_insn_exec_cb(insn, on_cache_insn, QEMU_PLUGIN_CB_R_REGS, record);
}

static void add_dsb(struct qemu_plugin_insn *insn, uint32_t word)
{
    bool nxs = IS_DSB_NXS(word);
    bool all = nxs || DSB_TYPE(word) == DSB_LOADS_AND_STORES;
    bool shareable = DSB_DOMAIN(word) != DSB_NON_SHAREABLE;

    qemu_plugin_register_vcpu_insn_exec_cb(insn, all ? on_dsb : on_dsb_of_stores,
                                           QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)shareable);
}

static void add_stores(struct qemu_plugin_insn *insn, const struct place *place, bool loads)
{
    void *number = (void *)(uintptr_t)place_add(place);

    qemu_plugin_register_vcpu_mem_cb(insn, place->el == 2 ? on_el2_store : on_guest_store,
                                     QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_W, number);
    if (loads) {
        qemu_plugin_register_vcpu_mem_cb(insn, on_load, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_R,
                                         number);
    }
}

static bool is_load_or_store(uint32_t word)
{
    return (word >> 25 & 5) == 4;
}

static void add_insn(struct qemu_plugin_insn *insn, const struct place *place, bool uncached)
{
    uint32_t word = opcode(insn);
    enum op op = decode(word);

    if (is_load_or_store(word)) {
        add_stores(insn, place, uncached);
    } else if (op != OP_NONE) {
        add_cache_insn(insn, place, op, word & 31);
    } else if (IS_DSB(word) || IS_DSB_NXS(word)) {
        add_dsb(insn, word);
    } else if (IS_TLBI(word)) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_tlbi, QEMU_PLUGIN_CB_NO_REGS, NULL);
    } else if (changes_regime(word)) {
        qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_STORE_U64,
                                                            ENTRY(regime), 0);
    }
}

static void fetch_word(struct fetch *fetch, uint64_t pa, uint32_t word)
{
    struct line *line = line_at(pa);

    if (!line) {
        return;
    }
    uint32_t *before = executed_at(pa);

    if (*before && *before != word) {
        __atomic_fetch_add(&replaced, 1, __ATOMIC_RELAXED);
    }
    *before = word;
    if (fetch->lines == 0 || fetch->line[fetch->lines - 1].line != line) {
        fetch->line[fetch->lines++] = (struct fetch_line){line, 0};
    }
    fetch->line[fetch->lines - 1].words |= words_of(pa, 4);
}

static void check_walk(const struct place *place)
{
    struct walk found;

    if (place->pa && walk(place->va, place->el, &found) == WALK_FOUND && found.pa != place->pa) {
        __atomic_fetch_add(&cpus[0].counts[MISRESOLVED], 1, __ATOMIC_RELAXED);
        fprintf(report_file, "misresolved va 0x%" PRIx64 " as pa 0x%" PRIx64 ": 0x%" PRIx64 "\n",
                place->va, found.pa, place->pa);
    }
}

static bool executed_setup(void)
{
    executed = mmap(NULL, ram_size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return executed != MAP_FAILED;
}

// Both caches' lines are the model's. (DC ZVA's block is of that size where these are, in QEMU; it
// does not tell DCZID_EL0.)
static bool has_lines_of_64(void)
{
    uint64_t ctr = read_register(REG_CTR);

    return (ctr >> 16 & 15) == LINE_LOG - 2 && (ctr & 15) == LINE_LOG - 2;
}

static void setup(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    if (!lines && !has_lines_of_64()) {
        fprintf(stderr, "newel-cache: this CPU's cache lines are not of 64 bytes\n");
        exit(2);
    }
    if (!lines && (!lines_setup(read_register(REG_CTR)) || !tables_setup() || !executed_setup())) {
        fprintf(stderr, "newel-cache: no address space left\n");
        exit(2);
    }
    pthread_mutex_unlock(&lock);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    unsigned el = read_register(REG_CPSR) >> 2 & 3;
    struct fetch *fetch = calloc(1, sizeof(*fetch) + (n / 16 + 2) * sizeof(fetch->line[0]));

    (void)id;
    setup();
    bool uncached = read_regime(el).data_uncached;

    qemu_plugin_register_vcpu_tb_exec_cond_cb(tb, enter_regime, QEMU_PLUGIN_CB_R_REGS,
                                              QEMU_PLUGIN_COND_NE, ENTRY(regime), regime_of(el),
                                              (void *)(uintptr_t)el);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        struct place place = {qemu_plugin_insn_vaddr(insn), insn_physical(insn), el};

        if (i == 0) {
            fetch->place = place;
            check_walk(&place);
        }
        add_insn(insn, &place, uncached);
        fetch_word(fetch, place.pa, opcode(insn));
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_fetch, QEMU_PLUGIN_CB_NO_REGS, fetch);
    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
        qemu_plugin_tb_get_insn(tb, 0), QEMU_PLUGIN_INLINE_ADD_U64, ENTRY(fetches), fetch->lines);
}

// ---- Beginning and end

static void on_vcpu(qemu_plugin_id_t id, unsigned cpu)
{
    (void)id;
    if (cpu >= CPUS || (cpu == 0 && !registers_setup())) {
        fprintf(stderr, "newel-cache: more CPUs than it serves, or other registers\n");
        exit(2);
    }
}

static void at_end(qemu_plugin_id_t id, void *unused)
{
    uint64_t fetches = 0;

    (void)id;
    (void)unused;
    for (int i = 0; i < qemu_plugin_num_vcpus(); i++) {
        const struct inline_state *s = qemu_plugin_scoreboard_find(board, (unsigned)i);

        fetches += s->fetches;
    }
    fprintf(report_file,
            "total reports %" PRIu64 " fetches %" PRIu64 " replaced %" PRIu64 " grants %" PRIu64,
            reports, fetches, replaced, tables_grants);
    for (unsigned n = 0; n < COUNTS; n++) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < CPUS; i++) {
            sum += cpus[i].counts[n];
        }
        fprintf(report_file, " %s %" PRIu64, count_names[n], sum);
    }
    fputc('\n', report_file);
    fclose(report_file);
}

static bool read_range(const char *arg, const char *key, uint64_t *start, uint64_t *size)
{
    size_t length = strlen(key);
    char *end;

    if (strncmp(arg, key, length) != 0) {
        return false;
    }
    *start = strtoull(arg + length, &end, 0);
    *size = *end == '+' ? strtoull(end + 1, &end, 0) : 0;
    return *end == 0 && *size != 0;
}

static bool set_option(const char *arg)
{
    if (!strncmp(arg, "out=", 4)) {
        return (report_file = fopen(arg + 4, "w")) != NULL;
    }
    return read_range(arg, "ram=", &ram_start, &ram_size) ||
           read_range(arg, "polled=", &polled_start, &polled_size);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!set_option(argv[i])) {
            fprintf(stderr, "newel-cache: bad argument %s\n", argv[i]);
            return -1;
        }
    }
    if (!report_file) {
        fprintf(stderr, "newel-cache: out=FILE is missing\n");
        return -1;
    }
    board = qemu_plugin_scoreboard_new(sizeof(struct inline_state));
    qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, at_end, NULL);
    return 0;
}
