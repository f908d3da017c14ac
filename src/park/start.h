// SPDX-License-Identifier: Apache-2.0
// How a machine's firmware or board starts a further processor: what its tables say of one CPU, and
// the doing of it. Used once for each, to bring it into the parking code (page.h).
#pragma once

#include "park/page.h"

enum cpu_method {
    CPU_UNKNOWN,    // none, or one that is not known here: it stays off
    CPU_PSCI_SMC,   // DEN0022: CPU_ON by SMC; from EL2 or EL1
    CPU_PSCI_HVC,   // the same by HVC; from EL1, with a hypervisor beneath
    CPU_SPIN_TABLE, // device tree: enable-method "spin-table"
    CPU_PARKED,     // ACPI: the parking protocol (GICC structure, ACPI 6.5, 5.2.12.14)
    CPU_BOARD,      // a board's own registers (board.h)
};

#define CPU_METHOD_NAME 32

// Plain data, without pointers: it is handed over between two copies of Newel.
struct cpu_start {
    enum cpu_method method;
    uint32_t id;                // CPU_PARKED: ACPI's CPU interface number. CPU_BOARD: which board
    uint64_t address;           // physical: cpu-release-addr, the mailbox, the board's registers
    char name[CPU_METHOD_NAME]; // CPU_UNKNOWN: as the tables call it, may be ""
};

// For messages: "PSCI (SMC)", "spin table", "brcm,bcm2836-smp"...
const char *cpu_method_name(const struct cpu_start *s);

// Does it need memory or registers to be reached, at s->address? Then *base and *size (bytes) say
// which, whole pages; the caller maps them, as device memory if it can.
bool cpu_start_reaches(const struct cpu_start *s, uint64_t *base, uint64_t *size);

// Sends a CPU to a physical address, once. mpidr: its affinity. gic: version, distributor: the
// machine's, in use on this CPU; for CPU_PARKED alone (version 0: SEV wakes it). What the CPU will
// read and execute has been cleaned. 0 does not mean that it arrives. ERR_UNSUPPORTED for a method
// that is not known or cannot be used from here; ERR_BUSY if it runs already or its mailbox does
// not rest; ERR_INVALID, ERR_ACCESS, ERR_NOENT: as the firmware answers; ERR_RANGE: an address that
// the method cannot name.
int cpu_start(const struct cpu_start *s, uint64_t mpidr, uint64_t entry,
              const struct park_gic *gic);
