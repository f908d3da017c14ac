// SPDX-License-Identifier: Apache-2.0
#include "arch/debug.h"

#include "arch/sysreg.h"

#define EACH_POINT(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define CASE(kind, reg, n)                      \
    case (kind)*DEBUG_POINTS + (n):             \
        write_sysreg(dbg##reg##n##_el1, value); \
        break;
#define BVR(n) CASE(DEBUG_BVR, bvr, n)
#define BCR(n) CASE(DEBUG_BCR, bcr, n)
#define WVR(n) CASE(DEBUG_WVR, wvr, n)
#define WCR(n) CASE(DEBUG_WCR, wcr, n)

void debug_write_point(enum debug_point kind, unsigned n, uint64_t value)
{
    switch (kind * DEBUG_POINTS + n) {
        EACH_POINT(BVR)
        EACH_POINT(BCR)
        EACH_POINT(WVR)
        EACH_POINT(WCR)
    }
}

void debug_init_cpu(void)
{
    // Of this CPU itself: it may have more than the feature table's minimum.
    uint64_t dfr0 = read_sysreg(id_aa64dfr0_el1);
    for (unsigned n = 0; n <= bits_get(dfr0, 15, 12); n++) {
        debug_write_point(DEBUG_BCR, n, 0);
    }
    for (unsigned n = 0; n <= bits_get(dfr0, 23, 20); n++) {
        debug_write_point(DEBUG_WCR, n, 0);
    }
    write_sysreg(mdscr_el1, 0);
    write_sysreg(mdccint_el1, 0);
    write_sysreg(osdlr_el1, 0);
    write_sysreg(oslar_el1, 0);
}
