// SPDX-License-Identifier: Apache-2.0
// A scan (mem/scan.h) of what a VM's vCPU 0 has mapped, in steps of Newel's own work. In each the
// vCPU, which does not run then, is loaded on the CPU that does the step; the rest of the machine
// goes on.
#pragma once

#include "mem/scan.h"

#include <stdbool.h>

// Of one step: no more AT and walks, nor time, but for the last of them.
#define VM_SCAN_STEPS 256
#define VM_SCAN_US    500

struct vm;
struct vcpu;

struct vm_scan {
    struct vm *vm;
    uint64_t life; // which the VM had when it began
    gva_t first, last;
    uint64_t root[2]; // TTBRn_EL1 in place of the vCPU's own, 0 for that
    bool begun;       // regs are known
    bool over;        // all runs have been told; scan.ended is true when all have been found
    // As they were at the first step: of one process, whoever runs later.
    struct walk_regs regs;
    struct scan scan;
};

// [first, last] of vm, which is running or paused. A root given is that of tables nobody need be
// using, by vm_scan_is_root().
void vm_scan_start(struct vm_scan *s, struct vm *vm, gva_t first, gva_t last,
                   const uint64_t root[2]);

// May it be a TTBRn_EL1 of the VM's? Its table is in RAM, aligned to 64 bytes; the ASID does not
// matter.
bool vm_scan_is_root(const struct vm *vm, uint64_t ttbr);

// One step, by a step of work: up to `most` runs, *count of them. 0 while there may be more, then
// ERR_NOENT at the end, with runs or without: by s->over, or since the vCPU is off.
int vm_scan_step(struct vm_scan *s, struct scan_run *runs, unsigned most, unsigned *count);

// Keeps the VM what it is, with its vCPUs and stage 2, for less than a millisecond: its lock is
// held until vm_scan_release(). False, and nothing is held, if it is no more what it was at the
// start.
bool vm_scan_hold(const struct vm_scan *s);
void vm_scan_release(const struct vm_scan *s);
