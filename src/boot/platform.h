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
    size_t cpu_count; // [0] is the boot CPU
    struct gic_config gic;
    struct {
        enum uart_type type;
        hpa_t base;
        uint64_t size;
        uint32_t intid;     // SPI INTID, 0 if it has none
        bool level;
    } uart;
    hpa_t rtc;              // PL031, 0 if there is none
    bool psci_hvc;          // conduit; Newel needs SMC
    bool has_psci;
    struct mem_region initrd; // the manifest
};

// The UART alone, from the tree's stdout-path, for messages as early as possible. False if it is not understood.
bool platform_find_console(const void *fdt, struct platform *p);

// All of it. On an error one line in message and a negative number. boot_mpidr: affinity fields of this CPU.
int platform_from_fdt(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p, char *message,
                      size_t message_size);
