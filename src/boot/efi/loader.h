// SPDX-License-Identifier: Apache-2.0
// Newel as a UEFI application: what its parts share until boot services are gone.
#pragma once

#include "boot/efi/efi.h"
#include "boot/efi/memory_map.h"
#include "boot/platform.h"
#include "vm/manifest.h"

#include <stddef.h>

struct loader {
    const char *name; // before each line
    efi_handle image;
    struct efi_system_table *system;
    struct efi_loaded_image *loaded;
    struct efi_file *root;     // of the volume that Newel was started from; NULL before it is open
    uint16_t path[256];        // of Newel's own folder there, with '\\' at its end
    size_t path_len;           // without a NUL
    size_t own_name_len;       // of the file that was started, which follows in path
    struct efi_memory_map map; // of the moment; bytes is NULL before there is one
    uint64_t map_room;         // bytes that map.bytes has room for
    struct mem_region code;    // where Newel will run; size 0: not there yet
    struct platform *platform; // within the handover; NULL before it is there
    // What describes the machine, after efi_read_...(): the tree if there is one, else ACPI.
    const void *fdt; // NULL: none, or it has nothing but /chosen
    uint64_t rsdp;   // 0: none; beside a tree nobody has looked at it yet
};

// One line on the firmware's console, "NAME: " before it.
void efi_say(const struct loader *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// The same with a status behind it, which is the result: "newel: error: WHAT: not found (status
// 0x800000000000000e)".
efi_status efi_fail(const struct loader *l, efi_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Whole pages of EfiLoaderData, or of EfiLoaderCode, at a multiple of align. An error is said.
efi_status efi_pages(const struct loader *l, enum efi_memory_type type, uint64_t size,
                     uint64_t align, struct mem_region *out);
void efi_free(const struct loader *l, struct mem_region *pages); // size 0: there are none

// Opens the volume and the folder that the image was started from. An error is said.
efi_status efi_files_open(struct loader *l);
void efi_files_close(struct loader *l);
// Reads a file of that folder; '/' in its name stands for '\\'. EFI_NOT_FOUND is not said, another
// error is. size is the file's, the pages are more; an empty file has none.
efi_status efi_file_read(struct loader *l, const char *name, struct mem_region *out);

// The machine's description, by ACPI or device tree, into l->platform, and the map of the moment
// into l->map. An error is said.
efi_status efi_read_machine(struct loader *l, uint64_t boot_mpidr);
// The same of processors and GIC alone, for whoever is no hypervisor.
efi_status efi_read_processors(struct loader *l, uint64_t boot_mpidr);

// A configuration table's address, at which nobody has looked yet; NULL. Also without boot
// services.
const void *efi_find_table(const struct loader *l, struct efi_guid guid);

// Has the firmware take back the room of its variables' store, where it was used up (room.c). What
// cannot be done is said.
void efi_make_room(struct loader *l);

// Ends boot services; l->map is then the last map, in the order that the firmware gave it. Nothing
// can be allocated from the first attempt on, so the map has to fit where it was before.
efi_status efi_exit_boot_services(struct loader *l);
