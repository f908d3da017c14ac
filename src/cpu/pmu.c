// SPDX-License-Identifier: Apache-2.0
#include "cpu/pmu.h"

#include "arch/sysreg.h"
#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/vcpu.h"
#include "lib/bits.h"

#define MDCR_TRAPS (MDCR_TPM | MDCR_TPMCR)

// PMUVer
#define PMU_V3P1 4
#define PMU_V3P5 6

static uint32_t counters = PMU_COUNTERS; // event counters that every CPU has

void pmu_init_cpu(void)
{
    __atomic_fetch_min(&counters, pmu_machine_init(), __ATOMIC_RELAXED);
}

uint64_t pmu_mdcr(void)
{
    uint64_t mdcr = MDCR_TRAPS;
    if (features.pmu_version >= 1) {
        mdcr |= counters; // HPMN
    }
    if (features.pmu_version >= PMU_V3P1) {
        mdcr |= MDCR_HPMD;
    }
    if (features.pmu_version >= PMU_V3P5) {
        mdcr |= MDCR_HCCD;
    }
    return mdcr;
}

bool pmu_enable(struct vcpu *v)
{
    if (v->pmu_used) {
        return false;
    }
    v->pmu_used = true;
    v->mdcr &= ~MDCR_TRAPS;
    write_sysreg(mdcr_el2, v->mdcr);
    pmu_load(v);
    return true;
}

bool pmu_saved_line(const struct pmu_regs *r)
{
    return (r->pmcr & PMCR_E) != 0 && (r->ovsset & r->intenset) != 0;
}

// Neither does anything count, nor may EL0 look.
static bool inert(const struct pmu_regs *r)
{
    return ((r->pmcr & PMCR_E) == 0 || r->cntenset == 0) && r->userenr == 0 && !pmu_saved_line(r);
}

void pmu_save(struct vcpu *v)
{
    pmu_machine_save(&v->pmu.regs, counters);
    v->pmu.live = false;
    machine_pmu_stopped(v, pmu_saved_line(&v->pmu.regs));
    if (inert(&v->pmu.regs) && !v->hardened) {
        v->pmu_used = false;
        v->mdcr |= MDCR_TRAPS;
        write_sysreg(mdcr_el2, v->mdcr); // it may come back with no other here in between
    }
}

void pmu_load(struct vcpu *v)
{
    pmu_machine_load(&v->pmu.regs, counters);
    v->pmu.live = true;
}
