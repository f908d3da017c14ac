// SPDX-License-Identifier: Apache-2.0
#include "park/page.h"

#include <string.h>

// code.S
extern const unsigned char park_code[PARK_CODE_SIZE];

struct facts {
    uint64_t id, wait;
    uint64_t gic, distributor, cpu_interface, redistributor;
    uint64_t mpidr, next;
};

_Static_assert(offsetof(struct facts, id) == PARK_FACT_ID &&
                   offsetof(struct facts, wait) == PARK_FACT_WAIT &&
                   offsetof(struct facts, gic) == PARK_FACT_GIC &&
                   offsetof(struct facts, distributor) == PARK_FACT_GIC_DISTRIBUTOR &&
                   offsetof(struct facts, cpu_interface) == PARK_FACT_GIC_CPU_INTERFACE &&
                   offsetof(struct facts, redistributor) == PARK_FACT_GIC_REDISTRIBUTOR &&
                   offsetof(struct facts, mpidr) == PARK_FACT_MPIDR &&
                   offsetof(struct facts, next) == PARK_FACT_NEXT,
               "code.S");

static bool has_gic(const struct park_gic *g)
{
    return g->version == 2 ? g->distributor != 0 && g->cpu_interface != 0
                           : g->version == 3 && g->redistributor != 0;
}

void park_fill(void *page, const struct park_cpu *cpu)
{
    const struct park_gic *g = &cpu->gic;
    struct facts facts = {
        .id = cpu->id, .wait = PARK_IN_WFE, .mpidr = cpu->mpidr, .next = cpu->next};
    if (has_gic(g)) {
        facts.wait = cpu->wait;
        facts.gic = g->version;
        facts.distributor = g->distributor;
        facts.cpu_interface = g->cpu_interface;
        facts.redistributor = g->redistributor;
    }
    uint32_t nobody = PARK_NOBODY;
    uint8_t *bytes = page;
    memset(bytes, 0, PARK_PAGE_SIZE);
    memcpy(bytes + PARK_ID, &nobody, sizeof(nobody));
    memcpy(bytes + PARK_CODE, park_code, PARK_CODE_SIZE);
    memcpy(bytes + PARK_FACTS, &facts, sizeof(facts));
}

uint32_t park_state(const void *page)
{
    return *(const volatile uint32_t *)((uintptr_t)page + PARK_STATE);
}

uint64_t park_mpidr(const void *page)
{
    return *(const volatile uint64_t *)((uintptr_t)page + PARK_MPIDR);
}

uint64_t park_stranger(const void *page)
{
    return *(const volatile uint64_t *)((uintptr_t)page + PARK_STRANGER);
}
