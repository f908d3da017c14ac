// SPDX-License-Identifier: Apache-2.0
// newel-park.efi: makes a machine one whose processors wait in mailboxes, however its firmware
// starts them, and starts another UEFI application on it.
#include "app.h"

#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "lib/check.h"

efi_status efi_main(efi_handle image, struct efi_system_table *system);
// The image can be nothing but a UEFI application.
noreturn void primary_entry(void);

noreturn void primary_entry(void)
{
    cpu_halt();
}

// Of a library's stack canary.
noreturn void panic(const char *fmt, ...)
{
    (void)fmt;
    cpu_halt();
}

static efi_status park_all(struct loader *l, struct parked *parked)
{
    static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID;
    uint64_t mpidr = read_sysreg(mpidr_el1) & MPIDR_AFFINITY;
    efi_status status =
        l->system->boot->handle_protocol(l->image, &loaded_image, (void **)&l->loaded);
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "the firmware does not say what it has loaded");
    }
    status = efi_read_processors(l, mpidr);
    if (status == EFI_SUCCESS) {
        status = park_read_beside(l, mpidr);
    }
    if (status == EFI_SUCCESS) {
        parked->boot_mpidr = mpidr;
        status = park_processors(l, parked);
    }
    return status != EFI_SUCCESS ? status : park_tables(l, parked);
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
    static struct platform platform;
    static struct parked parked;
    static struct loader loader;
    loader = (struct loader){
        .name = "newel-park", .image = image, .system = system, .platform = &platform};
    efi_status status = park_all(&loader, &parked);
    return status != EFI_SUCCESS ? status : park_start_next(&loader);
}
