// SPDX-License-Identifier: Apache-2.0
// Registers of EL1 that trap for every guest but one that nothing is to trap for
// (cpu/hardening.h): that one has the CPU's own, which are put into the CPU and taken out of it as
// a whole.
#pragma once

#include "arch/debug.h"

#include <stdbool.h>
#include <stdint.h>

// The state of self-hosted debug and of the debug communications channel (Arm ARM D19.3, H6.5), and
// ACTLR_EL1.
struct direct_regs {
    uint64_t mdscr, mdccint, osdlr, prcr, eccr, dtr_rx, dtr_tx;
    uint64_t point[DEBUG_POINT_KINDS][DEBUG_POINTS];
    uint64_t claim;
    bool os_lock;
    uint64_t actlr, machine_actlr;
    bool begun; // actlr has a value: at first the machine's
};

// On this CPU. The numbers are of those points that every CPU has.
void direct_load(struct direct_regs *r, unsigned breakpoints, unsigned watchpoints);
// And nothing of it is in force any more.
void direct_save(struct direct_regs *r, unsigned breakpoints, unsigned watchpoints);

// What of a CPU would be within such a guest's reach.
struct direct_facts {
    uint64_t error_records; // ERRIDR_EL1.NUM (FEAT_RAS)
    uint64_t regions;       // LORID_EL1: limited-ordering regions (FEAT_LOR)
    bool halting;           // software at EL1 can have the CPU halted for an external debugger
};

// This CPU's. Before any guest runs.
void direct_read_facts(struct direct_facts *facts);
