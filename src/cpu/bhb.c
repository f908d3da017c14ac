// SPDX-License-Identifier: Apache-2.0
// What is done against Spectre-BHB, and the log's lines on it and on errata.
#include "cpu/errata.h"
#include "cpu/features.h"
#include "cpu/spectre.h"
#include "lib/log.h"

#include <stdbool.h>
#include <stddef.h>

static bool turned_off;

void bhb_turn_off(void)
{
    turned_off = true;
}

bool bhb_is_off(void)
{
    return turned_off;
}

static enum bhb_way firmware_way(void)
{
    int32_t answer = firmware_workaround(SMCCC_ARCH_WORKAROUND_3);
    return answer < 0 ? BHB_OFF : answer == 0 ? BHB_FIRMWARE : BHB_UNNEEDED;
}

struct bhb bhb_choose(const struct id_regs *own)
{
    struct bhb bhb = bhb_of(own);
    if (bhb.way != BHB_UNNEEDED && turned_off) {
        return (struct bhb){BHB_OFF, 0};
    }
    if (bhb.way == BHB_FIRMWARE) {
        bhb.way = firmware_way();
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
