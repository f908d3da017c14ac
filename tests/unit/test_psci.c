// SPDX-License-Identifier: Apache-2.0
// PSCI and SMCCC calls of a make-believe VM of three vCPUs.
#include "arch/sysreg.h"
#include "call/psci.h"
#include "call/psci_abi.h"
#include "call/pvtime.h"
#include "call/smccc.h"
#include "call/trng.h"
#include "cpu/drbg.h"
#include "cpu/sched.h"
#include "cpu/spectre.h"
#include "fake_random.h"
#include "irq/vgic.h"
#include "irq/vtimer.h"
#include "trap/efi.h"
#include "trap/io.h"
#include "trap/trap.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io_calls.h"

#define CPUS  3
#define ENTRY (VM_RAM_BASE + 0x80000)

static struct vm vm;
static struct vm_config config = {.memory = 64 << 20, .cpus = CPUS};
static struct vcpu *v; // who calls: number 0
static unsigned offs, resets, starts;
static uint32_t uncached; // vCPUs whose caches are off
static unsigned maintained;

static unsigned forwarded; // calls that the firmware got
static uint32_t forwarded_function;

struct smc_result smc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    forwarded++;
    forwarded_function = (uint32_t)function;
    assert_int_equal(function >> 32 | a1 | a2 | a3, 0);
    return (struct smc_result){{0xf1, 0xf2, 0xf3, 0xf4}};
}

static unsigned upcalls;

enum trap_result efi_upcall(struct vcpu *which)
{
    (void)which;
    upcalls++;
    return TRAP_RETRY;
}

bool sched_claim(struct vcpu *target)
{
    if (target->state != VCPU_OFF) {
        return false;
    }
    target->state = VCPU_CLAIMED;
    return true;
}

void sched_start(struct vcpu *target)
{
    assert_int_equal(target->state, VCPU_CLAIMED);
    target->state = VCPU_READY;
    starts++;
}

void space_set_uncached(struct space *sp, unsigned vcpu, bool off)
{
    assert_ptr_equal(sp, &vm.space);
    uncached = off ? uncached | 1u << vcpu : uncached & ~(1u << vcpu);
}

void space_maintain_all(struct space *sp)
{
    (void)sp;
    maintained++;
}

uint64_t timer_now(void)
{
    return 0;
}

uint64_t timer_ticks_from_us(uint64_t us)
{
    return us;
}

void vm_power_off(struct vm *which)
{
    assert_ptr_equal(which, &vm);
    offs++;
}

void vm_reset(struct vm *which)
{
    assert_ptr_equal(which, &vm);
    resets++;
}

void vgic_reset_interface(struct vgic_cpu *c)
{
    (void)c;
}

void vtimer_reset(struct vcpu *which)
{
    (void)which;
}

static int setup(void **state)
{
    (void)state;
    vm.config = &config;
    for (unsigned i = 0; i < CPUS; i++) {
        vm.vcpu[i] = calloc(1, sizeof(struct vcpu));
        vm.vcpu[i]->vm = &vm;
        vm.vcpu[i]->index = i;
        // Two in one cluster, one in another.
        vm.vcpu[i]->mpidr = MPIDR_RES1 | (i == 2 ? 0x100 : i);
        vm.vcpu[i]->state = VCPU_OFF;
    }
    v = vm.vcpu[0];
    v->state = VCPU_RUNNING;
    v->regs.pc = ENTRY;
    v->regs.pstate = PSR_EL1H;
    memset(&features, 0, sizeof(features));
    memset(&fake_sysregs, 0, sizeof(fake_sysregs));
    offs = resets = starts = 0;
    uncached = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        free(vm.vcpu[i]);
    }
    return 0;
}

// By HVC. The registers that no call changes are looked at.
static int64_t call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    for (unsigned i = 4; i < 31; i++) {
        v->regs.x[i] = i;
    }
    v->regs.x[0] = function;
    v->regs.x[1] = a1;
    v->regs.x[2] = a2;
    v->regs.x[3] = a3;
    assert_int_equal(trap_hvc(v, ((uint64_t)EC_HVC64 << 26) | ESR_IL), TRAP_RETRY);
    for (unsigned i = 4; i < 31; i++) {
        assert_int_equal(v->regs.x[i], i);
    }
    return (int64_t)v->regs.x[0];
}

static void version_and_features(void **state)
{
    static const uint32_t offered[] = {
        PSCI_VERSION,           PSCI_CPU_SUSPEND_32,   PSCI_CPU_SUSPEND_64,   PSCI_CPU_OFF,
        PSCI_CPU_ON_32,         PSCI_CPU_ON_64,        PSCI_AFFINITY_INFO_32, PSCI_AFFINITY_INFO_64,
        PSCI_MIGRATE_INFO_TYPE, PSCI_SYSTEM_OFF,       PSCI_SYSTEM_RESET,     PSCI_FEATURES,
        PSCI_SYSTEM_RESET2_32,  PSCI_SYSTEM_RESET2_64, SMCCC_VERSION,
    };
    (void)state;
    assert_int_equal(call(PSCI_VERSION, 0, 0, 0), 0x10001);
    assert_int_equal(call(0xffffffff00000000 | PSCI_VERSION, 0, 0, 0), 0x10001);
    for (size_t i = 0; i < ARRAY_SIZE(offered); i++) {
        assert_int_equal(call(PSCI_FEATURES, offered[i], 0, 0), 0);
    }
    assert_int_equal(v->count.n[CNT_PSCI_CALL], 2 + ARRAY_SIZE(offered));
}

// Every number that PSCI_FEATURES does not know is not known as a call either.
static void features_and_calls_agree(void **state)
{
    (void)state;
    for (uint32_t low = 0; low < 0x20; low++) {
        for (uint32_t convention = 0; convention < 2; convention++) {
            uint32_t function = (PSCI_FIRST + low) | (convention << 30);
            if (call(PSCI_FEATURES, function, 0, 0) == PSCI_NOT_SUPPORTED) {
                assert_int_equal(call(function, 0, 0, 0), PSCI_NOT_SUPPORTED);
            }
        }
    }
    assert_int_equal(starts + offs + resets, 0);
}

static void cpu_on(void **state)
{
    (void)state;
    assert_int_equal(call(PSCI_CPU_ON_64, 1, ENTRY, 0x123456789abcdef0), PSCI_SUCCESS);
    assert_int_equal(vm.vcpu[1]->state, VCPU_READY);
    assert_int_equal(vm.vcpu[1]->regs.pc, ENTRY);
    assert_int_equal(vm.vcpu[1]->regs.x[0], 0x123456789abcdef0);
    assert_int_equal(vm.vcpu[1]->regs.pstate, PSR_EL1H | PSR_DAIF);
    assert_int_equal(vm.vcpu[1]->el1.sctlr_el1 & (SCTLR_M | SCTLR_C | SCTLR_I), 0);
    assert_true((vm.vcpu[1]->hcr & HCR_TVM) != 0);
    assert_int_equal(uncached, 1u << 1);
    assert_int_equal(call(PSCI_CPU_ON_64, 1, ENTRY, 0), PSCI_ALREADY_ON);
    assert_int_equal(call(PSCI_CPU_ON_64, 0, ENTRY, 0), PSCI_ALREADY_ON);
    vm.vcpu[2]->state = VCPU_CLAIMED; // by another vCPU at this moment
    assert_int_equal(call(PSCI_CPU_ON_64, 0x100, ENTRY, 0), PSCI_ON_PENDING);
    assert_int_equal(starts, 1);
}

static void cpu_on_with_32_bits(void **state)
{
    (void)state;
    assert_int_equal(
        call(PSCI_CPU_ON_32, 0xffffffff00000100, 0xabcd000000000000 | ENTRY, 0xffffffff55667788),
        PSCI_SUCCESS);
    assert_int_equal(vm.vcpu[2]->regs.pc, ENTRY);
    assert_int_equal(vm.vcpu[2]->regs.x[0], 0x55667788);
}

static void cpu_on_refused(void **state)
{
    static const uint64_t targets[] = {
        2, 3, 0xff00ff00, MPIDR_RES1 | 1, UINT64_C(1) << 32, ~UINT64_C(0)};
    static const uint64_t entries[] = {0,         VM_RAM_BASE - 4, VM_RAM_BASE + (64 << 20),
                                       ENTRY + 1, ENTRY + 2,       ~UINT64_C(3)};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        assert_int_equal(call(PSCI_CPU_ON_64, targets[i], ENTRY, 0), PSCI_INVALID_PARAMETERS);
    }
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        assert_int_equal(call(PSCI_CPU_ON_64, 1, entries[i], 0), PSCI_INVALID_ADDRESS);
    }
    assert_int_equal(vm.vcpu[1]->state, VCPU_OFF);
    assert_int_equal(call(PSCI_CPU_ON_64, 1, VM_RAM_BASE + (64 << 20) - 4, 0), PSCI_SUCCESS);
}

static void affinity_info(void **state)
{
    (void)state;
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0, 0, 0), 0);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 1, 0, 0), 1);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0x100, 1, 0), 1);
    assert_int_equal(call(PSCI_AFFINITY_INFO_32, 0xffffffff00000000, 0xffffffff00000002, 0), 0);
    vm.vcpu[2]->state = VCPU_CLAIMED;
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0x100, 0, 0), 2);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0x1ab, 1, 0), 2);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0, 2, 0), 0);
    vm.vcpu[2]->state = VCPU_BLOCKED;
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0x100, 0, 0), 0);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0x102, 0, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0x200, 1, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, 0, 4, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(PSCI_AFFINITY_INFO_64, MPIDR_RES1, 0, 0), PSCI_INVALID_PARAMETERS);
}

static void suspend_in_standby(void **state)
{
    (void)state;
    assert_int_equal(call(PSCI_CPU_SUSPEND_64, 0x0200ffff, 0, 0), PSCI_SUCCESS);
    assert_int_equal(v->attention, ATTN_BLOCK);
    assert_int_equal(v->regs.pc, ENTRY);
}

static void suspend_with_power_down(void **state)
{
    (void)state;
    fake_sysregs.sctlr_el1 = ~UINT64_C(0);
    assert_int_equal(call(PSCI_CPU_SUSPEND_64, 1 << 16, ENTRY + 0x100, 0x77), 0x77);
    assert_int_equal(v->attention, ATTN_BLOCK);
    assert_int_equal(v->regs.pc, ENTRY + 0x100);
    assert_int_equal(v->regs.pstate, PSR_EL1H | PSR_DAIF);
    assert_int_equal(fake_sysregs.sctlr_el1 & (SCTLR_M | SCTLR_C | SCTLR_I), 0);
    // By SMC the result says that pc is not to be moved past the call.
    v->regs.x[0] = PSCI_CPU_SUSPEND_64;
    v->regs.x[1] = 1 << 16;
    v->regs.x[2] = ENTRY;
    assert_int_equal(trap_smc(v, ((uint64_t)EC_SMC64 << 26) | ESR_IL), TRAP_RETRY);
    assert_int_equal(v->regs.pc, ENTRY);
}

// It maintained its caches by set and way before, so that their going off is watched for already.
static void suspend_after_set_and_way(void **state)
{
    (void)state;
    fake_sysregs.sctlr_el1 = SCTLR_EL1_RES1 | SCTLR_M | SCTLR_C;
    v->hcr |= HCR_TVM;
    v->set_way = true;
    uncached = maintained = 0;
    call(PSCI_CPU_SUSPEND_64, 1 << 16, ENTRY, 0);
    assert_int_equal(uncached, 1);
    assert_int_equal(maintained, 1);
    assert_false(v->set_way);
    assert_true(v->hcr & HCR_TVM);
}

static void suspend_refused(void **state)
{
    (void)state;
    assert_int_equal(call(PSCI_CPU_SUSPEND_64, 0xffffffff, ENTRY, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(PSCI_CPU_SUSPEND_32, 1 << 17, ENTRY, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(PSCI_CPU_SUSPEND_64, UINT64_C(1) << 32, 0, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(PSCI_CPU_SUSPEND_64, 1 << 16, 0, 0), PSCI_INVALID_ADDRESS);
    assert_int_equal(v->attention, 0);
}

static void endings(void **state)
{
    (void)state;
    call(PSCI_CPU_OFF, 0, 0, 0);
    assert_int_equal(v->attention, ATTN_OFF);
    assert_int_equal(uncached, 0);
    call(PSCI_SYSTEM_OFF, 0, 0, 0);
    assert_int_equal(offs, 1);
    call(PSCI_SYSTEM_RESET, 0, 0, 0);
    call(PSCI_SYSTEM_RESET2_64, 0, 0, 0);
    call(PSCI_SYSTEM_RESET2_32, 0xffffffff00000000, 0, 0);
    assert_int_equal(resets, 3);
    assert_int_equal(call(PSCI_SYSTEM_RESET2_64, 1, 0, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(PSCI_SYSTEM_RESET2_64, 0x80000000, 0, 0), PSCI_INVALID_PARAMETERS);
    assert_int_equal(resets, 3);
}

static void trusted_os(void **state)
{
    (void)state;
    assert_int_equal(call(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0), 2);
    assert_int_equal(call(PSCI_MIGRATE_64, 1, 0, 0), PSCI_NOT_SUPPORTED);
    assert_int_equal(call(PSCI_MIGRATE_INFO_UP_CPU_64, 0, 0, 0), PSCI_NOT_SUPPORTED);
}

static void smccc_architecture_calls(void **state)
{
    (void)state;
    assert_int_equal(call(SMCCC_VERSION, 0, 0, 0), 0x10002);
    assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0), 0);
    assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES, 0, 0), 0);
    assert_int_equal(call(SMCCC_ARCH_FEATURES, PSCI_VERSION, 0, 0), -1);
}

// Any CPU's state by its address here; what a guest is told, what a call returns and whether the
// firmware gets it.
static void check_workaround(uint32_t function, uint8_t *state)
{
    static const struct {
        int64_t feature, result;
        unsigned forwarded;
    } expected[] = {
        [SPECTRE_SAFE] = {1, 0, 0},
        [SPECTRE_FIRMWARE] = {0, 0, 1},
        [SPECTRE_OPEN] = {-1, -1, 0},
    };
    for (unsigned s = SPECTRE_SAFE; s <= SPECTRE_OPEN; s++) {
        spectre = (struct spectre){SPECTRE_OPEN, SPECTRE_OPEN, SPECTRE_OPEN};
        *state = (uint8_t)s;
        forwarded = 0;
        assert_int_equal(call(SMCCC_ARCH_FEATURES, function, 0, 0), expected[s].feature);
        assert_int_equal(forwarded, 0);
        assert_int_equal(call(function, 0xbad1, 0xbad2, 0xbad3), expected[s].result);
        assert_int_equal(forwarded, expected[s].forwarded);
        assert_true(forwarded == 0 || forwarded_function == function);
        assert_int_equal(v->regs.x[1], 0xbad1);
        assert_int_equal(v->regs.x[3], 0xbad3);
    }
}

static void smccc_workarounds(void **state)
{
    (void)state;
    check_workaround(SMCCC_ARCH_WORKAROUND_1, &spectre.v2);
    check_workaround(SMCCC_ARCH_WORKAROUND_3, &spectre.bhb);
}

// A guest may not switch off what keeps others' stores from it.
static void smccc_workaround_2(void **state)
{
    (void)state;
    forwarded = 0;
    spectre = (struct spectre){.v4 = SPECTRE_OPEN};
    assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_2, 0, 0), -1);
    for (uint8_t s = SPECTRE_SAFE; s <= SPECTRE_FIRMWARE; s++) {
        spectre.v4 = s;
        assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_2, 0, 0), -2);
        assert_int_equal(call(SMCCC_ARCH_WORKAROUND_2, 0, 0, 0), -1);
    }
    features.ssbs = true;
    assert_int_equal(call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_2, 0, 0), -1);
    assert_int_equal(forwarded, 0);
}

static void smccc_unknown_calls(void **state)
{
    static const uint32_t unknown[] = {0,          0x80000002, 0x83000000, 0xc0000000, 0x84000020,
                                       0x04000000, 0x44000003, 0x84010000, 0xffffffff, 0x8600ff00};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        assert_int_equal(call(unknown[i], 0, 0, 0), -1);
    }
    v->regs.x[0] = PSCI_VERSION;
    assert_int_equal(trap_hvc(v, 1), TRAP_RETRY); // HVC #1
    assert_int_equal(v->regs.x[0], UINT64_MAX);
    upcalls = 0; // only a VM that has an EFI can call it
    v->regs.x[0] = PSCI_VERSION;
    assert_int_equal(trap_hvc(v, EFI_UPCALL), TRAP_RETRY);
    assert_int_equal(v->regs.x[0], UINT64_MAX);
    vm.efi.present = true;
    assert_int_equal(trap_hvc(v, EFI_UPCALL), TRAP_RETRY);
    vm.efi.present = false;
    assert_int_equal(upcalls, 1);
    v->regs.x[0] = PSCI_VERSION;
    assert_int_equal(trap_smc(v, 1), TRAP_EMULATED);
    assert_int_equal(v->regs.x[0], UINT64_MAX);
    v->regs.x[0] = PSCI_VERSION;
    assert_int_equal(trap_smc(v, 0), TRAP_EMULATED);
    assert_int_equal(v->regs.x[0], 0x10001);
}

static void smccc_identity(void **state)
{
    (void)state;
    assert_int_not_equal(call(SMCCC_VENDOR_UID, 0, 0, 0), -1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(v->regs.x[i] >> 32, 0);
    }
    assert_int_equal(call(SMCCC_VENDOR_REVISION, 0, 0, 0), 0);
}

static void random_numbers(void **state)
{
    (void)state;
    assert_int_equal(call(TRNG_VERSION, 0, 0, 0), -1);
    features.rndr = true;
    fake_random_next = 0x1111222233334441;
    fake_random_last = UINT64_MAX;
    assert_int_equal(call(TRNG_VERSION, 0, 0, 0), 0x10000);
    assert_int_equal(call(TRNG_FEATURES, TRNG_RND_64, 0, 0), 0);
    assert_int_equal(call(TRNG_FEATURES, PSCI_VERSION, 0, 0), -1);
    assert_int_equal(call(0xc4000050, 0, 0, 0), -1);
    assert_int_equal(call(TRNG_RND_64, 192, 0, 0), 0);
    assert_int_equal(v->regs.x[3], 0x1111222233334441);
    assert_int_equal(v->regs.x[2], 0x1111222233334442);
    assert_int_equal(v->regs.x[1], 0x1111222233334443);
    assert_int_equal(call(TRNG_RND_64, 68, 0, 0), 0);
    assert_int_equal(v->regs.x[1], 0);
    assert_int_equal(v->regs.x[2], 5);
    assert_int_equal(call(TRNG_RND_32, 0xffffffff00000021, 0, 0), 0);
    assert_int_equal(v->regs.x[3], 0x33334446);
    assert_int_equal(v->regs.x[2], 1);
    assert_int_equal(call(TRNG_RND_32, 97, 0, 0), TRNG_INVALID_PARAMETERS);
    assert_int_equal(call(TRNG_RND_64, 193, 0, 0), TRNG_INVALID_PARAMETERS);
    assert_int_equal(call(TRNG_RND_64, 0, 0, 0), TRNG_INVALID_PARAMETERS);
    fake_random_last = 0;
    assert_int_equal(call(TRNG_RND_64, 1, 2, 3), TRNG_NO_ENTROPY);
    assert_int_equal(v->regs.x[3], 3); // nothing of it gets out
}

// Without a source of the CPU's, from the host's seed.
static void random_numbers_of_the_host(void **state)
{
    (void)state;
    drbg_add("01234567890123456789012345678901", 32);
    assert_int_equal(call(TRNG_VERSION, 0, 0, 0), 0x10000);
    assert_int_equal(call(TRNG_RND_64, 64, 0, 0), 0);
    uint64_t first = v->regs.x[3];
    assert_int_equal(call(TRNG_RND_64, 72, 0, 0), 0);
    assert_true(v->regs.x[3] != first && v->regs.x[3] != 0 && v->regs.x[2] >> 8 == 0);
}

static void stolen_time(void **state)
{
    static struct stolen_time records[CPUS];
    (void)state;
    vm.stolen = records;
    assert_int_equal(call(SMCCC_ARCH_FEATURES, PV_TIME_FEATURES, 0, 0), 0);
    assert_int_equal(call(SMCCC_ARCH_FEATURES, PV_TIME_ST, 0, 0), -1);
    assert_int_equal(call(PV_TIME_FEATURES, PV_TIME_FEATURES, 0, 0), 0);
    assert_int_equal(call(PV_TIME_FEATURES, 0xffffffff00000000 | PV_TIME_ST, 0, 0), 0);
    assert_int_equal(call(PV_TIME_FEATURES, PV_TIME_ST + 1, 0, 0), -1);
    assert_int_equal(call(PV_TIME_FEATURES & ~0x40000000u, PV_TIME_ST, 0, 0), -1);
    assert_int_equal(call(PV_TIME_ST & ~0x40000000u, 0, 0, 0), -1);
    assert_null(v->stolen); // asking what there is does not ask for it
    v = vm.vcpu[2];
    assert_int_equal(call(PV_TIME_ST, 0, 0, 0), PV_TIME_BASE + 128);
    assert_ptr_equal(v->stolen, &records[2]);
    v = vm.vcpu[0];
    assert_null(v->stolen);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(version_and_features),
        T(features_and_calls_agree),
        T(cpu_on),
        T(cpu_on_with_32_bits),
        T(cpu_on_refused),
        T(affinity_info),
        T(suspend_in_standby),
        T(suspend_with_power_down),
        T(suspend_after_set_and_way),
        T(suspend_refused),
        T(endings),
        T(trusted_os),
        T(smccc_architecture_calls),
        T(smccc_workarounds),
        T(smccc_workaround_2),
        T(smccc_unknown_calls),
        T(smccc_identity),
        T(random_numbers),
        T(random_numbers_of_the_host),
        T(stolen_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
