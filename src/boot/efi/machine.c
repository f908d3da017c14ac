// SPDX-License-Identifier: Apache-2.0
// What the firmware's tables say about the machine, while it can still be told what is wrong.
#include "boot/efi/loader.h"

#include "boot/acpi.h"
#include "boot/platform_build.h"

#include <libfdt.h>
#include <string.h>

// Room for descriptors that come with this very allocation, and with what follows.
#define MAP_SLACK 32

// A map's key is stale as soon as anything is allocated or freed, by a timer's event too.
#define EXIT_ATTEMPTS 4

static efi_status get_map(struct loader *l)
{
    struct efi_boot_services *boot = l->system->boot;
    uint64_t key, size = 0, distance = sizeof(struct efi_memory_descriptor);
    uint32_t version;
    boot->get_memory_map(&size, NULL, &key, &distance, &version);
    size += MAP_SLACK * distance;
    efi_status status = boot->allocate_pool(EFI_LOADER_DATA, size, (void **)&l->map.bytes);
    if (status != EFI_SUCCESS) {
        l->map.bytes = NULL;
        return efi_fail(l, status, "no memory for the memory map");
    }
    l->map_room = size;
    status = boot->get_memory_map(&size, l->map.bytes, &key, &distance, &version);
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "the firmware gives no memory map");
    }
    l->map.size = size;
    l->map.distance = distance;
    return efi_map_sort(&l->map) == 0
               ? EFI_SUCCESS
               : efi_fail(l, EFI_UNSUPPORTED, "the firmware's memory map contradicts itself");
}

const void *efi_find_table(const struct loader *l, struct efi_guid guid)
{
    for (uint64_t i = 0; i < l->system->table_count; i++) {
        if (memcmp(&l->system->tables[i].guid, &guid, sizeof(guid)) == 0) {
            return l->system->tables[i].table;
        }
    }
    return NULL;
}

// A device tree as far as it is in memory, else NULL.
static const void *readable_tree(struct loader *l, const void *fdt)
{
    uint64_t at = (uint64_t)(uintptr_t)fdt;
    if (fdt == NULL || !is_aligned(at, 8) ||
        efi_map_memory(&l->map, at, sizeof(struct fdt_header)) == NULL ||
        fdt_check_header(fdt) != 0 || efi_map_memory(&l->map, at, fdt_totalsize(fdt)) == NULL) {
        return NULL;
    }
    return fdt_check_full(fdt, fdt_totalsize(fdt)) == 0 ? fdt : NULL;
}

// As Linux decides: a tree with nothing in it but /chosen is no description of a machine (boot
// loaders make one to pass their words along).
static bool describes_machine(const void *fdt)
{
    int node;
    fdt_for_each_subnode(node, fdt, 0)
    {
        const char *name = fdt_get_name(fdt, node, NULL);
        if (name != NULL && strcmp(name, "chosen") != 0) {
            return true;
        }
    }
    return false;
}

static int read_fdt(struct loader *l, uint64_t boot_mpidr, bool all, const struct complaint *c)
{
    size_t size = fdt_totalsize(l->fdt);
    efi_say(l, "the machine is described by a device tree");
    return all ? platform_add_fdt(l->fdt, size, boot_mpidr, l->platform, c)
               : platform_add_fdt_cpus(l->fdt, size, boot_mpidr, l->platform, c);
}

static int read_acpi(struct loader *l, uint64_t boot_mpidr, bool all, const struct complaint *c)
{
    struct acpi acpi = {.memory = efi_map_memory, .context = &l->map, .complaint = *c};
    efi_say(l, "the machine is described by ACPI");
    return all ? platform_add_acpi(&acpi, l->rsdp, boot_mpidr, l->platform)
               : platform_add_acpi_cpus(&acpi, l->rsdp, boot_mpidr, l->platform);
}

static efi_status read_description(struct loader *l, uint64_t boot_mpidr, bool all)
{
    char message[200] = "";
    efi_status status = get_map(l);
    if (status != EFI_SUCCESS) {
        return status;
    }
    efi_map_take(&l->map, l->platform);
    const void *fdt = readable_tree(l, efi_find_table(l, (struct efi_guid)EFI_DEVICE_TREE_GUID));
    bool by_fdt = fdt != NULL && describes_machine(fdt);
    l->fdt = by_fdt ? fdt : NULL;
    l->rsdp = (uint64_t)(uintptr_t)efi_find_table(l, (struct efi_guid)EFI_ACPI_20_GUID);
    if (!by_fdt && l->rsdp == 0) {
        return efi_fail(l, EFI_UNSUPPORTED, "the firmware gives neither ACPI nor a device tree");
    }
    const struct complaint c = {by_fdt ? "device tree" : "ACPI", message, sizeof(message)};
    int err = by_fdt ? read_fdt(l, boot_mpidr, all, &c) : read_acpi(l, boot_mpidr, all, &c);
    return err == 0 ? EFI_SUCCESS : efi_fail(l, EFI_UNSUPPORTED, "%s", message);
}

efi_status efi_read_machine(struct loader *l, uint64_t boot_mpidr)
{
    return read_description(l, boot_mpidr, true);
}

efi_status efi_read_processors(struct loader *l, uint64_t boot_mpidr)
{
    return read_description(l, boot_mpidr, false);
}

efi_status efi_exit_boot_services(struct loader *l)
{
    struct efi_boot_services *boot = l->system->boot;
    efi_status status = EFI_LOAD_ERROR;
    for (int i = 0; i < EXIT_ATTEMPTS && status != EFI_SUCCESS; i++) {
        uint64_t key;
        uint32_t version;
        l->map.size = l->map_room;
        status = boot->get_memory_map(&l->map.size, l->map.bytes, &key, &l->map.distance, &version);
        if (status != EFI_SUCCESS) {
            break;
        }
        status = boot->exit_boot_services(l->image, key);
    }
    return status;
}
