// SPDX-License-Identifier: Apache-2.0
#include "call/smccc.h"

#include "arch/cpu.h"
#include "call/psci.h"
#include "call/pvtime.h"
#include "call/trng.h"
#include "cpu/features.h"
#include "cpu/spectre.h"

#include <stddef.h>

#define SMCCC_1_2       0x00010002u
#define FUNCTION_64     0x40000000u
#define NOT_REQUIRED    1    // of WORKAROUND_1 and 3: may be called
#define NO_CPU_REQUIRES (-2) // of WORKAROUND_2

// Newel's name as a hypervisor: 8c1f4e6a-52d3-4b0e-9d7a-6e6577656c31, as four words in memory
// order.
static const uint32_t newel_uid[4] = {0x6a4e1f8cu, 0x0e4bd352u, 0x656e7a9du, 0x316c6577u};
#define NEWEL_REVISION_MAJOR 0
#define NEWEL_REVISION_MINOR 1

// The worst of all CPUs, since a vCPU may run on any; "not required" is true of calling them, too.
static int64_t workaround_feature(uint8_t state)
{
    static const int64_t answers[] = {
        [SPECTRE_SAFE] = NOT_REQUIRED,
        [SPECTRE_FIRMWARE] = SMCCC_SUCCESS,
        [SPECTRE_OPEN] = SMCCC_NOT_SUPPORTED,
    };
    return answers[state];
}

// Where SSBS exists, it is the guest's to set; elsewhere the firmware prevents Spectre-v4 for good,
// if it can (spectre_choose()), and there is nothing for a guest to call.
static int64_t workaround_2_feature(void)
{
    return features.ssbs || spectre.v4 == SPECTRE_OPEN ? SMCCC_NOT_SUPPORTED : NO_CPU_REQUIRES;
}

static int64_t architecture_feature(uint32_t function)
{
    switch (function) {
    case SMCCC_VERSION:
    case SMCCC_ARCH_FEATURES:
    case PV_TIME_FEATURES:
        return SMCCC_SUCCESS;
    case SMCCC_ARCH_WORKAROUND_1:
        return workaround_feature(spectre.v2);
    case SMCCC_ARCH_WORKAROUND_2:
        return workaround_2_feature();
    case SMCCC_ARCH_WORKAROUND_3:
        return workaround_feature(spectre.bhb);
    default:
        return SMCCC_NOT_SUPPORTED;
    }
}

// On the CPU of the caller. The firmware is told nothing else of the guest.
static int64_t workaround(uint32_t function)
{
    int64_t needed = architecture_feature(function);
    if (needed == SMCCC_SUCCESS) {
        smc_call(function, 0, 0, 0);
    }
    return needed < 0 ? needed : SMCCC_SUCCESS;
}

// What tells of a hypervisor by being there; a hardened VM has none of it.
static bool is_giveaway(uint32_t function)
{
    return function == SMCCC_VENDOR_REVISION || function == SMCCC_VENDOR_UID ||
           function == PV_TIME_FEATURES || function == PV_TIME_ST;
}

static int64_t answer(struct vcpu *v, uint32_t function)
{
    if (v->hardened && is_giveaway(function)) {
        return SMCCC_NOT_SUPPORTED;
    }
    switch (function) {
    case SMCCC_VERSION:
        return SMCCC_1_2;
    case SMCCC_ARCH_FEATURES:
        return v->hardened && is_giveaway((uint32_t)v->regs.x[1])
                   ? SMCCC_NOT_SUPPORTED
                   : architecture_feature((uint32_t)v->regs.x[1]);
    case SMCCC_ARCH_WORKAROUND_1:
    case SMCCC_ARCH_WORKAROUND_3:
        return workaround(function);
    case PV_TIME_FEATURES:
    case PV_TIME_ST:
        return pvtime_call(v, function);
    case SMCCC_VENDOR_REVISION:
        v->regs.x[1] = NEWEL_REVISION_MINOR;
        return NEWEL_REVISION_MAJOR;
    case SMCCC_VENDOR_UID:
        v->regs.x[1] = newel_uid[1];
        v->regs.x[2] = newel_uid[2];
        v->regs.x[3] = newel_uid[3];
        return newel_uid[0];
    default:
        return SMCCC_NOT_SUPPORTED;
    }
}

static OUTLINE bool other_call(struct vcpu *v, uint32_t function)
{
    if ((function & ~FUNCTION_64) - TRNG_VERSION <= TRNG_RND_32 - TRNG_VERSION) {
        trng_call(v, function);
        return true;
    }
    v->regs.x[0] = (uint64_t)answer(v, function);
    return true;
}

bool smccc_call(struct vcpu *v)
{
    uint32_t function = (uint32_t)v->regs.x[0];
    if ((function & ~FUNCTION_64) - PSCI_FIRST <= PSCI_LAST - PSCI_FIRST) {
        return psci_call(v, function);
    }
    return other_call(v, function);
}
