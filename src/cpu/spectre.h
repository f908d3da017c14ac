// SPDX-License-Identifier: Apache-2.0
// Which CPUs are open to Spectre-v2 (branch target injection, CVE-2017-5715), Spectre-v4
// (speculative store bypass, CVE-2018-3639) and Spectre-BHB (CVE-2022-23960), and which of these
// the firmware prevents. By the ID registers, the CPU's model and SMCCC_ARCH_FEATURES (DEN0028).
#pragma once

#include <stdint.h>

struct id_regs;

#define SMCCC_ARCH_WORKAROUND_1 0x80008000u // against Spectre-v2
#define SMCCC_ARCH_WORKAROUND_2 0x80007fffu // against Spectre-v4
#define SMCCC_ARCH_WORKAROUND_3 0x80003fffu // against Spectre-BHB, and Spectre-v2

// Each is worse than the one before.
enum spectre_state {
    SPECTRE_SAFE,     // the CPU itself is
    SPECTRE_FIRMWARE, // by a call of the firmware
    SPECTRE_OPEN,     // as far as is known here
};

struct spectre {
    uint8_t v2, v4, bhb; // enum spectre_state
};

// Of all CPUs that came up: the worst of each.
extern struct spectre spectre;

// Nobody is ever to be called by SMC: there is no PSCI, and so nothing is known of who would
// answer. Before the first CPU asks for its workarounds.
void firmware_is_absent(void);

// What the firmware says to this CPU of one of its calls: 0 if it is needed here, 1 if it may be
// made but is not needed here, -1 if it does not exist. For SMCCC_ARCH_WORKAROUND_2 also -2: no CPU
// needs it.
int32_t firmware_workaround(uint32_t function);

// This CPU's state. Has the firmware prevent Spectre-v4 from here on, where it can: for all VMs and
// for good, since a VM that could turn that off would do so for whoever runs after it.
struct spectre spectre_choose(const struct id_regs *own);

// Takes a CPU into account, with lines in the log for what none before it had; by the boot CPU,
// before VMs run.
void spectre_heed(const struct spectre *its);

// The call that a CPU makes on each exit, 0 if none. What it keeps a guest from doing to Newel, it
// keeps a VM from doing to the one that runs after it.
uint32_t spectre_exit_call(const struct spectre *own);
