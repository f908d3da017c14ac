// SPDX-License-Identifier: Apache-2.0
// What is done against Spectre-BHB, and the log's lines on it and on errata.
#include "arch/cpu.h"
#include "cpu/errata.h"
#include "cpu/features.h"
#include "lib/log.h"

#include <stdbool.h>
#include <stddef.h>

// DEN0028
#define SMCCC_VERSION           0x80000000u
#define SMCCC_ARCH_FEATURES     0x80000001u
#define SMCCC_ARCH_WORKAROUND_3 0x80003fffu
#define PSCI_FEATURES           0x8400000au

static bool turned_off;

void bhb_turn_off(void)
{
    turned_off = true;
}

// SMCCC 1.1 is found through PSCI (DEN0028, discovery): older firmware may not know an unknown
// call.
static bool firmware_has_workaround(void)
{
    return (int32_t)smc_call(PSCI_FEATURES, SMCCC_VERSION, 0, 0).x[0] >= 0 &&
           (int32_t)smc_call(SMCCC_VERSION, 0, 0, 0).x[0] >= 0x10001 &&
           (int32_t)smc_call(SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_3, 0, 0).x[0] == 0;
}

struct bhb bhb_choose(const struct id_regs *own)
{
    struct bhb bhb = bhb_of(own);
    if (bhb.way == BHB_UNNEEDED) {
        return bhb;
    }
    if (turned_off || (bhb.way == BHB_FIRMWARE && !firmware_has_workaround())) {
        return (struct bhb){BHB_OFF, 0};
    }
    return bhb;
}

static void report_bhb(const struct bhb *bhb)
{
    switch (bhb->way) {
    case BHB_LOOP:
        log_info("Spectre-BHB: %u branches on each exit", bhb->loops);
        break;
    case BHB_CLEAR:
        log_info("Spectre-BHB: CLRBHB on each exit");
        break;
    case BHB_FIRMWARE:
        log_info("Spectre-BHB: the firmware is called on each exit");
        break;
    case BHB_OFF:
        log_info("Spectre-BHB: nothing is done, %s",
                 turned_off ? "by newel.bhb=off" : "for the firmware has no call for this CPU");
        break;
    case BHB_UNNEEDED:
        break;
    }
}

void errata_report(const struct id_regs *ids, const struct bhb *bhb)
{
    static const char *names[ERRATUM_COUNT]; // reported last
    static struct bhb reported;
    for (unsigned e = 0; e < ERRATUM_COUNT; e++) {
        const char *name = erratum_name(ids, (enum erratum)e);
        if (name != NULL && name != names[e]) {
            names[e] = name;
            log_info("%s: %s", name, erratum_remedy((enum erratum)e));
        }
    }
    if (bhb->way != reported.way || bhb->loops != reported.loops) {
        reported = *bhb;
        report_bhb(bhb);
    }
}
