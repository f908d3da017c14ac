// SPDX-License-Identifier: Apache-2.0
// What a guest does to its caches where that traps: set/way maintenance (HCR_EL2.TSW), and, while
// its caches are off, writes of the translation regime's registers (HCR_EL2.TVM, D19.2.48).
#include "vm/caches.h"
#include "arch/sysreg.h"
#include "trap/gpr.h"
#include "trap/sysreg_iss.h"

enum trap_result set_way_maintain(struct vcpu *v, uint32_t iss)
{
    (void)iss;
    count(&v->count, CNT_SYSREG_SETWAY);
    caches_set_way(v);
    return TRAP_EMULATED;
}

// X(op1.., register): all that traps of what EL1 has in AArch64.
#define REGISTERS(X)                  \
    X(KEY(3, 0, 1, 0, 0), sctlr_el1)  \
    X(KEY(3, 0, 2, 0, 0), ttbr0_el1)  \
    X(KEY(3, 0, 2, 0, 1), ttbr1_el1)  \
    X(KEY(3, 0, 2, 0, 2), tcr_el1)    \
    X(KEY(3, 0, 5, 1, 0), afsr0_el1)  \
    X(KEY(3, 0, 5, 1, 1), afsr1_el1)  \
    X(KEY(3, 0, 5, 2, 0), esr_el1)    \
    X(KEY(3, 0, 6, 0, 0), far_el1)    \
    X(KEY(3, 0, 10, 2, 0), mair_el1)  \
    X(KEY(3, 0, 10, 3, 0), amair_el1) \
    X(KEY(3, 0, 13, 0, 1), contextidr_el1)

// The value goes to the register as the guest would have written it: what is reserved or hidden
// there, the machine ignores alike.
enum trap_result translation_register(struct vcpu *v, uint32_t iss)
{
    uint64_t value = gpr_read(v, ISS_RT(iss)), sctlr = read_sysreg(sctlr_el1);
    if (ISS_IS_READ(iss)) {
        return TRAP_UNHANDLED; // HCR_EL2.TRVM is never set
    }
    switch (iss & ALL) {
#define X(key, name)               \
    case key:                      \
        write_sysreg(name, value); \
        break;
        REGISTERS(X)
#undef X
    default:
        return TRAP_UNHANDLED;
    }
    count(&v->count, CNT_SYSREG_TRANSLATION);
    caches_register_written(v, sctlr);
    return TRAP_EMULATED;
}
