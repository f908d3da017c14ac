// SPDX-License-Identifier: Apache-2.0
// The tables: of one description of the machine, or of two.
#include "app.h"

#include <libfdt.h>

static const struct efi_guid acpi_guid = EFI_ACPI_20_GUID;
static const struct efi_guid tree_guid = EFI_DEVICE_TREE_GUID;

// ACPI's processors where a tree is in use.
static struct platform beside;

static struct acpi acpi_of(struct loader *l, char *message, size_t size)
{
    message[0] = '\0';
    return (struct acpi){
        .memory = efi_map_memory, .context = &l->map, .complaint = {"ACPI", message, size}};
}

// Tables that name the firmware's way, which is used up, must not be found.
static efi_status withdraw_acpi(struct loader *l, const char *why)
{
    efi_status status = l->system->boot->install_table(&acpi_guid, NULL);
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "ACPI's tables cannot be withdrawn (%s)", why);
    }
    efi_say(l, "ACPI's tables are withdrawn: %s", why);
    l->rsdp = 0;
    return EFI_SUCCESS;
}

efi_status park_read_beside(struct loader *l, uint64_t boot_mpidr)
{
    char message[200];
    struct acpi acpi = acpi_of(l, message, sizeof(message));
    beside = (struct platform){0};
    if (l->fdt == NULL || l->rsdp == 0) {
        return EFI_SUCCESS;
    }
    return platform_add_acpi_cpus(&acpi, l->rsdp, boot_mpidr, &beside) == 0
               ? EFI_SUCCESS
               : withdraw_acpi(l, message);
}

uint32_t park_id(const struct loader *l, size_t n)
{
    const struct platform *p = l->platform;
    if (l->fdt == NULL) {
        return p->cpu[n].start.id;
    }
    for (size_t i = 0; i < beside.cpu_count; i++) {
        if (beside.cpu[i].mpidr == p->cpu[n].mpidr) {
            return beside.cpu[i].start.id;
        }
    }
    return (uint32_t)n;
}

static efi_status rewrite_acpi(struct loader *l, const struct parked *parked)
{
    char message[200];
    struct acpi acpi = acpi_of(l, message, sizeof(message));
    if (park_rewrite_acpi(&acpi, l->rsdp, parked) == 0) {
        return EFI_SUCCESS;
    }
    return l->fdt != NULL ? withdraw_acpi(l, message) : efi_fail(l, EFI_UNSUPPORTED, "%s", message);
}

// A new tree in the old one's place: that one has no room.
static efi_status rewrite_fdt(struct loader *l, const struct parked *parked)
{
    char message[200] = "device tree: there is no room to rewrite it";
    const struct complaint c = {"device tree", message, sizeof(message)};
    struct mem_region to;
    uint64_t size = fdt_totalsize(l->fdt) + PARK_FDT_ROOM;
    efi_status status = efi_pages(l, EFI_ACPI_RECLAIM, size, PAGE_SIZE, &to);
    if (status != EFI_SUCCESS) {
        return status;
    }
    void *fdt = (void *)(uintptr_t)to.base;
    if (fdt_open_into(l->fdt, fdt, (int)size) != 0 || park_rewrite_fdt(fdt, parked, &c) != 0) {
        efi_free(l, &to);
        return efi_fail(l, EFI_UNSUPPORTED, "%s", message);
    }
    status = l->system->boot->install_table(&tree_guid, fdt);
    return status == EFI_SUCCESS ? status
                                 : efi_fail(l, status, "the firmware takes no other device tree");
}

efi_status park_tables(struct loader *l, const struct parked *parked)
{
    efi_status status = EFI_SUCCESS;
    if (parked->count != 0 && l->fdt != NULL) {
        status = rewrite_fdt(l, parked);
    }
    if (status == EFI_SUCCESS && parked->count != 0 && l->rsdp != 0) {
        status = rewrite_acpi(l, parked);
    }
    return status;
}
