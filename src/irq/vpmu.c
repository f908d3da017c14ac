// SPDX-License-Identifier: Apache-2.0
#include "irq/vpmu.h"

#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/vcpu.h"
#include "irq/gic.h"
#include "irq/vgic.h"

// FEAT_PMUv3p8; the next adds registers (PMICNTR_EL0, PMUACR_EL1) that are not switched.
#define LAST_VERSION 8

bool vpmu_available(void)
{
    return features.pmu_version >= 1 && features.pmu_version <= LAST_VERSION &&
           gic_config()->ppi.pmu != 0;
}

static void let_go(struct vcpu *v)
{
    if (v->pmu.held) {
        v->pmu.held = false;
        gic_set_ppi_active(gic_config()->ppi.pmu, false);
    }
}

bool vpmu_interrupt(struct vcpu *v)
{
    if (!v->pmu.live) {
        return false;
    }
    v->pmu.held = true;
    vgic_set_ppi(v->vgic, VGIC_PPI_PMU, true);
    return true;
}

bool vpmu_still_high(struct vcpu *v)
{
    if (v->pmu.live ? pmu_machine_line() : pmu_saved_line(&v->pmu.regs)) {
        return true;
    }
    let_go(v);
    return false;
}

void machine_pmu_stopped(struct vcpu *v, bool line)
{
    let_go(v);
    vgic_set_ppi(v->vgic, VGIC_PPI_PMU, line);
}
