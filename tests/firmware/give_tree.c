// SPDX-License-Identifier: Apache-2.0
// A UEFI application in front of newel-park: what is in machine.dtb beside it becomes the
// firmware's device tree, so that there are two descriptions of the machine. Then it starts what
// newel-park.cfg says, as newel-park does.
#include "../../tools/newel-park/app.h"
#include "arch/cpu.h"
#include "lib/check.h"

efi_status efi_main(efi_handle image, struct efi_system_table *system);
noreturn void primary_entry(void);

noreturn void primary_entry(void)
{
    cpu_halt();
}

noreturn void panic(const char *fmt, ...)
{
    (void)fmt;
    cpu_halt();
}

static efi_status give(struct loader *l)
{
    static const struct efi_guid device_tree = EFI_DEVICE_TREE_GUID;
    static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID;
    struct efi_boot_services *boot = l->system->boot;
    struct mem_region tree;
    efi_status status = boot->handle_protocol(l->image, &loaded_image, (void **)&l->loaded);
    status = status != EFI_SUCCESS ? status : efi_files_open(l);
    status = status != EFI_SUCCESS ? status : efi_file_read(l, "machine.dtb", &tree);
    efi_files_close(l);
    return status != EFI_SUCCESS ? status
                                 : boot->install_table(&device_tree, (void *)(uintptr_t)tree.base);
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
    static struct loader l = {.name = "give-tree"}; // data: an image without any is cut short
    l.image = image;
    l.system = system;
    efi_status status = give(&l);
    return status == EFI_SUCCESS ? park_start_next(&l) : efi_fail(&l, status, "no tree is given");
}
