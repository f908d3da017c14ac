// SPDX-License-Identifier: Apache-2.0
// A virtual CPU: its registers while it is not running, and where it stands in its life.
#pragma once

#include "arch/direct.h"
#include "cpu/counters.h"
#include "cpu/debug.h"
#include "cpu/pmu.h"
#include "lib/addr.h"
#include "lib/list.h"

#include <stdbool.h>
#include <stdint.h>

struct stage2;
struct vm;
struct vgic_cpu;
struct vtimer;
struct percpu;
struct stolen_time;

#define VM_MAX_VCPUS 16
#define VCPU_NONE    0xff

// What vectors.S saves and restores; offsets are fixed by static assertions in cpu/switch.c.
struct vcpu_regs {
    uint64_t x[31];
    uint64_t pc;      // ELR_EL2
    uint64_t pstate;  // SPSR_EL2
    uint64_t host_sp; // top of the stack of the physical CPU that runs it
};

// EL1 and EL0 state that stays in the machine until another vCPU needs it.
struct el1_regs {
    uint64_t sp_el0, sp_el1, elr_el1, spsr_el1, esr_el1, far_el1, afsr0_el1, afsr1_el1;
    uint64_t sctlr_el1, cpacr_el1, ttbr0_el1, ttbr1_el1, tcr_el1, mair_el1, amair_el1, vbar_el1;
    uint64_t contextidr_el1, tpidr_el0, tpidrro_el0, tpidr_el1, par_el1, csselr_el1, cntkctl_el1;
};

struct fp_regs {
    __uint128_t v[32];
    uint64_t fpsr, fpcr;
};

struct pauth_keys {
    uint64_t key[10]; // APIA, APIB, APDA, APDB, APGA: low, high
};

enum vcpu_state {
    VCPU_OFF,     // PSCI off, or its VM is not running
    VCPU_CLAIMED, // sched_claim(): being made ready to start, by whoever claimed it
    VCPU_READY,   // in the run queue
    VCPU_RUNNING, // on a physical CPU
    VCPU_BLOCKED, // in WFI or suspended, until vcpu_notify()
    VCPU_PAUSED,  // its VM is, until sched_resume() or ATTN_STOP
};

// Why a vCPU must not simply return to its guest; any CPU sets these bits, its own CPU clears them.
enum vcpu_attention {
    ATTN_VIRQ = 1,    // the virtual interrupts to be signalled changed
    ATTN_STOP = 2,    // its VM stops: leave the CPU and turn off; stays until the VM is built anew,
                      // so that a sibling's CPU_ON on its own last way out starts nothing
    ATTN_RESCHED = 4, // somebody else may be next on this CPU
    ATTN_BLOCK = 8,   // own CPU only: sleep until there is another bit (WFI)
    ATTN_OFF = 16,    // own CPU only: turn off (PSCI CPU_OFF)
    ATTN_PAUSE = 32,  // its VM pauses: leave the CPU and wait
};

// A VM's part of the machine's time, shared by its vCPUs; under the scheduler's lock.
struct sched_share {
    uint32_t weight;    // 1..10000; twice the weight, twice the time
    uint32_t active;    // vCPUs that are ready or running
    uint32_t on;        // vCPUs that are not off
    bool paused;        // none of them is to run
    uint32_t resting;   // vCPUs that are paused
    uint64_t rested_at; // counter ticks: when the last of them left its CPU
};

struct vcpu {
    struct vcpu_regs regs; // first: SP_EL2 points here while the guest runs
    uint32_t attention;    // enum vcpu_attention, atomic
    bool sve_whole;        // its state is all of SVE's, in sve; else the FP/SIMD registers, in fp
    bool set_way;          // it maintains its caches by set and way (vm/caches.h)
    int loaded_cpu;        // the CPU that loaded its EL1 state last, -1 for none
    int fp_cpu; // the CPU whose FP registers were loaded with this vCPU's last, -1 for none
    uint64_t hcr, mdcr, vttbr, vtcr,
        cptr;            // written to the machine at a switch, never on a plain exit
    struct el1_regs el1; // within reach of STP's and LDP's offsets
    uint64_t mpidr;      // VMPIDR_EL2: what the guest reads
    uint64_t mdscr;      // MDSCR_EL1, as cpu/debug.c has it in the machine
    union {
        struct {
            bool fp_live; // the FP registers of this CPU hold this vCPU's
            bool pauth_used;
            bool pmu_used; // cpu/pmu.h
            bool serror;   // HCR_EL2.VSE: a virtual SError was pending when it was last looked at
            bool ras;      // the machine has FEAT_RAS, and with it a register that a guest reaches
            bool hardened; // cpu/hardening.h
        };
        uint64_t extra; // any of these: a switch has more to do than it always has
    };
    struct counters count;

    struct vm *vm;
    unsigned index; // within its VM
    struct stage2 *s2;
    uint64_t vmid_generation; // in which the VMID in vttbr is right (mem/vmid.h)
    struct debug_regs debug;
    bool brk_calls; // BRK #0x86 is to come to EL2; see cpu/debug.h
    struct pauth_keys keys;
    uint64_t vdisr, vsesr; // of FEAT_RAS
    struct pmu pmu;
    struct direct_regs direct; // of one that is hardened
    struct fp_regs fp __attribute__((aligned(16)));
    void *sve;    // cpu/sve.h; NULL where the guest is shown none
    uint64_t zcr; // ZCR_EL1, while the machine holds another's

    struct vgic_cpu *vgic;
    struct vtimer *vtimer;
    uint8_t *siblings_last; // per CPU: index of the VM's vCPU that ran there last, or VCPU_NONE;
                            // shared by the VM's vCPUs

    // Scheduler's; under its lock.
    enum vcpu_state state;
    struct list queue;
    uint64_t vruntime;  // counter ticks divided by weight, and what is left over: under the weight;
    uint64_t remainder; // no wrap within 36 years of a machine whose counter has 1 GHz
    uint64_t run_since; // counter ticks
    uint64_t run_total; // counter ticks spent in RUNNING
    uint64_t ready_since;
    uint32_t affinity; // bit n: may run on CPU n
    struct sched_share *share;
    int last_cpu; // where it runs or ran last, -1 before the first run

    uint64_t set_way_until; // counter ticks

    // Its own CPU's; see cpu/stolen.h.
    struct stolen_time *stolen; // what the guest reads, or NULL
    uint64_t stolen_ticks;      // what that says, in counter ticks
};

// vCPU reset: the state PSCI CPU_ON requires (DEN0022 6.4): EL1h, DAIF masked, MMU and caches off,
// x0 = arg.
void vcpu_reset(struct vcpu *v, gpa_t entry, uint64_t arg);

// Set bits of enum vcpu_attention and see to it that they are looked at: wake a blocked vCPU,
// interrupt a running one that is on another CPU. Any CPU; no vgic or console lock is needed, the
// scheduler's must not be held.
void vcpu_notify(struct vcpu *v, uint32_t attention);

// By a handler on the vCPU's own CPU: for when it leaves.
static inline void vcpu_request(struct vcpu *v, uint32_t attention)
{
    __atomic_or_fetch(&v->attention, attention, __ATOMIC_RELAXED);
}

static inline uint32_t vcpu_attention(const struct vcpu *v)
{
    return __atomic_load_n(&v->attention, __ATOMIC_ACQUIRE);
}
