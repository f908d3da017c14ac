// SPDX-License-Identifier: Apache-2.0
// What the firmware says about the machine, from a device tree (later ACPI), bounds-checked.
#pragma once

#include "cpu/percpu.h"
#include "dev/uart_host.h"
#include "irq/gic.h"
#include "mem/frames.h"

#include <stdbool.h>
#include <stddef.h>

struct platform {
    struct mem_region ram[FRAMES_MAX_REGIONS];
    size_t ram_count;
    struct mem_region reserved[FRAMES_MAX_REGIONS];
    size_t reserved_count;
    struct {
        uint64_t mpidr;
        uint32_t node; // offset in the device tree
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
    } uart;
    hpa_t rtc;     // PL031, 0 if there is none
    bool psci_hvc; // conduit; Newel needs SMC, so this is an error as well
    bool has_psci;
    struct mem_region initrd; // the manifest
    bool bhb_off;             // /chosen bootargs: newel.bhb=off
};

// The UART alone (type, base, size, reg_shift), from the tree's stdout-path or else the first
// PL011, for messages as early as possible. False, with UART_NONE, if there is none that Newel can
// drive. Needs neither MMU nor SIMD registers nor a checked tree; fdt is 4-byte aligned and
// readable as far as its header says.
bool platform_find_console(const void *fdt, struct platform *p);

// All of it, the console too; on an error one line in message ("device tree: ...") and a negative
// number, p being filled as far as it was understood. size: how much is readable at fdt, which is
// 8-byte aligned. boot_mpidr: MPIDR_EL1 of this CPU. Uses libfdt: needs SIMD registers, and the MMU
// on for its unaligned accesses. A UART and an initrd may be absent (UART_NONE, size 0). PSCI by
// SMC, a GICv3 and RAM may not.
int platform_from_fdt(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p,
                      char *message, size_t message_size);
