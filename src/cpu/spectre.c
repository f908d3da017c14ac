// SPDX-License-Identifier: Apache-2.0
#include "cpu/spectre.h"

#include "arch/cpu.h"
#include "cpu/errata.h"
#include "cpu/features.h"
#include "lib/log.h"

#include <stdbool.h>

// DEN0028
#define SMCCC_VERSION       0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define PSCI_FEATURES       0x8400000au
#define NOT_SUPPORTED       (-1)
#define NO_CPU_NEEDS        (-2) // of SMCCC_ARCH_WORKAROUND_2
#define ENABLE              1    // SMCCC_ARCH_WORKAROUND_2

struct spectre spectre;

static bool nobody; // to answer an SMC

void firmware_is_absent(void)
{
    nobody = true;
}

// SMCCC 1.1 is found through PSCI (DEN0028, discovery): older firmware may not know an unknown
// call.
int32_t firmware_workaround(uint32_t function)
{
    if (nobody || (int32_t)smc_call(PSCI_FEATURES, SMCCC_VERSION, 0, 0).x[0] < 0 ||
        (int32_t)smc_call(SMCCC_VERSION, 0, 0, 0).x[0] < 0x10001) {
        return NOT_SUPPORTED;
    }
    return (int32_t)smc_call(SMCCC_ARCH_FEATURES, function, 0, 0).x[0];
}

static enum spectre_state ask(uint32_t function)
{
    int32_t answer = firmware_workaround(function);
    if (answer == 0) {
        return SPECTRE_FIRMWARE;
    }
    bool no_cpu_needs = function == SMCCC_ARCH_WORKAROUND_2 && answer == NO_CPU_NEEDS;
    return answer > 0 || no_cpu_needs ? SPECTRE_SAFE : SPECTRE_OPEN;
}

static enum spectre_state choose_v2(const struct id_regs *own)
{
    bool csv2 = id_field(own, 4, 0, 56) >= 1;
    return csv2 || cpu_in_order(own) ? SPECTRE_SAFE : ask(SMCCC_ARCH_WORKAROUND_1);
}

// With SSBS it is PSTATE's bit that counts: 0, so safe, at EL2, and the guest's own affair at EL1.
static enum spectre_state choose_v4(const struct id_regs *own)
{
    bool ssbs = id_field(own, 4, 1, 4) >= 1;
    enum spectre_state state =
        ssbs || cpu_in_order(own) ? SPECTRE_SAFE : ask(SMCCC_ARCH_WORKAROUND_2);
    if (state == SPECTRE_FIRMWARE) {
        smc_call(SMCCC_ARCH_WORKAROUND_2, ENABLE, 0, 0);
    }
    return state;
}

static enum spectre_state choose_bhb(const struct id_regs *own)
{
    return bhb_of(own).way == BHB_UNNEEDED ? SPECTRE_SAFE : ask(SMCCC_ARCH_WORKAROUND_3);
}

struct spectre spectre_choose(const struct id_regs *own)
{
    return (struct spectre){.v2 = (uint8_t)choose_v2(own),
                            .v4 = (uint8_t)choose_v4(own),
                            .bhb = (uint8_t)choose_bhb(own)};
}

static const char no_call[] = "nothing is done, for the firmware has no call for this CPU";

// The worse of the two; true if that is its.
static bool worsen(uint8_t *all, uint8_t its)
{
    if (its <= *all) {
        return false;
    }
    *all = its;
    return true;
}

void spectre_heed(const struct spectre *its)
{
    if (worsen(&spectre.v2, its->v2)) {
        const char *remedy = bhb_is_off() ? "nothing is done, by newel.bhb=off"
                                          : "the firmware is called on each exit";
        log_info("Spectre-v2: %s", its->v2 == SPECTRE_FIRMWARE ? remedy : no_call);
    }
    if (worsen(&spectre.v4, its->v4)) {
        log_info("Spectre-v4: %s",
                 its->v4 == SPECTRE_FIRMWARE ? "the firmware prevents it" : no_call);
    }
    worsen(&spectre.bhb, its->bhb); // errata_report() tells of it
}

uint32_t spectre_exit_call(const struct spectre *own)
{
    return own->v2 == SPECTRE_FIRMWARE && !bhb_is_off() ? SMCCC_ARCH_WORKAROUND_1 : 0;
}
