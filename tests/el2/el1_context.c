// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone.
#include "el1_context.h"

#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "cpu/features.h"
#include "lib/bits.h"
#include "trap/walk.h"

#define HCR_GUEST (BIT(0) | BIT(31)) // VM, RW

static struct {
    struct walk_regs regs;
    uint64_t par, vttbr, vtcr, hcr;
} kept;

static void write_registers(const struct walk_regs *r)
{
    write_sysreg(sctlr_el1, r->sctlr);
    write_sysreg(tcr_el1, r->tcr);
    write_sysreg(ttbr0_el1, r->ttbr0);
    write_sysreg(ttbr1_el1, r->ttbr1);
    write_sysreg(mair_el1, r->mair);
    isb();
}

void el1_enter(const struct stage2 *s2)
{
    walk_registers(&kept.regs);
    kept.par = read_sysreg(par_el1);
    kept.vttbr = read_sysreg(vttbr_el2);
    kept.vtcr = read_sysreg(vtcr_el2);
    kept.hcr = read_sysreg(hcr_el2);
    write_sysreg(vtcr_el2, stage2_vtcr(s2));
    write_sysreg(vttbr_el2, stage2_vttbr(s2));
    write_sysreg(hcr_el2, HCR_GUEST | (features.fwb ? BIT(46) : 0));
    isb();
}

void el1_load(const struct stage2 *s2, const struct walk_regs *r)
{
    write_registers(r);
    tlbi_vmid(stage2_vttbr(s2));
}

bool el1_leave(const struct stage2 *s2)
{
    bool same = read_sysreg(par_el1) == kept.par;

    tlbi_vmid(stage2_vttbr(s2));
    write_sysreg(par_el1, kept.par);
    write_sysreg(hcr_el2, kept.hcr);
    write_sysreg(vtcr_el2, kept.vtcr);
    write_sysreg(vttbr_el2, kept.vttbr);
    write_registers(&kept.regs);
    return same;
}
