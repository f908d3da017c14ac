// SPDX-License-Identifier: Apache-2.0
// What the CPUs do otherwise than the architecture says, as far as it matters to a hypervisor, and
// which of them need help against Spectre-BHB. By MIDR_EL1; from Arm's Software Developer Errata
// Notices and its Spectre-BHB page.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct id_regs;

enum erratum {
    // An AT instruction executed by speculation while a vCPU is switched may walk one VM's tables
    // as another VM and keep what it finds (Cortex-A57 1319537, Cortex-A72 1319367, ...).
    ERRATUM_SPECULATIVE_AT,
    // DSB after a broadcast TLBI may complete too early (Cortex-A76 1286807, ...).
    ERRATUM_REPEAT_TLBI,
    // With CTR_EL0.DIC, instructions may be fetched out of order with others' stores, unless a
    // broadcast TLBI comes between (Neoverse N1 1542419).
    ERRATUM_STALE_FETCH,
    // A load across a page's end may be reported as a stage-2 fault where it is one of stage 1
    // (Cortex-A57 834220).
    ERRATUM_STAGE2_FIRST,
    ERRATUM_COUNT
};

// Bit n: the CPU has erratum n.
uint32_t errata_of(const struct id_regs *raw);

// What is done about it, as the log says it.
const char *erratum_remedy(enum erratum erratum);
// The number that the CPU's maker gave it, NULL if the CPU does not have it.
const char *erratum_name(const struct id_regs *raw, enum erratum erratum);

// A field of ID_AA64*_EL1, unsigned: of the register with these CRm and op2, from bit `shift` on.
unsigned id_field(const struct id_regs *raw, unsigned crm, unsigned op2, unsigned shift);

// Is the CPU known to execute in order? Then it is open to no variant of Spectre of interest here.
bool cpu_in_order(const struct id_regs *raw);

// How a CPU forgets, on an exit, the branches that its guest took.
enum bhb_way {
    BHB_UNNEEDED,
    BHB_LOOP,     // by taking so many branches itself
    BHB_CLEAR,    // by CLRBHB
    BHB_FIRMWARE, // by SMCCC_ARCH_WORKAROUND_3, if the firmware has it
    BHB_OFF,      // not at all
};

struct bhb {
    enum bhb_way way;
    unsigned loops;
};

struct bhb bhb_of(const struct id_regs *raw);

// What this CPU uses, with the firmware asked and the operator's wish heeded.
struct bhb bhb_choose(const struct id_regs *own);
// The operator's wish (newel.bhb=off on the command line); before any CPU chooses.
void bhb_turn_off(void);
bool bhb_is_off(void);

// Lines in the log for what no CPU before this one had or did; by the boot CPU, for each CPU.
void errata_report(const struct id_regs *ids, const struct bhb *bhb);
