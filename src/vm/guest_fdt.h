// SPDX-License-Identifier: Apache-2.0
// The device tree that a VM is given: QEMU virt's machine as far as Newel provides it.
#pragma once

#include "vm/firmware/handover.h"
#include "vm/manifest.h"

#define VM_RAM_BASE UINT64_C(0x40000000)

struct guest_fdt_params {
    const struct vm_config *config;
    uint64_t mpidr[VM_MAX_VCPUS];
    uint64_t ramdisk_start, ramdisk_end; // guest-physical; equal where there is none
    uint64_t kaslr_seed;                 // 0: none
    uint64_t rng_seed[4];
    bool has_rng_seed;
    bool has_pmu;
    struct firmware_handover efi; // system_table 0: none
    uint64_t mailboxes;           // guest-physical, a page a vCPU; for CPU_BOOT_SPIN_TABLE
    bool gicv2;                   // or else GICv3
};

// Writes the tree into buf: with TABLES_ACPI no more than /chosen, since Linux takes any other node
// for a description of the machine. Its size, or a negative error (ERR_RANGE: buf too small).
// May use SIMD registers (libfdt).
int guest_fdt_build(void *buf, size_t size, const struct guest_fdt_params *params);
