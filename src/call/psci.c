// SPDX-License-Identifier: Apache-2.0
#include "call/psci.h"

#include "arch/sysreg.h"
#include "call/psci_abi.h"
#include "call/smccc.h"
#include "cpu/sched.h"
#include "irq/vgic.h"
#include "irq/vtimer.h"
#include "vm/caches.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"

#include <stddef.h>

#define PSCI_1_1 0x00010001u

#define FUNCTION_64 BIT(30)

// AFFINITY_INFO's answers (DEN0022 5.7)
#define AFFINITY_ON         0
#define AFFINITY_OFF        1
#define AFFINITY_ON_PENDING 2

#define NO_TRUSTED_OS 2 // MIGRATE_INFO_TYPE: nothing to migrate

// CPU_SUSPEND's power_state, original format (5.4.2): StateID, StateType, PowerLevel.
#define POWER_STATE_RESERVED (~(MASK(15, 0) | BIT(16) | MASK(25, 24)))
#define POWER_STATE_DOWN     BIT(16)

#define SYSTEM_WARM_RESET 0

static uint64_t argument(const struct vcpu *v, uint32_t function, unsigned n)
{
    return function & FUNCTION_64 ? v->regs.x[n] : (uint32_t)v->regs.x[n];
}

// Affinity level n is byte n of the number, the highest in bits 39..32.
static uint64_t affinity_mask(unsigned lowest_level)
{
    return MPIDR_AFFINITY & ~(lowest_level == 0 ? 0 : MASK(8 * MIN(lowest_level, 3u) - 1, 0));
}

static struct vcpu *find_vcpu(struct vm *vm, uint64_t mpidr)
{
    for (unsigned i = 0; i < vm->config->cpus; i++) {
        if ((vm->vcpu[i]->mpidr & MPIDR_AFFINITY) == mpidr) {
            return vm->vcpu[i];
        }
    }
    return NULL;
}

static bool entry_valid(const struct vm *vm, uint64_t entry)
{
    return is_aligned(entry, 4) && entry >= VM_RAM_BASE && entry - VM_RAM_BASE < vm->config->memory;
}

static enum vcpu_state state_of(const struct vcpu *v)
{
    return __atomic_load_n(&v->state, __ATOMIC_RELAXED);
}

static int cpu_on(struct vcpu *v, uint32_t function)
{
    uint64_t entry = argument(v, function, 2);
    struct vcpu *target = find_vcpu(v->vm, argument(v, function, 1));
    if (target == NULL) {
        return PSCI_INVALID_PARAMETERS;
    }
    if (!entry_valid(v->vm, entry)) {
        return PSCI_INVALID_ADDRESS;
    }
    if (!sched_claim(target)) {
        return state_of(target) == VCPU_CLAIMED ? PSCI_ON_PENDING : PSCI_ALREADY_ON;
    }
    vcpu_reset(target, gpa(entry), argument(v, function, 3));
    caches_start(target);
    vgic_reset_interface(target->vgic);
    vtimer_reset(target);
    sched_start(target);
    return PSCI_SUCCESS;
}

static int affinity_of(const struct vcpu *v)
{
    switch (state_of(v)) {
    case VCPU_OFF:
        return AFFINITY_OFF;
    case VCPU_CLAIMED:
        return AFFINITY_ON_PENDING;
    default:
        return AFFINITY_ON;
    }
}

// Of several: on when one is, else pending when one is, else off.
static int affinity_info(struct vcpu *v, uint32_t function)
{
    uint64_t target = argument(v, function, 1);
    uint64_t level = argument(v, function, 2);
    int info = PSCI_INVALID_PARAMETERS;
    if (level > 3 || (target & ~MPIDR_AFFINITY) != 0) {
        return PSCI_INVALID_PARAMETERS;
    }
    for (unsigned i = 0; i < v->vm->config->cpus; i++) {
        const struct vcpu *one = v->vm->vcpu[i];
        if (((one->mpidr ^ target) & affinity_mask((unsigned)level)) != 0) {
            continue;
        }
        int its = affinity_of(one);
        bool first = info == PSCI_INVALID_PARAMETERS;
        if (first || its == AFFINITY_ON || (info == AFFINITY_OFF && its == AFFINITY_ON_PENDING)) {
            info = its;
        }
    }
    return info;
}

// The state in which a CPU comes back from being powered down (DEN0022 6.4), for the vCPU that runs
// here.
static void come_back_at(struct vcpu *v, uint64_t entry, uint64_t context)
{
    uint64_t sctlr = read_sysreg(sctlr_el1);
    write_sysreg(sctlr_el1, SCTLR_EL1_RES1);
    caches_register_written(v, sctlr);
    v->regs.pc = entry;
    v->regs.pstate = PSR_EL1H | PSR_DAIF;
    v->regs.x[0] = context;
}

static bool finish(struct vcpu *v, int result)
{
    v->regs.x[0] = (uint64_t)(int64_t)result;
    return true;
}

static bool cpu_suspend(struct vcpu *v, uint32_t function)
{
    uint64_t state = argument(v, function, 1);
    uint64_t entry = argument(v, function, 2);
    if ((state & POWER_STATE_RESERVED) != 0) {
        return finish(v, PSCI_INVALID_PARAMETERS);
    }
    if ((state & POWER_STATE_DOWN) == 0) {
        vcpu_request(v, ATTN_BLOCK);
        return finish(v, PSCI_SUCCESS);
    }
    if (!entry_valid(v->vm, entry)) {
        return finish(v, PSCI_INVALID_ADDRESS);
    }
    vcpu_request(v, ATTN_BLOCK);
    come_back_at(v, entry, argument(v, function, 3));
    return false;
}

static bool system_reset2(struct vcpu *v, uint32_t function)
{
    // No vendor has defined a reset of its own here, and none but the warm reset is architected.
    if ((uint32_t)argument(v, function, 1) != SYSTEM_WARM_RESET) {
        return finish(v, PSCI_INVALID_PARAMETERS);
    }
    vm_reset(v->vm);
    return false;
}

int psci_features(uint32_t function)
{
    switch (function) {
    case PSCI_VERSION:
    case PSCI_CPU_SUSPEND_32: // flags: original format, platform-coordinated
    case PSCI_CPU_SUSPEND_64:
    case PSCI_CPU_OFF:
    case PSCI_CPU_ON_32:
    case PSCI_CPU_ON_64:
    case PSCI_AFFINITY_INFO_32:
    case PSCI_AFFINITY_INFO_64:
    case PSCI_MIGRATE_INFO_TYPE:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_FEATURES:
    case PSCI_SYSTEM_RESET2_32:
    case PSCI_SYSTEM_RESET2_64:
    case SMCCC_VERSION:
        return 0;
    default:
        return PSCI_NOT_SUPPORTED;
    }
}

// Calls that end the vCPU or the VM.
static bool end_call(struct vcpu *v, uint32_t function)
{
    switch (function) {
    case PSCI_CPU_OFF:
        caches_stop(v);
        vcpu_request(v, ATTN_OFF);
        return false;
    case PSCI_SYSTEM_OFF:
        vm_power_off(v->vm);
        return false;
    case PSCI_SYSTEM_RESET:
        vm_reset(v->vm);
        return false;
    case PSCI_SYSTEM_RESET2_32:
    case PSCI_SYSTEM_RESET2_64:
        return system_reset2(v, function);
    default:
        return finish(v, PSCI_NOT_SUPPORTED);
    }
}

// Apart from psci_call(), which so needs no stack: that one is what the hypercall's price is
// measured by.
static OUTLINE bool other_call(struct vcpu *v, uint32_t function)
{
    switch (function) {
    case PSCI_CPU_ON_32:
    case PSCI_CPU_ON_64:
        return finish(v, cpu_on(v, function));
    case PSCI_AFFINITY_INFO_32:
    case PSCI_AFFINITY_INFO_64:
        return finish(v, affinity_info(v, function));
    case PSCI_CPU_SUSPEND_32:
    case PSCI_CPU_SUSPEND_64:
        return cpu_suspend(v, function);
    case PSCI_MIGRATE_INFO_TYPE:
        return finish(v, NO_TRUSTED_OS);
    case PSCI_FEATURES:
        return finish(v, psci_features((uint32_t)v->regs.x[1]));
    default:
        return end_call(v, function);
    }
}

bool psci_call(struct vcpu *v, uint32_t function)
{
    count(&v->count, CNT_PSCI_CALL);
    if (function == PSCI_VERSION) {
        v->regs.x[0] = PSCI_1_1;
        return true;
    }
    return other_call(v, function);
}
