// SPDX-License-Identifier: Apache-2.0
#include "app.h"

#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "irq/gic_rdist.h"
#include "lib/error.h"
#include "park/start.h"

#include <libfdt.h>
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

static bool wait_for(const void *page)
{
    uint64_t wait = read_sysreg(cntfrq_el0) / 1000000 * TIMEOUT_US;
    uint64_t begin = read_sysreg(cntvct_el0);
    do {
        flush((const char *)page + PARK_STATE, 2 * sizeof(uint64_t));
        isb();
    } while (park_state(page) == PARK_NOT_THERE && read_sysreg(cntvct_el0) - begin < wait);
    return park_state(page) != PARK_NOT_THERE;
}

static struct park_gic machine_gic(const struct platform *p)
{
    return (struct park_gic){.version = p->gic.version,
                             .distributor = p->gic.dist.v,
                             .cpu_interface = p->gic.cpu_interface.v};
}

// By the tables that will name the page: ACPI's protocol wakes it by an SGI, the spin table by SEV.
static void fill(const struct loader *l, size_t n, void *page)
{
    const struct platform *p = l->platform;
    bool acpi = l->rsdp != 0;
    struct park_cpu cpu = {.id = acpi ? p->cpu[n].start.id : (uint32_t)n,
                           .wait = acpi ? PARK_IN_WFI : PARK_IN_WFE,
                           .gic = machine_gic(p)};
    cpu.gic.redistributor = p->gic.version == 2 ? 0 : gic_find_rdist(&p->gic, p->cpu[n].mpidr);
    park_fill(page, &cpu);
    flush(page, PARK_PAGE_SIZE);
    icache_inval_all();
    cache_dsb_sy();
}

static int send(const struct platform *p, size_t n, uint64_t page)
{
    const struct cpu_start *how = &p->cpu[n].start;
    const struct park_gic gic = machine_gic(p);
    if (how->method == CPU_PSCI_HVC && current_el() != 1) {
        return ERR_UNSUPPORTED; // nobody is beneath
    }
    return cpu_start(how, p->cpu[n].mpidr, park_entry(page), &gic);
}

static bool park_one(const struct loader *l, size_t n, uint64_t page)
{
    const struct platform *p = l->platform;
    const char *how = cpu_method_name(&p->cpu[n].start);
    unsigned long mpidr = p->cpu[n].mpidr;
    const void *at = (const void *)(uintptr_t)page;
    fill(l, n, (void *)(uintptr_t)page);
    int err = send(p, n, page);
    if (err != 0) {
        efi_say(l, "CPU 0x%lx does not come: %s: %s", mpidr, how, error_text(err));
    } else if (!wait_for(at)) {
        efi_say(l, "CPU 0x%lx does not come: %s: no answer", mpidr, how);
    } else if ((park_mpidr(at) & MPIDR_AFFINITY) != mpidr || park_state(at) != current_el()) {
        efi_say(l, "CPU 0x%lx does not come: CPU 0x%lx came, at EL%u", mpidr,
                (unsigned long)(park_mpidr(at) & MPIDR_AFFINITY), park_state(at));
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
    memset((void *)(uintptr_t)pages.base, 0, size);
    for (size_t i = 0; i < parked->count; i++) {
        uint64_t page = pages.base + i * PARK_PAGE_SIZE;
        bool there = park_one(l, i + 1, page);
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

// ---- the tables ----

static efi_status rewrite_acpi(struct loader *l, const struct parked *parked)
{
    char message[200] = "";
    struct acpi acpi = {.memory = efi_map_memory,
                        .context = &l->map,
                        .complaint = {"ACPI", message, sizeof(message)}};
    return park_rewrite_acpi(&acpi, l->rsdp, parked) == 0
               ? EFI_SUCCESS
               : efi_fail(l, EFI_UNSUPPORTED, "%s", message);
}

// A new tree in the old one's place: that one has no room.
static efi_status rewrite_fdt(struct loader *l, const struct parked *parked)
{
    static const struct efi_guid device_tree = EFI_DEVICE_TREE_GUID;
    char message[200] = "";
    const struct complaint c = {"device tree", message, sizeof(message)};
    struct mem_region to;
    uint64_t size = fdt_totalsize(l->fdt) + PARK_FDT_ROOM;
    efi_status status = efi_pages(l, EFI_ACPI_RECLAIM, size, PAGE_SIZE, &to);
    if (status != EFI_SUCCESS) {
        return status;
    }
    void *fdt = (void *)(uintptr_t)to.base;
    if (fdt_open_into(l->fdt, fdt, (int)size) != 0 || park_rewrite_fdt(fdt, parked, &c) != 0) {
        return efi_fail(l, EFI_UNSUPPORTED, "%s", message);
    }
    status = l->system->boot->install_table(&device_tree, fdt);
    return status == EFI_SUCCESS ? status
                                 : efi_fail(l, status, "the firmware takes no other device tree");
}

efi_status park_tables(struct loader *l, const struct parked *parked)
{
    if (parked->count == 0) {
        return EFI_SUCCESS;
    }
    return l->rsdp != 0 ? rewrite_acpi(l, parked) : rewrite_fdt(l, parked);
}
