// SPDX-License-Identifier: Apache-2.0
#include "app.h"

#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "irq/gic_rdist.h"
#include "lib/error.h"
#include "park/start.h"

#include <string.h>

#define TIMEOUT_US 1000000

// A system with pages of 64 KiB must not have to share one with the mailboxes.
#define LARGEST_PAGE UINT64_C(0x10000)

static unsigned current_el(void)
{
    return (unsigned)read_sysreg(CurrentEL) >> 2 & 3;
}

static void flush(const void *base, size_t size)
{
    dcache_clean_inval_poc(base, size);
    cache_dsb_sy();
}

static bool is_there(const void *page)
{
    flush((const char *)page + PARK_STATE, 2 * sizeof(uint64_t));
    return park_state(page) != PARK_NOT_THERE;
}

static bool wait_for(const void *page)
{
    uint64_t wait = read_sysreg(cntfrq_el0) / 1000000 * TIMEOUT_US;
    uint64_t begin = read_sysreg(cntvct_el0);
    bool there;
    do {
        there = is_there(page);
        isb();
    } while (!there && read_sysreg(cntvct_el0) - begin < wait);
    return there;
}

static struct park_gic machine_gic(const struct platform *p)
{
    return (struct park_gic){.version = p->gic.version,
                             .distributor = p->gic.dist.v,
                             .cpu_interface = p->gic.cpu_interface.v};
}

// The page of processor n, which is not the first one.
static uint64_t page_of(const struct parked *parked, size_t n)
{
    return parked->base + (n - 1) * PARK_PAGE_SIZE;
}

// By the tables that will name the pages: ACPI's protocol wakes by an SGI, the spin table by SEV.
static void fill_pages(const struct loader *l, const struct parked *parked)
{
    const struct platform *p = l->platform;
    void *pages = (void *)(uintptr_t)parked->base;
    memset(pages, 0, parked->size);
    for (size_t n = 1; n < p->cpu_count; n++) {
        uint64_t mpidr = p->cpu[n].mpidr;
        struct park_cpu cpu = {.id = park_id(l, n),
                               .wait = l->fdt == NULL ? PARK_IN_WFI : PARK_IN_WFE,
                               .gic = machine_gic(p),
                               .mpidr = mpidr,
                               .next = page_of(parked, n + 1 < p->cpu_count ? n + 1 : 1)};
        cpu.gic.redistributor = p->gic.version == 2 ? 0 : gic_find_rdist(&p->gic, mpidr);
        park_fill((void *)(uintptr_t)page_of(parked, n), &cpu);
    }
    flush(pages, parked->size);
    icache_inval_all();
    cache_dsb_sy();
}

static int send(const struct platform *p, size_t n, const void *page)
{
    const struct cpu_start *how = &p->cpu[n].start;
    const struct park_gic gic = machine_gic(p);
    if (how->method == CPU_PSCI_HVC && current_el() != 1) {
        return ERR_UNSUPPORTED; // nobody is beneath
    }
    if (is_there(page)) {
        return 0; // it came when another one was called
    }
    return cpu_start(how, p->cpu[n].mpidr, park_entry((uint64_t)(uintptr_t)page), &gic);
}

static void say_no_answer(const struct loader *l, unsigned long mpidr, const char *how,
                          const void *page)
{
    flush((const char *)page + PARK_STRANGER, sizeof(uint64_t));
    unsigned long came = park_stranger(page) & MPIDR_AFFINITY;
    if (park_stranger(page) != 0) {
        efi_say(l, "CPU 0x%lx does not come: %s: CPU 0x%lx came in its place", mpidr, how, came);
    } else {
        efi_say(l, "CPU 0x%lx does not come: %s: no answer", mpidr, how);
    }
}

static bool park_one(const struct loader *l, size_t n, const void *page)
{
    const struct platform *p = l->platform;
    const char *how = cpu_method_name(&p->cpu[n].start);
    unsigned long mpidr = p->cpu[n].mpidr;
    int err = send(p, n, page);
    if (err != 0) {
        efi_say(l, "CPU 0x%lx does not come: %s: %s", mpidr, how, error_text(err));
    } else if (!wait_for(page)) {
        say_no_answer(l, mpidr, how, page);
    } else if (park_state(page) != current_el()) {
        efi_say(l, "CPU 0x%lx does not come: %s: it came at EL%u", mpidr, how, park_state(page));
    } else {
        return true;
    }
    return false;
}

efi_status park_processors(struct loader *l, struct parked *parked)
{
    const struct platform *p = l->platform;
    struct mem_region pages;
    size_t came = 0;
    parked->count = p->cpu_count - 1;
    if (parked->count == 0) {
        return EFI_SUCCESS;
    }
    uint64_t size = align_up(parked->count * PARK_PAGE_SIZE, LARGEST_PAGE);
    efi_status status = efi_pages(l, EFI_RESERVED, size, LARGEST_PAGE, &pages);
    if (status != EFI_SUCCESS) {
        return status;
    }
    parked->base = pages.base;
    parked->size = size;
    fill_pages(l, parked);
    for (size_t i = 0; i < parked->count; i++) {
        uint64_t page = page_of(parked, i + 1);
        bool there = park_one(l, i + 1, (const void *)(uintptr_t)page);
        parked->cpu[i].mpidr = p->cpu[i + 1].mpidr;
        parked->cpu[i].page = there ? page : 0;
        came += there;
    }
    if (p->cpus_ignored != 0) {
        efi_say(l, "%zu more CPUs are not used: newel-park serves %d", p->cpus_ignored, MAX_CPUS);
    }
    efi_say(l, "%zu of %zu CPUs wait in mailboxes at 0x%lx, brought there by %s, at EL%u", came,
            parked->count, (unsigned long)pages.base, cpu_method_name(&p->cpu[1].start),
            current_el());
    return EFI_SUCCESS;
}
