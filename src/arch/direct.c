// SPDX-License-Identifier: Apache-2.0
#include "arch/direct.h"

#include "arch/cpu.h"
#include "arch/sysreg.h"

#define OSLSR_OSLK BIT(1)
#define CLAIM_TAGS 0xff

// What an external debugger would have set, and no guest may: HDE, TDA.
#define MDSCR_HALTING (BIT(14) | BIT(21))

#define NSID_ENABLED 3 // DBGAUTHSTATUS_EL1[1:0]: non-secure invasive debug

#define ERRIDR_EL1 S3_0_C5_C3_0
#define LORID_EL1  S3_0_C10_C4_7

// debug_probe.S: all ones where the CPU has no such register, as QEMU (10.0.2) does not.
uint64_t debug_probe_authstatus(void);
uint64_t debug_probe_prcr(void);

static bool has_prcr;

void direct_read_facts(struct direct_facts *facts)
{
    bool ras = bits_get(read_sysreg(id_aa64pfr0_el1), 31, 28) != 0;
    bool lor = bits_get(read_sysreg(id_aa64mmfr1_el1), 19, 16) != 0;
    uint64_t debug = debug_probe_authstatus();
    facts->error_records = ras ? bits_get(read_sysreg(ERRIDR_EL1), 15, 0) : 0;
    facts->regions = lor ? read_sysreg(LORID_EL1) : 0;
    facts->halting = debug != UINT64_MAX && (debug & NSID_ENABLED) == NSID_ENABLED;
    has_prcr = debug_probe_prcr() != UINT64_MAX;
}

// From the last to the first, so that a switch enters where a CPU's points begin.
// clang-format off
#define EACH_POINT(X) \
    X(15) X(14) X(13) X(12) X(11) X(10) X(9) X(8) X(7) X(6) X(5) X(4) X(3) X(2) X(1) X(0)
// clang-format on

#define LOAD(kind, value, control, n)                               \
    case (n) + 1:                                                   \
        write_sysreg(dbg##kind##vr##n##_el1, r->point[value][n]);   \
        write_sysreg(dbg##kind##cr##n##_el1, r->point[control][n]); \
        __attribute__((fallthrough));
#define SAVE(kind, value, control, n)                               \
    case (n) + 1:                                                   \
        r->point[value][n] = read_sysreg(dbg##kind##vr##n##_el1);   \
        r->point[control][n] = read_sysreg(dbg##kind##cr##n##_el1); \
        __attribute__((fallthrough));

#define LOAD_BREAKPOINT(n) LOAD(b, DEBUG_BVR, DEBUG_BCR, n)
#define LOAD_WATCHPOINT(n) LOAD(w, DEBUG_WVR, DEBUG_WCR, n)
#define SAVE_BREAKPOINT(n) SAVE(b, DEBUG_BVR, DEBUG_BCR, n)
#define SAVE_WATCHPOINT(n) SAVE(w, DEBUG_WVR, DEBUG_WCR, n)

static void load_points(const struct direct_regs *r, unsigned breakpoints, unsigned watchpoints)
{
    switch (breakpoints) {
        EACH_POINT(LOAD_BREAKPOINT)
    default:
        break;
    }
    switch (watchpoints) {
        EACH_POINT(LOAD_WATCHPOINT)
    default:
        break;
    }
}

static void save_points(struct direct_regs *r, unsigned breakpoints, unsigned watchpoints)
{
    switch (breakpoints) {
        EACH_POINT(SAVE_BREAKPOINT)
    default:
        break;
    }
    switch (watchpoints) {
        EACH_POINT(SAVE_WATCHPOINT)
    default:
        break;
    }
}

// All of MDSCR_EL1 and the channel can be written only while the OS lock is locked (H6.5).
static void lock_os(uint64_t locked)
{
    write_sysreg(oslar_el1, locked);
    isb();
}

void direct_load(struct direct_regs *r, unsigned breakpoints, unsigned watchpoints)
{
    r->machine_actlr = read_sysreg(actlr_el1);
    r->actlr = r->begun ? r->actlr : r->machine_actlr;
    r->begun = true;
    write_sysreg(actlr_el1, r->actlr);
    lock_os(1);
    write_sysreg(mdscr_el1, r->mdscr & ~MDSCR_HALTING);
    write_sysreg(mdccint_el1, r->mdccint);
    write_sysreg(oseccr_el1, r->eccr);
    write_sysreg(osdtrrx_el1, r->dtr_rx);
    write_sysreg(osdtrtx_el1, r->dtr_tx);
    write_sysreg(dbgclaimclr_el1, CLAIM_TAGS);
    write_sysreg(dbgclaimset_el1, r->claim);
    load_points(r, breakpoints, watchpoints);
    if (has_prcr) {
        write_sysreg(dbgprcr_el1, r->prcr);
    }
    write_sysreg(osdlr_el1, r->osdlr);
    lock_os(r->os_lock);
}

void direct_save(struct direct_regs *r, unsigned breakpoints, unsigned watchpoints)
{
    r->os_lock = (read_sysreg(oslsr_el1) & OSLSR_OSLK) != 0;
    r->osdlr = read_sysreg(osdlr_el1);
    write_sysreg(osdlr_el1, 0);
    lock_os(1);
    r->mdscr = read_sysreg(mdscr_el1);
    r->mdccint = read_sysreg(mdccint_el1);
    r->eccr = read_sysreg(oseccr_el1);
    r->dtr_rx = read_sysreg(osdtrrx_el1);
    r->dtr_tx = read_sysreg(osdtrtx_el1);
    r->claim = read_sysreg(dbgclaimclr_el1);
    save_points(r, breakpoints, watchpoints);
    if (has_prcr) {
        r->prcr = read_sysreg(dbgprcr_el1);
        write_sysreg(dbgprcr_el1, 0);
    }
    write_sysreg(mdscr_el1, 0);
    write_sysreg(mdccint_el1, 0);
    write_sysreg(oseccr_el1, 0);
    lock_os(0);
    r->actlr = read_sysreg(actlr_el1);
    write_sysreg(actlr_el1, r->machine_actlr);
}
