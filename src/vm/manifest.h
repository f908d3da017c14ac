// SPDX-License-Identifier: Apache-2.0
// The manifest: a flattened device tree that says which VMs there are. See docs/manual.md.
#pragma once

#include "cpu/vcpu.h"
#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_MAX_VMS       16
#define MANIFEST_MAX_GUESTINFO 32     // pairs a VM
#define GUESTINFO_NAME_MAX     117    // bytes
#define GUESTINFO_BYTES_MAX    131072 // all values of a VM
#define GUESTINFO_PAIR_MAX     65534  // one value
#define VM_NAME_MAX            31     // of [A-Za-z0-9._-]
#define VM_BOOTARGS_MAX        2047   // Linux's COMMAND_LINE_SIZE less the NUL

#define DTB_ANYWHERE UINT64_MAX

struct blob {
    const void *data; // within the manifest, or a file's
    size_t size;
};

// A child node's property: what the guest finds in guestinfo.
struct guestinfo_pair {
    const char *name; // without "guestinfo."; printable, without spaces
    struct blob value;
};

// What a VM's guest finds of firmware.
enum vm_firmware {
    FIRMWARE_NONE,        // "none"
    FIRMWARE_EFI_RUNTIME, // "efi-runtime": an EFI system table whose services are Newel's
    FIRMWARE_UEFI,        // "uefi": its own, which runs in it from its flash
};

// What describes the VM to its guest.
enum vm_tables {
    TABLES_DT,   // "dt": a device tree
    TABLES_ACPI, // "acpi": ACPI, and of a device tree only /chosen
    TABLES_BOTH, // "both"
};

// How the guest starts its other CPUs.
enum vm_cpu_boot {
    CPU_BOOT_PSCI,       // "psci"
    CPU_BOOT_PARKING,    // "parking": ACPI's parking protocol
    CPU_BOOT_SPIN_TABLE, // "spin-table": the device tree's
};

struct vm_config {
    char name[VM_NAME_MAX + 1];
    uint64_t memory;             // bytes, multiple of 2 MiB
    unsigned cpus;               // 1..VM_MAX_VCPUS
    struct blob kernel, ramdisk; // ramdisk may be empty
    const char *bootargs;        // NUL-terminated within the manifest; "" if there are none
    uint64_t load_offset;        // from RAM base; for a raw kernel
    uint64_t dtb_offset;         // from RAM base; DTB_ANYWHERE if left out
    bool kernel_is_image;        // it has the arm64 Image header
    uint64_t image_text_offset, image_size; // from the Image header, validated
    uint32_t affinity;                      // CPU bits; all ones if left out
    uint32_t weight;                        // 1..10000, 100 if left out
    bool sve;                               // "on" or "off"; true if left out
    bool autostart;                         // "yes" or "no"; true if left out
    bool lazy;                              // populate = "lazy"; "eager" if left out
    bool guest_tools;                       // guest-tools = "vmware"; "none" if left out
    bool backdoor_brk;                      // "no" or "yes"; false if left out
    enum vm_firmware firmware;              // FIRMWARE_NONE if left out
    struct blob firmware_image;             // for FIRMWARE_UEFI: what its flash has
    enum vm_tables tables;                  // TABLES_DT if left out
    enum vm_cpu_boot cpu_boot;              // CPU_BOOT_PSCI if left out
    struct guestinfo_pair guestinfo[MANIFEST_MAX_GUESTINFO];
    unsigned guestinfo_count;
    bool test_ports;  // "no" or "yes"; in the tests' image alone
    bool small_pages; // populate-granule = "4k"; "2m" if left out
    bool pmu;         // "on" or "off"; false if left out
    bool hardened;    // detect-hardening = "on"; "off" if left out
};

struct manifest {
    struct vm_config vm[MANIFEST_MAX_VMS];
    size_t vm_count;
    bool stay_in_monitor; // on-last-exit = "monitor"
};

// Files by name, for manifests that name them instead of holding them.
struct manifest_files {
    // 0 with the bytes of the file, which stay; or an error: then there is no such file.
    int (*find)(void *context, const char *name, struct blob *file);
    void *context;
};

// Reads and checks all of it. On an error a single line with the node's path and what is wrong is
// left in message, and the result is negative: manifest: /vms/NAME: property "X": WHAT IS WRONG
// (WHAT IT HAS TO BE). What out points to lies within the blob, which has to stay as it is; the
// blob is 8-byte aligned and may be hostile. Called while no guest runs: libfdt may use SIMD
// registers. cpu_count: the machine's CPUs. files: NULL if there are none.
int manifest_parse(const void *fdt, size_t size, unsigned cpu_count,
                   const struct manifest_files *files, struct manifest *out, char *message,
                   size_t message_size);
