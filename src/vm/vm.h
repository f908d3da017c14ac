// SPDX-License-Identifier: Apache-2.0
// A virtual machine: what it is made of, and its life.
#pragma once

#include "cpu/features.h"
#include "cpu/percpu.h"
#include "cpu/sched.h"
#include "cpu/stolen.h"
#include "dev/bus.h"
#include "dev/gic_frames.h"
#include "dev/pl011.h"
#include "dev/pl031.h"
#include "dev/port.h"
#include "irq/vgic.h"
#include "mem/pool.h"
#include "mem/space.h"
#include "vm/firmware/guest_efi.h"
#include "vm/guest_flash.h"
#include "vm/load.h"
#include "vm/manifest.h"
#include "vm/wakeup.h"

enum vm_state {
    VM_OFF,      // exists, no vCPU runs; holds its memory
    VM_BUILDING, // its memory is being filled
    VM_RUNNING,
    VM_PAUSED,    // its vCPUs wait, or will at their next exit; their virtual counter stands still
    VM_STOPPING,  // its vCPUs are leaving their CPUs
    VM_DESTROYED, // holds nothing; start makes it anew
};

// What happens when the last vCPU has left.
enum vm_after_stop {
    VM_STAY_OFF,
    VM_SLEEP, // stays off until its wake-up alarm (vm/wakeup.h) signals, if that is set
    VM_REBUILD,
    VM_DESTROY,
};

struct vm {
    const struct vm_config *config;
    unsigned number; // 0..MANIFEST_MAX_VMS-1
    owner_t owner;
    struct spinlock lock; // state
    enum vm_state state;
    enum vm_after_stop after_stop; // of the last stop, by which it is off if it is
    struct pool pool;
    hpa_t ram; // contiguous, config->memory bytes
    struct vcpu *vcpu[VM_MAX_VCPUS];
    struct sched_share share;
    uint8_t siblings_last[MAX_CPUS];
    hpa_t control; // vCPUs, their timers and the interrupt controller, contiguous; then the page
                   // of their stolen times
    size_t control_pages;
    struct stolen_time *stolen; // one a vCPU, in a page of its own that the guest may read
    struct vgic *vgic;
    struct pl011 uart;
    struct pl031 rtc;
    struct bus bus;
    struct gic_frames gic;
    struct guest_flash flash;
    struct tools *tools;   // NULL: without guest-tools there are neither ports nor a backdoor
    struct efi_vars *vars; // NULL without firmware
    struct guest_efi efi;
    struct wakeup wakeup;
    struct port_bus ports;
    struct id_policy id_policy;
    uint64_t id[8 + ID_REG_COUNT]; // what the guest reads, by CRm * 8 + op2 (trap/sysreg.c)
    struct console_vm *console;
    struct work work;  // building, zeroing, destroying: one at a time
    uint64_t progress; // of work
    struct load_plan plan;
    uint64_t starts, resets;
    struct space space; // last: it is large, and the rest near at hand
};

// Another number each time that the VM starts or is reset: what was found out about a guest is told
// by it from what holds for the next.
static inline uint64_t vm_life(const struct vm *vm)
{
    return vm->starts + vm->resets;
}

// Is it off until its alarm signals, which is so many seconds ahead?
static inline bool vm_sleeps(struct vm *vm, uint64_t *seconds)
{
    return vm->state == VM_OFF && vm->after_stop == VM_SLEEP &&
           wakeup_lies_ahead(&vm->wakeup, seconds);
}

extern struct vm vms[MANIFEST_MAX_VMS];
extern size_t vm_count;

// Makes every VM of the manifest known and starts those that start by themselves. Once, on the boot
// CPU, before any vCPU runs. The manifest and what it points to stay where they are for good. A
// negative error, with a line in message, if they do not fit into the machine.
int vms_init(const struct manifest *manifest, char *message, size_t message_size);

// The machine is not to go off with the last VM: the operator ends it otherwise.
void vms_keep_machine(void);

struct vm *vm_find(const char *name); // NULL if there is none

// All of these return at once and go on in steps. ERR_BUSY in a state that does not allow it,
// ERR_NOMEM. A VM that is off until it wakes up can be stopped: it stays off then.
int vm_start(struct vm *vm);
int vm_stop(struct vm *vm, enum vm_after_stop then);

// Overrides what the VM may do to a range of its RAM until it is built anew. As space_protect(),
// and ERR_BUSY while it is not running or paused.
int vm_protect(struct vm *vm, gpa_t base, uint64_t size, enum s2_rights rights,
               enum override_policy policy);

// Running VMs pause, paused ones go on; ERR_BUSY for any other state. Any CPU, also by a trap
// handler.
int vm_pause(struct vm *vm);
int vm_resume(struct vm *vm);

// By a vCPU of the VM itself (PSCI): stops all of its vCPUs, this one when it leaves its exit
// handler.
void vm_power_off(struct vm *vm);
void vm_reset(struct vm *vm);

// The last of its vCPUs has left its CPU; by trap_leave().
void vm_all_off(struct vm *vm);

const char *vm_state_name(enum vm_state state);
