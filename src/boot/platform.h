// SPDX-License-Identifier: Apache-2.0
// What the firmware says about the machine, from a device tree or from ACPI, bounds-checked.
#pragma once

#include "boot/complaint.h"
#include "cpu/percpu.h"
#include "dev/uart_host.h"
#include "irq/gic.h"
#include "mem/el2map.h"
#include "mem/frames.h"
#include "park/start.h"
#include "vm/manifest.h"

#include <stdbool.h>
#include <stddef.h>

// Regions of the firmware's that the runtime services need; EDK2 has about ten.
#define EFI_RUNTIME_REGIONS 32
// And the pieces of them with rights of their own; EDK2 has about thirty.
#define EFI_RUNTIME_PARTS 160

struct efi_region {
    uint64_t base, size; // bytes, multiples of 4 KiB
    uint64_t attribute;  // UEFI 2.10, 7.2.3: EFI_MEMORY_...
    uint32_t type;       // EfiRuntimeServicesCode or Data, or MMIO that they use
};

struct efi_part {
    uint64_t base, size; // bytes, multiples of 4 KiB
    enum el2_attrs attrs;
};

// Files that the boot loader put into memory: a kernel and a ramdisk for each of 16 VMs.
#define BOOT_FILES    32
#define BOOT_NAME_MAX 63

struct boot_file {
    char name[BOOT_NAME_MAX + 1];
    struct mem_region at;
};

struct platform {
    struct mem_region ram[FRAMES_MAX_REGIONS];
    size_t ram_count;
    struct mem_region reserved[FRAMES_MAX_REGIONS];
    size_t reserved_count;
    struct {
        uint64_t mpidr;
        uint32_t node;          // offset in the device tree
        struct cpu_start start; // of others than the boot CPU
    } cpu[MAX_CPUS];
    size_t cpu_count;    // [0] is the boot CPU
    size_t cpus_ignored; // usable ones beyond MAX_CPUS
    struct gic_config gic;
    struct {
        enum uart_type type;
        hpa_t base;
        uint64_t size;
        uint32_t intid; // SPI INTID, 0 if it has none
        bool level;
        uint32_t node;      // offset in the device tree
        uint32_t reg_shift; // NS16550: registers are 1 << reg_shift bytes apart
        uint32_t io_width;  // NS16550: bytes of an access, 1 or 4 (0 counts as 1)
    } uart;
    hpa_t rtc; // PL031, 0 if there is none
    hpa_t pm;  // the BCM2835's power management, 0 if there is none
    bool has_psci;
    bool psci_hvc;            // its conduit, which is nobody's at EL2
    struct mem_region flash;  // that no firmware is in; size 0 if there is none
    struct mem_region initrd; // the manifest
    struct boot_file file[BOOT_FILES];
    size_t file_count;
    bool bhb_off; // Newel's command line: newel.bhb=off
    // UEFI's runtime services, with physical addresses: nobody has given them virtual ones. Their
    // regions are not RAM above.
    struct {
        hpa_t system_table; // 0: not started by UEFI, or more regions than EFI_RUNTIME_REGIONS
        struct efi_region region[EFI_RUNTIME_REGIONS];
        size_t region_count;
        // All of the regions as they have to be mapped for the services to be called; part_count is
        // 0 where the firmware does not say so that nothing is writable and executable.
        struct efi_part part[EFI_RUNTIME_PARTS];
        size_t part_count;
    } efi;
};

// The UART alone (type, base, size, reg_shift), from the tree's stdout-path or else the first
// PL011, for messages as early as possible. False, with UART_NONE, if there is none that Newel can
// drive. Needs neither MMU nor SIMD registers nor a checked tree; fdt is 4-byte aligned and
// readable as far as its header says.
bool platform_find_console(const void *fdt, struct platform *p);

// All of it, the console too; on an error one line in message ("device tree: ...") and a negative
// number, p being filled as far as it was understood. size: how much is readable at fdt, which is
// 8-byte aligned. boot_mpidr: MPIDR_EL1 of this CPU. Uses libfdt: needs SIMD registers, and the MMU
// on for its unaligned accesses. A UART, an initrd and PSCI may be absent (UART_NONE, size 0), a
// GICv3 and RAM may not.
int platform_from_fdt(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p,
                      char *message, size_t message_size);

// The same where something else has said what RAM there is: p->ram is filled, the rest of p zero,
// and the tree's memory nodes are passed over. What the tree reserves counts.
int platform_add_fdt(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p,
                     const struct complaint *c);

// Likewise from ACPI's static tables. rsdp is the physical address of the root pointer; acpi is
// given memory and complaint (boot/acpi.h). Uses general registers only.
struct acpi;
int platform_add_acpi(struct acpi *acpi, uint64_t rsdp, uint64_t boot_mpidr, struct platform *p);

// Both for whoever is no hypervisor: the CPUs, how they are started, PSCI, and the GIC without its
// interrupts. p: zero but for p->ram.
int platform_add_fdt_cpus(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p,
                          const struct complaint *c);
int platform_add_acpi_cpus(struct acpi *acpi, uint64_t rsdp, uint64_t boot_mpidr,
                           struct platform *p);

// The bytes of p->file by name; ERR_NOENT.
int platform_find_file(const struct platform *p, const char *name, struct blob *file);

// Memory that is not to be used. ERR_RANGE if there are too many regions.
int platform_reserve(struct platform *p, struct mem_region region);
