// SPDX-License-Identifier: Apache-2.0
#include "fake_pmu.h"

#include "arch/sysreg.h"

struct pmu_regs fake_pmu;

unsigned pmu_machine_init(void)
{
    fake_pmu = (struct pmu_regs){0};
    return 6;
}

void pmu_machine_save(struct pmu_regs *to, unsigned counters)
{
    (void)counters;
    *to = fake_pmu;
    fake_pmu.pmcr &= ~PMCR_E;
    fake_pmu.userenr = 0;
    fake_pmu.intenset = 0;
}

void pmu_machine_load(const struct pmu_regs *from, unsigned counters)
{
    (void)counters;
    fake_pmu = *from;
}

bool pmu_machine_line(void)
{
    return (fake_pmu.ovsset & fake_pmu.intenset) != 0;
}
