// SPDX-License-Identifier: Apache-2.0
// Does something above this exception level intercept what it executes? Found out without its help:
// a load-exclusive, an instruction that a hypervisor may trap, and a store-exclusive to the same
// place. An exception return clears the local exclusives monitor (Arm ARM D1.6.4), so after a trap
// the store has failed, whatever the instruction returned; without one it succeeds. For any arm64
// program from EL0 to EL2; freestanding, C11, GCC or Clang.
//
// The instructions are reads of system registers: the architecture promises that nothing of that
// kind makes the store fail for good (B2.12.5), as it does not for maintenance, WFI or loads.
// - An interrupt makes single stores fail, a trap all of them: one success and the register does
//   not trap.
// - The control is the same with a NOP. Where it does not succeed often (MMU off, Device memory, a
//   neighbour in the granule), nothing is concluded.
// - What EL3 traps looks like what EL2 traps: firmware that emulates a register is virtualization
//   to this test.
// - At EL0, an operating system that emulates a register looks alike too. Registers that Linux may
//   emulate (ID registers, CTR_EL0, CNTVCT_EL0, CNTFRQ_EL0) are shown there and never counted.
// - A register that traps while its value is found out by the first access alone (lazily switched
//   FP) does not trap any more.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEWEL_DETECT_GRANULE 2048 // bytes; the largest exclusives reservation granule (B2.12.3)
#define NEWEL_DETECT_ROUNDS  64   // a good number; at least 8, at most 2^24
// Successes of the control: a register that does not trap then fails each time with a probability
// of e^-24.
#define NEWEL_DETECT_ENOUGH 24

// The pairs of instructions: LDXR and STXR, LDAXR and STLXR, each of 64 and of 32 bits.
enum { NEWEL_DETECT_X, NEWEL_DETECT_W, NEWEL_DETECT_ACQUIRE_X, NEWEL_DETECT_ACQUIRE_W };
#define NEWEL_DETECT_FORMS 4

// Nothing else may be in it. Normal cacheable memory; its value does not change.
struct newel_detect_cell {
    _Alignas(NEWEL_DETECT_GRANULE) volatile uint64_t word;
};

// At which levels a register may be read, and with what reservations.
#define NEWEL_DETECT_EL0    0x01u
#define NEWEL_DETECT_EL1    0x02u
#define NEWEL_DETECT_EL2    0x04u
#define NEWEL_DETECT_ALWAYS 0x10u // by every CPU, so without a caller's precautions; not at EL0
#define NEWEL_DETECT_OS     0x20u // at EL0, an operating system may emulate it

// X(name, flags, instruction, what traps it at EL2). Encodings stand for names that assemblers do
// not know without the CPU's extensions.
#define NEWEL_DETECT_EL1_2_ (NEWEL_DETECT_EL1 | NEWEL_DETECT_EL2 | NEWEL_DETECT_ALWAYS)
#define NEWEL_DETECT_EL1_   (NEWEL_DETECT_EL1 | NEWEL_DETECT_ALWAYS)
#define NEWEL_DETECT_TABLE(X)                                                                     \
    X(id_aa64pfr0_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], id_aa64pfr0_el1", "HCR_EL2.TID3")          \
    X(id_aa64isar0_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], id_aa64isar0_el1", "HCR_EL2.TID3")        \
    X(id_aa64mmfr0_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], id_aa64mmfr0_el1", "HCR_EL2.TID3")        \
    X(midr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], midr_el1", "HFGRTR_EL2.MIDR_EL1")                 \
    X(revidr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], revidr_el1", "HCR_EL2.TID1")                    \
    X(aidr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], aidr_el1", "HCR_EL2.TID1")                        \
    X(ctr_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0 | NEWEL_DETECT_OS, "mrs %[t], ctr_el0",     \
      "HCR_EL2.TID2")                                                                             \
    X(clidr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], clidr_el1", "HCR_EL2.TID2")                      \
    X(csselr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], csselr_el1", "HCR_EL2.TID2")                    \
    X(actlr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], actlr_el1", "HCR_EL2.TACR")                      \
    X(sctlr_el1, NEWEL_DETECT_EL1_, "mrs %[t], sctlr_el1", "HCR_EL2.TRVM")                        \
    X(cpacr_el1, NEWEL_DETECT_EL1_, "mrs %[t], cpacr_el1", "CPTR_EL2.TCPAC")                      \
    X(fpcr, NEWEL_DETECT_EL0 | NEWEL_DETECT_EL1, "mrs %[t], S3_3_C4_C4_0", "CPTR_EL2.TFP")        \
    X(zcr_el1, NEWEL_DETECT_EL1, "mrs %[t], s3_0_c1_c2_0", "CPTR_EL2.TZ")                         \
    X(mdscr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], mdscr_el1", "MDCR_EL2.TDA")                      \
    X(dbgbcr0_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], dbgbcr0_el1", "MDCR_EL2.TDA")                  \
    X(mdccsr_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0, "mrs %[t], mdccsr_el0", "MDCR_EL2.TDA") \
    X(oslsr_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], oslsr_el1", "MDCR_EL2.TDOSA")                    \
    X(mdrar_el1, NEWEL_DETECT_EL1_2_, "mrs %[t], mdrar_el1", "MDCR_EL2.TDRA")                     \
    X(pmcr_el0, NEWEL_DETECT_EL0 | NEWEL_DETECT_EL1, "mrs %[t], pmcr_el0", "MDCR_EL2.TPMCR")      \
    X(pmccntr_el0, NEWEL_DETECT_EL0 | NEWEL_DETECT_EL1, "mrs %[t], pmccntr_el0", "MDCR_EL2.TPM")  \
    X(cntpct_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0, "mrs %[t], cntpct_el0",                 \
      "CNTHCTL_EL2.EL1PCTEN")                                                                     \
    X(cntp_ctl_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0, "mrs %[t], cntp_ctl_el0",             \
      "CNTHCTL_EL2.EL1PCEN")                                                                      \
    X(cntvct_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0 | NEWEL_DETECT_OS,                       \
      "mrs %[t], cntvct_el0", "CNTHCTL_EL2.EL1TVCT")                                              \
    X(cntv_ctl_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0, "mrs %[t], cntv_ctl_el0",             \
      "CNTHCTL_EL2.EL1TVT")                                                                       \
    X(dczid_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0, "mrs %[t], dczid_el0",                   \
      "HFGRTR_EL2.DCZID_EL0")                                                                     \
    X(tpidr_el0, NEWEL_DETECT_EL1_2_ | NEWEL_DETECT_EL0, "mrs %[t], tpidr_el0",                   \
      "HFGRTR_EL2.TPIDR_EL0")                                                                     \
    X(erridr_el1, NEWEL_DETECT_EL1, "mrs %[t], s3_0_c5_c3_0", "HCR_EL2.TERR")                     \
    X(lorc_el1, NEWEL_DETECT_EL1, "mrs %[t], s3_0_c10_c4_3", "HCR_EL2.TLOR")                      \
    X(apiakeylo_el1, NEWEL_DETECT_EL1, "mrs %[t], s3_0_c2_c1_0", "HCR_EL2.APK")                   \
    X(icc_ctlr_el1, NEWEL_DETECT_EL1, "mrs %[t], s3_0_c12_c12_4", "ICH_HCR_EL2.TC")               \
    X(tcr_el2, NEWEL_DETECT_EL2 | NEWEL_DETECT_ALWAYS, "mrs %[t], tcr_el2", "HCR_EL2.NV")         \
    X(actlr_el2, NEWEL_DETECT_EL2 | NEWEL_DETECT_ALWAYS, "mrs %[t], actlr_el2", "HCR_EL2.NV")     \
    X(cnthp_ctl_el2, NEWEL_DETECT_EL2 | NEWEL_DETECT_ALWAYS, "mrs %[t], cnthp_ctl_el2",           \
      "HCR_EL2.NV")                                                                               \
    X(vmware_call, NEWEL_DETECT_EL0,                                                              \
      "mov w0, #0x5868\n\tmovk w0, #0x564d, lsl #16\n\tmov w2, #10\n\tmov w3, #0x5658\n\t"        \
      "mov x7, #0xe\n\tmovk x7, #0x86, lsl #32\n\tmrs xzr, mdccsr_el0",                           \
      "MDCR_EL2.TDA") // GETVERSION, where EL1 refuses a mere read of MDCCSR_EL0 (hypercall.h)

enum newel_detect_row {
#define NEWEL_DETECT_NAME_(name, flags, insn, trap) NEWEL_DETECT_##name,
    NEWEL_DETECT_TABLE(NEWEL_DETECT_NAME_)
#undef NEWEL_DETECT_NAME_
        NEWEL_DETECT_ROWS_
};

struct newel_detect_info {
    const char *name, *trap;
    uint32_t flags; // NEWEL_DETECT_EL0...
};

static inline const struct newel_detect_info *newel_detect_info(unsigned row)
{
    static const struct newel_detect_info table[] = {
#define NEWEL_DETECT_INFO_(name, flags, insn, trap) {#name, trap, flags},
        NEWEL_DETECT_TABLE(NEWEL_DETECT_INFO_)
#undef NEWEL_DETECT_INFO_
    };

    return &table[row];
}

struct newel_detect_count {
    uint32_t tries;                      // of each form
    uint32_t stores[NEWEL_DETECT_FORMS]; // of these, how many stored
};

// All that was found out; zero before newel_detect_run().
struct newel_detect {
    unsigned level; // the exception level it was run at
    struct newel_detect_count control;
    struct newel_detect_count row[NEWEL_DETECT_ROWS_];
    bool faulted[NEWEL_DETECT_ROWS_]; // UNDEFINED here, or refused by a higher level
};

enum newel_detect_state {
    NEWEL_DETECT_NOT_TRIED, // not at this level, or not by every CPU
    NEWEL_DETECT_FAULTS,
    NEWEL_DETECT_UNTRAPPED,
    NEWEL_DETECT_TRAPPED,
    NEWEL_DETECT_UNKNOWN, // it never stored, but the control seldom did
};

enum newel_detect_verdict { NEWEL_DETECT_INCONCLUSIVE, NEWEL_DETECT_ABSENT, NEWEL_DETECT_PRESENT };

static inline uint32_t newel_detect_stores(const struct newel_detect_count *c)
{
    return c->stores[0] + c->stores[1] + c->stores[2] + c->stores[3];
}

static inline enum newel_detect_state newel_detect_state(const struct newel_detect *d, unsigned row)
{
    if (d->faulted[row]) {
        return NEWEL_DETECT_FAULTS;
    }
    if (d->row[row].tries == 0) {
        return NEWEL_DETECT_NOT_TRIED;
    }
    if (newel_detect_stores(&d->row[row]) != 0) {
        return NEWEL_DETECT_UNTRAPPED;
    }
    return newel_detect_stores(&d->control) < NEWEL_DETECT_ENOUGH ? NEWEL_DETECT_UNKNOWN
                                                                  : NEWEL_DETECT_TRAPPED;
}

// Whether the row's state says anything about a hypervisor.
static inline bool newel_detect_counts(const struct newel_detect *d, unsigned row)
{
    return d->level != 0 || !(newel_detect_info(row)->flags & NEWEL_DETECT_OS);
}

// Present: a register trapped. Absent: the control works, and none of those that could be read did.
static inline enum newel_detect_verdict newel_detect_verdict(const struct newel_detect *d)
{
    enum newel_detect_verdict verdict = NEWEL_DETECT_INCONCLUSIVE;

    if (newel_detect_stores(&d->control) < NEWEL_DETECT_ENOUGH) {
        return verdict;
    }
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        enum newel_detect_state state = newel_detect_state(d, row);

        if (state == NEWEL_DETECT_TRAPPED && newel_detect_counts(d, row)) {
            return NEWEL_DETECT_PRESENT;
        }
        if (state == NEWEL_DETECT_UNTRAPPED && newel_detect_counts(d, row)) {
            verdict = NEWEL_DETECT_ABSENT;
        }
    }
    return verdict;
}

#if defined(__aarch64__)

// The status of the store: 0 if it stored.
typedef uint32_t newel_detect_try(struct newel_detect_cell *cell, unsigned form);

#define NEWEL_DETECT_PAIR_(load, store, width, insn)                                    \
    __asm__ volatile(                                                                   \
        load " %" width "[v], %[c]\n\t" insn "\n\t" store " %w[s], %" width "[v], %[c]" \
        : [s] "=&r"(status), [v] "=&r"(value), [t] "=&r"(scratch), [c] "+Q"(cell->word) \
        :                                                                               \
        : "x0", "x1", "x2", "x3", "x7", "memory")

#define NEWEL_DETECT_DEFINE_(name, flags, insn, trap)                                             \
    static inline uint32_t newel_detect_try_##name(struct newel_detect_cell *cell, unsigned form) \
    {                                                                                             \
        uint32_t status;                                                                          \
        uint64_t value, scratch;                                                                  \
                                                                                                  \
        switch (form) {                                                                           \
        case NEWEL_DETECT_X:                                                                      \
            NEWEL_DETECT_PAIR_("ldxr", "stxr", "x", insn);                                        \
            break;                                                                                \
        case NEWEL_DETECT_W:                                                                      \
            NEWEL_DETECT_PAIR_("ldxr", "stxr", "w", insn);                                        \
            break;                                                                                \
        case NEWEL_DETECT_ACQUIRE_X:                                                              \
            NEWEL_DETECT_PAIR_("ldaxr", "stlxr", "x", insn);                                      \
            break;                                                                                \
        default:                                                                                  \
            NEWEL_DETECT_PAIR_("ldaxr", "stlxr", "w", insn);                                      \
            break;                                                                                \
        }                                                                                         \
        return status;                                                                            \
    }
NEWEL_DETECT_TABLE(NEWEL_DETECT_DEFINE_)
NEWEL_DETECT_DEFINE_(control_, 0, "nop", "")
#undef NEWEL_DETECT_DEFINE_
#undef NEWEL_DETECT_PAIR_

static inline newel_detect_try *newel_detect_try_of(unsigned row)
{
    static newel_detect_try *const table[] = {
#define NEWEL_DETECT_TRY_(name, flags, insn, trap) newel_detect_try_##name,
        NEWEL_DETECT_TABLE(NEWEL_DETECT_TRY_)
#undef NEWEL_DETECT_TRY_
    };

    return table[row];
}

static inline void newel_detect_once_(newel_detect_try *try_, struct newel_detect_cell *cell,
                                      struct newel_detect_count *count)
{
    count->tries++;
    for (unsigned form = 0; form < NEWEL_DETECT_FORMS; form++) {
        count->stores[form] += try_(cell, form) == 0;
    }
}

// Whether the caller can execute it: false if an exception came instead. It tries once.
typedef bool newel_detect_works(newel_detect_try *try_, struct newel_detect_cell *cell);

// At the level where this runs, which the caller knows: 0 to 2. Without works, only registers that
// every CPU has are tried, and none at EL0. Rounds of the control and of each register alternate,
// so that what disturbs one disturbs all.
static inline void newel_detect_run(struct newel_detect *d, struct newel_detect_cell *cell,
                                    unsigned level, unsigned rounds, newel_detect_works *works)
{
    uint32_t wanted = NEWEL_DETECT_EL0 << level | (works == NULL ? NEWEL_DETECT_ALWAYS : 0);
    bool tried[NEWEL_DETECT_ROWS_];

    d->level = level;
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        tried[row] =
            (newel_detect_info(row)->flags & wanted) == wanted && (level != 0 || works != NULL);
        if (tried[row] && works != NULL && !works(newel_detect_try_of(row), cell)) {
            tried[row] = false;
            d->faulted[row] = true;
        }
    }
    for (unsigned round = 0; round < rounds; round++) {
        newel_detect_once_(newel_detect_try_control_, cell, &d->control);
        for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
            if (tried[row]) {
                newel_detect_once_(newel_detect_try_of(row), cell, &d->row[row]);
            }
        }
    }
}

// A second opinion that has no part in the verdict: how long 64 executions of the row take, in
// ticks of CNTVCT_EL0, the least of 8 times; of the control for NEWEL_DETECT_ROWS_. Only of rows
// that were tried, and where CNTVCT_EL0 can be read.
static inline uint64_t newel_detect_ticks(struct newel_detect_cell *cell, unsigned row)
{
    newel_detect_try *try_ =
        row == NEWEL_DETECT_ROWS_ ? newel_detect_try_control_ : newel_detect_try_of(row);
    uint64_t least = UINT64_MAX;

    for (unsigned time = 0; time < 8; time++) {
        uint64_t start, end;

        __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(start)::"memory");
        for (unsigned n = 0; n < 64; n++) {
            (void)try_(cell, NEWEL_DETECT_X);
        }
        __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(end)::"memory");
        least = end - start < least ? end - start : least;
    }
    return least;
}

#endif
