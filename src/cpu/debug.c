// SPDX-License-Identifier: Apache-2.0
#include "cpu/debug.h"

#include "arch/sysreg.h"
#include "cpu/features.h"
#include "cpu/vcpu.h"

#include <string.h>

// What the guest's MDSCR_EL1 holds always, and what only while the OS lock is locked: there it is
// the place where an external debugger's state is kept (Arm ARM D19.3.20).
#define MDSCR_ALWAYS (MDSCR_SS | MDSCR_TDCC | MDSCR_KDE | MDSCR_MDE)
#define MDSCR_LOCKED \
    (BIT(6) | BIT(14) | BIT(19) | BIT(21) | MASK(23, 22) | BIT(26) | BIT(27) | BIT(29) | BIT(30))

void debug_reset(struct vcpu *v)
{
    memset(&v->debug, 0, sizeof(v->debug));
    v->mdscr = 0;
    v->mdcr |= v->brk_calls ? MDCR_TDE : 0;
    v->debug.os_lock = true;
}

// The machine's MDSCR_EL1. TDCC stays 0, so that an access of EL0 to the DCC comes to EL2 first;
// HDE stays 0, since no guest may halt the CPU. A locked OS lock disables all debug exceptions but
// BRK's (D2.5).
static uint64_t machine_mdscr(const struct vcpu *v)
{
    return v->debug.os_lock ? 0 : v->debug.mdscr & (MDSCR_SS | MDSCR_KDE | MDSCR_MDE);
}

static OUTLINE void load_points(const struct vcpu *v)
{
    for (unsigned n = 0; n < features.breakpoints; n++) {
        debug_write_point(DEBUG_BVR, n, v->debug.point[DEBUG_BVR][n]);
        debug_write_point(DEBUG_BCR, n, v->debug.point[DEBUG_BCR][n]);
    }
    for (unsigned n = 0; n < features.watchpoints; n++) {
        debug_write_point(DEBUG_WVR, n, v->debug.point[DEBUG_WVR][n]);
        debug_write_point(DEBUG_WCR, n, v->debug.point[DEBUG_WCR][n]);
    }
}

void debug_load(struct vcpu *v)
{
    uint64_t mdscr = v->mdscr;
    write_sysreg(mdscr_el1, mdscr);
    if (unlikely(mdscr & MDSCR_MDE)) {
        load_points(v);
    }
}

static void route_breaks(struct vcpu *v)
{
    uint64_t mdcr = v->mdcr & ~MDCR_TDE;
    mdcr |= v->mdscr & (MDSCR_MDE | MDSCR_SS) ? 0 : MDCR_TDE;
    if (mdcr != v->mdcr) {
        v->mdcr = mdcr;
        write_sysreg(mdcr_el2, mdcr);
    }
}

// The guest changed what machine_mdscr() depends on. Its next instruction is behind an ERET, which
// synchronizes.
static void changed(struct vcpu *v)
{
    uint64_t mdscr = machine_mdscr(v), before = v->mdscr;
    v->mdscr = mdscr;
    if (mdscr & ~before & MDSCR_MDE) {
        load_points(v);
    }
    if (mdscr != before) {
        write_sysreg(mdscr_el1, mdscr);
    }
    if (v->brk_calls) {
        route_breaks(v);
    }
}

void debug_set_mdscr(struct vcpu *v, uint64_t value)
{
    uint64_t writable = MDSCR_ALWAYS | (v->debug.os_lock ? MDSCR_LOCKED : 0);
    v->debug.mdscr = (v->debug.mdscr & ~writable) | (value & writable);
    changed(v);
}

void debug_set_os_lock(struct vcpu *v, bool locked)
{
    v->debug.os_lock = locked;
    changed(v);
}

void debug_set_point(struct vcpu *v, enum debug_point kind, unsigned n, uint64_t value)
{
    // DBGBCR: E, PMC, BAS, HMC, SSC, LBN, BT. DBGWCR: E, PAC, LSC, BAS, HMC, SSC, LBN, WT, MASK.
    // None reaches EL2: while MDCR_EL2.TDE is 0, debug exceptions are disabled there (D2.4).
    static const uint64_t writable[] = {
        [DEBUG_BVR] = ~UINT64_C(0),
        [DEBUG_BCR] = UINT64_C(0x00ffe1e7),
        [DEBUG_WVR] = ~UINT64_C(3),
        [DEBUG_WCR] = UINT64_C(0x1f1fffff),
    };
    v->debug.point[kind][n] = value & writable[kind];
    if (v->mdscr & MDSCR_MDE) {
        debug_write_point(kind, n, v->debug.point[kind][n]);
    }
}
