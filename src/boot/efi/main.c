// SPDX-License-Identifier: Apache-2.0
// Newel as a UEFI application: reads everything, checks it while errors can still be told to the
// firmware, leaves boot services, and enters a copy of itself as a boot loader would.
#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "boot/boot.h"
#include "boot/efi/loader.h"
#include "boot/handover.h"
#include "boot/platform_build.h"
#include "lib/error.h"

#include <string.h>

#define MANIFEST_NAME "newel.dtb"

#define CURRENT_EL_2 (2 << 2)

efi_status efi_main(efi_handle image, struct efi_system_table *system);
// entry.S
noreturn void efi_leave(struct handover *handover, uint64_t copy);

// ---- files ----

static int add_file(struct loader *l, const char *name, struct boot_file *file)
{
    size_t len = strlen(name);
    if (l->platform->file_count == BOOT_FILES || len > BOOT_NAME_MAX ||
        efi_file_read(l, name, &file->at) != EFI_SUCCESS) {
        return ERR_NOENT;
    }
    memcpy(file->name, name, len + 1);
    l->platform->file_count++;
    efi_say(l, "%s: %lu KiB", name, (unsigned long)(file->at.size >> 10));
    return platform_reserve(l->platform, file->at);
}

// For the manifest: each file is read once, however many VMs want it.
static int find_file(void *context, const char *name, struct blob *out)
{
    struct loader *l = context;
    struct platform *p = l->platform;
    if (platform_find_file(p, name, out) == 0) {
        return 0;
    }
    int err = add_file(l, name, &p->file[p->file_count]);
    return err != 0 ? err : platform_find_file(p, name, out);
}

static efi_status read_manifest(struct loader *l)
{
    static struct manifest manifest;
    const struct manifest_files files = {find_file, l};
    struct mem_region *at = &l->platform->initrd;
    char message[256];
    efi_status status = efi_file_read(l, MANIFEST_NAME, at);
    if (status != EFI_SUCCESS) {
        return status == EFI_NOT_FOUND
                   ? efi_fail(l, status, MANIFEST_NAME " is not there (it has to be beside Newel)")
                   : status;
    }
    if (platform_reserve(l->platform, *at) != 0) {
        return efi_fail(l, EFI_UNSUPPORTED, "too many regions of reserved memory");
    }
    efi_say(l, MANIFEST_NAME ": %lu KiB", (unsigned long)(at->size >> 10));
    if (manifest_parse((const void *)(uintptr_t)at->base, at->size,
                       (unsigned)l->platform->cpu_count, &files, &manifest, message,
                       sizeof(message)) != 0) {
        return efi_fail(l, EFI_LOAD_ERROR, "%s", message);
    }
    return EFI_SUCCESS;
}

// What the firmware's boot entry or its shell says behind the file's name; the name itself may be
// there too.
static efi_status read_options(struct loader *l)
{
    char text[512], message[160];
    const struct complaint c = {"load options", message, sizeof(message)};
    size_t n = 0, word = 0;
    for (size_t i = 0; i < l->loaded->options_size / 2 && n < sizeof(text) - 1; i++) {
        uint16_t ch = l->loaded->options[i];
        text[n++] = ch == 0 ? ' ' : ch < 0x80 ? (char)ch : '?';
        if (text[n - 1] == ' ') {
            n = n - word >= 5 && memcmp(text + n - 5, ".efi", 4) == 0 ? word : n;
            word = n;
        }
    }
    text[n] = '\0';
    return platform_read_words(l->platform, text, n, "", &c) == 0
               ? EFI_SUCCESS
               : efi_fail(l, EFI_INVALID_PARAMETER, "%s", message);
}

// ---- the way out ----

// The image itself, where entry.S wants it: a boot loader's 2 MiB boundary. Its pointers are of
// this place and will be made anew; what is not in the file will be zeroed.
static efi_status copy_image(struct loader *l)
{
    efi_status status =
        efi_pages(l, EFI_LOADER_DATA, (uint64_t)(image_end - image_start), BLOCK_SIZE, &l->code);
    if (status == EFI_SUCCESS) {
        memcpy((void *)(uintptr_t)l->code.base, image_start,
               (size_t)(image_data_end - image_start));
    }
    return status;
}

static void take_rights(struct loader *l)
{
    const void *table = efi_find_table(l, (struct efi_guid)EFI_MEMORY_ATTRIBUTES_GUID);
    efi_map_take_rights(&l->map, (uint64_t)(uintptr_t)table, l->platform);
}

// Nobody can be told anything now: without RAM Newel will say so itself.
static noreturn void enter_copy(struct loader *l, struct handover *h)
{
    l->platform->efi.system_table = ptr_hpa(l->system);
    if (efi_map_sort(&l->map) == 0) {
        efi_map_take(&l->map, l->platform);
        take_rights(l); // which are final now alone
    } else {
        l->platform->ram_count = 0;
    }
    h->magic = HANDOVER_MAGIC;
    dcache_clean_inval_poc(h, sizeof(*h));
    dcache_clean_inval_poc(image_start, (size_t)(image_end - image_start));
    dcache_clean_inval_poc((void *)(uintptr_t)l->code.base, l->code.size);
    dsb(sy);
    efi_leave(h, l->code.base);
}

static efi_status prepare(struct loader *l, struct mem_region *handover)
{
    static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID;
    efi_status status = efi_pages(l, EFI_LOADER_DATA, sizeof(struct handover), PAGE_SIZE, handover);
    if (status != EFI_SUCCESS) {
        return status;
    }
    struct handover *h = (void *)(uintptr_t)handover->base;
    memset(h, 0, sizeof(*h));
    l->platform = &h->platform;
    status = l->system->boot->handle_protocol(l->image, &loaded_image, (void **)&l->loaded);
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "the firmware does not say what it has loaded");
    }
    status = efi_read_machine(l, read_sysreg(mpidr_el1));
    status = status != EFI_SUCCESS ? status : read_options(l);
    status = status != EFI_SUCCESS ? status : efi_files_open(l);
    status = status != EFI_SUCCESS ? status : read_manifest(l);
    efi_files_close(l);
    return status != EFI_SUCCESS ? status : copy_image(l);
}

static void release(struct loader *l, struct mem_region *handover)
{
    if (handover->size != 0) {
        for (size_t i = 0; i < l->platform->file_count; i++) {
            efi_free(l, &l->platform->file[i].at);
        }
        efi_free(l, &l->platform->initrd);
    }
    if (l->map.bytes != NULL) {
        l->system->boot->free_pool(l->map.bytes);
    }
    efi_free(l, &l->code);
    efi_free(l, handover);
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
    static struct loader loader;
    struct loader *l = &loader;
    struct mem_region handover = {0, 0};
    l->name = "newel";
    l->image = image;
    l->system = system;
    unsigned el = (unsigned)read_sysreg(CurrentEL);
    if (el != CURRENT_EL_2) {
        return efi_fail(l, EFI_UNSUPPORTED, "entered at EL%u: Newel has to be started at EL2",
                        el >> 2);
    }
    efi_say(l, "started by UEFI %u.%u", system->header.revision >> 16,
            (system->header.revision & 0xffff) / 10);
    efi_status status = prepare(l, &handover);
    if (status == EFI_SUCCESS) {
        efi_make_room(l);
        efi_say(l, "leaves boot services");
        status = efi_exit_boot_services(l);
        if (status == EFI_SUCCESS) {
            enter_copy(l, (void *)(uintptr_t)handover.base);
        }
        efi_fail(l, status, "the firmware does not let go");
    }
    release(l, &handover);
    return status;
}
