// SPDX-License-Identifier: Apache-2.0
// Debug exceptions, and the debug registers, which all trap (MDCR_EL2.TDA, TDOSA, TDRA): the guest
// sees a CPU with self-hosted debug, whose debug communications channel nobody listens to.
#include "cpu/debug.h"
#include "arch/sysreg.h"
#include "cpu/features.h"
#include "trap/gpr.h"
#include "trap/inject.h"
#include "trap/io.h"
#include "trap/sysreg_iss.h"

#include <stddef.h>

#define OSLSR_OSLM   BIT(3) // the OS lock exists
#define OSLSR_OSLK   BIT(1)
#define MDCCINT_RW   (BIT(29) | BIT(30))
#define CLAIM_TAGS   UINT64_C(0xff)
#define DEBUG_AT_EL0 3 // op1 of what EL0 may access

#define BRK_IMMEDIATE(esr) ((esr)&0xffff)

// One access. False where the register cannot be accessed that way: UNDEFINED.
typedef bool debug_fn(struct vcpu *v, uint32_t iss, uint64_t *value);

static bool ignored(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    (void)v;
    *value = ISS_IS_READ(iss) ? 0 : *value;
    return true;
}

static bool read_as_zero(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    (void)v;
    *value = 0;
    return ISS_IS_READ(iss);
}

static bool mdscr(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    if (ISS_IS_READ(iss)) {
        *value = v->debug.mdscr;
    } else {
        debug_set_mdscr(v, *value);
    }
    return true;
}

static bool mdccint(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    if (ISS_IS_READ(iss)) {
        *value = v->debug.mdccint;
    } else {
        v->debug.mdccint = *value & MDCCINT_RW;
    }
    return true;
}

// DBGBVR<n>, DBGBCR<n>, DBGWVR<n>, DBGWCR<n>: n is CRm, which is by op2.
static bool point(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    enum debug_point kind = (enum debug_point)(ISS_OP2(iss) - 4);
    unsigned n = ISS_CRM(iss);
    if (n >= (kind <= DEBUG_BCR ? features.breakpoints : features.watchpoints)) {
        return false;
    }
    if (ISS_IS_READ(iss)) {
        *value = v->debug.point[kind][n];
    } else {
        debug_set_point(v, kind, n, *value);
    }
    return true;
}

static bool oslar(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    if (ISS_IS_READ(iss)) {
        return false;
    }
    debug_set_os_lock(v, *value & 1);
    return true;
}

static bool oslsr(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    *value = OSLSR_OSLM | (v->debug.os_lock ? OSLSR_OSLK : 0);
    return ISS_IS_READ(iss);
}

static bool claimset(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    if (ISS_IS_READ(iss)) {
        *value = CLAIM_TAGS;
    } else {
        v->debug.claim |= (uint8_t)*value;
    }
    return true;
}

static bool claimclr(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    if (ISS_IS_READ(iss)) {
        *value = v->debug.claim;
    } else {
        v->debug.claim &= (uint8_t) ~*value;
    }
    return true;
}

static const struct debug_rule {
    uint32_t ignore; // bits of the key that do not matter
    uint32_t key;
    debug_fn *access;
} rules[] = {
    {0, KEY(2, 0, 0, 2, 2), mdscr},
    {ANY_CRM, KEY(2, 0, 0, 0, 4), point},
    {ANY_CRM, KEY(2, 0, 0, 0, 5), point},
    {ANY_CRM, KEY(2, 0, 0, 0, 6), point},
    {ANY_CRM, KEY(2, 0, 0, 0, 7), point},
    {0, KEY(2, 0, 1, 0, 4), oslar},
    {0, KEY(2, 0, 1, 1, 4), oslsr},
    {0, KEY(2, 0, 0, 2, 0), mdccint},
    {0, KEY(2, 0, 0, 0, 2), ignored},                 // OSDTRRX_EL1
    {0, KEY(2, 0, 0, 3, 2), ignored},                 // OSDTRTX_EL1
    {0, KEY(2, 0, 0, 6, 2), ignored},                 // OSECCR_EL1
    {0, KEY(2, 0, 1, 3, 4), ignored},                 // OSDLR_EL1: there is no double lock
    {0, KEY(2, 0, 1, 4, 4), ignored},                 // DBGPRCR_EL1
    {0, KEY(2, 0, 1, 0, 0), read_as_zero},            // MDRAR_EL1
    {0, KEY(2, 0, 7, 8, 6), claimset},                // DBGCLAIMSET_EL1
    {0, KEY(2, 0, 7, 9, 6), claimclr},                // DBGCLAIMCLR_EL1
    {0, KEY(2, 0, 7, 14, 6), read_as_zero},           // DBGAUTHSTATUS_EL1
    {0, KEY(2, DEBUG_AT_EL0, 0, 1, 0), read_as_zero}, // MDCCSR_EL0
    {0, KEY(2, DEBUG_AT_EL0, 0, 4, 0), ignored},      // DBGDTR_EL0
    {0, KEY(2, DEBUG_AT_EL0, 0, 5, 0), ignored},      // DBGDTRRX_EL0, DBGDTRTX_EL0
};

static bool access_by_rule(struct vcpu *v, uint32_t iss, uint64_t *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if ((iss & ALL & ~rules[i].ignore) == rules[i].key) {
            return rules[i].access(v, iss, value);
        }
    }
    return false;
}

// The guest's own MDSCR_EL1.TDCC sends EL0's accesses to the channel to its EL1.
static bool dcc_is_el1s(const struct vcpu *v)
{
    return v->debug.mdscr & MDSCR_TDCC && from_el0(v);
}

enum trap_result debug_register(struct vcpu *v, uint32_t iss)
{
    uint64_t value = gpr_read(v, ISS_RT(iss));
    count(&v->count, CNT_SYSREG_DEBUG);
    if (dcc_is_el1s(v)) {
        inject_sync(v, bits_set(ESR_IL | iss, 31, 26, EC_SYSREG), gva(0));
        return TRAP_FAULT;
    }
    if (!access_by_rule(v, iss, &value)) {
        inject_undef(v);
        return TRAP_FAULT;
    }
    if (ISS_IS_READ(iss)) {
        gpr_write(v, ISS_RT(iss), value);
    }
    return TRAP_EMULATED;
}

// AArch32's debug registers (coprocessor 14), of which EL0 could reach the channel's and the
// addresses of its tables: none of them is here.
enum trap_result trap_cp14(struct vcpu *v, uint64_t esr)
{
    count(&v->count, CNT_SYSREG_DEBUG);
    if (dcc_is_el1s(v)) {
        inject_sync(v, esr, gva(0));
    } else {
        inject_undef(v);
    }
    return TRAP_FAULT;
}

// A debug exception that came to EL2 (MDCR_EL2.TDE) and is the guest's own. The classes of
// breakpoint, single step and watchpoint come in pairs, from a lower EL and from the same.
enum trap_result trap_debug(struct vcpu *v, uint64_t esr)
{
    uint64_t ec = ESR_EC(esr);
    bool pair = ec == EC_BREAKPT_LOWER || ec == EC_SSTEP_LOWER || ec == EC_WATCHPT_LOWER;
    bool watchpoint = ec == EC_WATCHPT_LOWER;
    if (ec == EC_BRK64 && BRK_IMMEDIATE(esr) == IO_MAGIC && io_exists(v)) {
        return io_call(v);
    }
    if (pair && !from_el0(v)) {
        ec++;
    }
    inject_sync(v, bits_set(esr, 31, 26, ec), gva(watchpoint ? read_sysreg(far_el2) : 0));
    return TRAP_FAULT;
}

// PSTATE.IL was set: EL1's business like any exception of its own making.
enum trap_result trap_illegal(struct vcpu *v, uint64_t esr)
{
    inject_sync(v, esr, gva(0));
    return TRAP_FAULT;
}
