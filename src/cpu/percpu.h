// SPDX-License-Identifier: Apache-2.0
// What belongs to one physical CPU.
#pragma once

#include "arch/cpu.h"
#include "cpu/errata.h"
#include "cpu/spectre.h"
#include "cpu/timer.h"
#include "lib/addr.h"

#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS 32

struct vcpu;

struct percpu {
    uint64_t emergency_sp; // vectors.S: for a fault on the ordinary stack
    uint32_t bhb_loops;    // vectors.S: of bhb
    uint32_t exit_call;    // vectors.S: the firmware's, 0 if none
    struct vcpu *current;  // the vCPU that runs here, NULL while idle or at work for Newel
    struct vcpu *loaded;   // whose EL1 state the machine holds; current, or the last one that was
    uint64_t vttbr;        // with which it was loaded
    uint64_t vmid_generation; // in place, as vmid_new_generation() told
    struct vcpu *fp_owner;    // whose FP registers the machine holds
    unsigned id;              // dense, 0 = the CPU that booted
    bool online;
    bool idle;      // in WFI at EL2
    uint64_t mpidr; // affinity fields only
    uint64_t stack_top;
    uint64_t gicr;       // this CPU's redistributor, host-physical
    uint64_t idle_ticks; // counter ticks in WFI
    struct bhb bhb;
    struct spectre spectre;
    struct timer_queue timers;
};

extern struct percpu percpus[MAX_CPUS];
extern unsigned cpu_count; // CPUs that came up; ids 0..cpu_count-1

// Has the current vCPU's turn an end?
static inline bool cpu_is_sliced(const struct percpu *cpu)
{
    return cpu->timers.slice != TIMER_NEVER;
}

// The CPU that executes this.
static inline struct percpu *this_cpu(void)
{
    return cpu_local();
}
