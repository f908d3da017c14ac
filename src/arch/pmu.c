// SPDX-License-Identifier: Apache-2.0
#include "arch/pmu.h"

#include "arch/cpu.h"
#include "arch/sysreg.h"

// From the last to the first, so that a switch enters where a CPU's counters begin.
// clang-format off
#define EACH_COUNTER(X)                                             \
    X(30) X(29) X(28) X(27) X(26) X(25) X(24) X(23) X(22) X(21)     \
    X(20) X(19) X(18) X(17) X(16) X(15) X(14) X(13) X(12) X(11)     \
    X(10) X(9) X(8) X(7) X(6) X(5) X(4) X(3) X(2) X(1) X(0)
// clang-format on

#define SAVE(n)                                           \
    case (n) + 1:                                         \
        to->evcntr[n] = read_sysreg(pmevcntr##n##_el0);   \
        to->evtyper[n] = read_sysreg(pmevtyper##n##_el0); \
        __attribute__((fallthrough));
#define LOAD(n)                                             \
    case (n) + 1:                                           \
        write_sysreg(pmevcntr##n##_el0, from->evcntr[n]);   \
        write_sysreg(pmevtyper##n##_el0, from->evtyper[n]); \
        __attribute__((fallthrough));

static void save_counters(struct pmu_regs *to, unsigned counters)
{
    switch (counters) {
        EACH_COUNTER(SAVE)
    default:
        break;
    }
}

static void load_counters(const struct pmu_regs *from, unsigned counters)
{
    switch (counters) {
        EACH_COUNTER(LOAD)
    default:
        break;
    }
}

unsigned pmu_machine_init(void)
{
    // Of this CPU itself: it may have a PMU where the feature table's minimum has none.
    uint64_t version = bits_get(read_sysreg(id_aa64dfr0_el1), 11, 8);
    if (version == 0 || version == 0xf) {
        return 0;
    }
    write_sysreg(pmcr_el0, 0);
    write_sysreg(pmuserenr_el0, 0);
    write_sysreg(pmcntenclr_el0, UINT32_MAX);
    write_sysreg(pmintenclr_el1, UINT32_MAX);
    write_sysreg(pmovsclr_el0, UINT32_MAX);
    return (unsigned)PMCR_N(read_sysreg(pmcr_el0));
}

void pmu_machine_save(struct pmu_regs *to, unsigned counters)
{
    to->pmcr = read_sysreg(pmcr_el0);
    write_sysreg(pmcr_el0, to->pmcr & ~PMCR_E);
    isb(); // nothing counts from here on
    to->cntenset = read_sysreg(pmcntenset_el0);
    to->intenset = read_sysreg(pmintenset_el1);
    to->ovsset = read_sysreg(pmovsset_el0);
    to->selr = read_sysreg(pmselr_el0);
    to->userenr = read_sysreg(pmuserenr_el0);
    to->ccntr = read_sysreg(pmccntr_el0);
    to->ccfiltr = read_sysreg(pmccfiltr_el0);
    save_counters(to, counters);
    write_sysreg(pmuserenr_el0, 0);
    // QEMU (10.0.2) works the line out anew when this is written, not at a change of PMCR_EL0.E.
    write_sysreg(pmintenclr_el1, UINT32_MAX);
}

// Sets of bits: each has a register that sets and one that clears.
#define LOAD_SET(set, clear, value)      \
    do {                                 \
        write_sysreg(clear, UINT32_MAX); \
        write_sysreg(set, value);        \
    } while (0)

void pmu_machine_load(const struct pmu_regs *from, unsigned counters)
{
    write_sysreg(pmcr_el0, from->pmcr & ~PMCR_E);
    LOAD_SET(pmcntenset_el0, pmcntenclr_el0, from->cntenset);
    write_sysreg(pmselr_el0, from->selr);
    write_sysreg(pmccntr_el0, from->ccntr);
    write_sysreg(pmccfiltr_el0, from->ccfiltr);
    load_counters(from, counters);
    LOAD_SET(pmovsset_el0, pmovsclr_el0, from->ovsset);
    write_sysreg(pmuserenr_el0, from->userenr);
    isb(); // all of it before anything counts
    write_sysreg(pmcr_el0, from->pmcr);
    write_sysreg(pmintenset_el1, from->intenset); // cleared by whoever was here before
}

bool pmu_machine_line(void)
{
    isb(); // flags are to be read by what was counted before
    return (read_sysreg(pmovsset_el0) & read_sysreg(pmintenset_el1)) != 0;
}
