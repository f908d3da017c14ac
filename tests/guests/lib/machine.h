// SPDX-License-Identifier: Apache-2.0
// What the device tree says about the machine the payload runs on, with QEMU virt's map as the
// default.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct machine {
    uint64_t ram_base;
    uint64_t ram_size;
    uint64_t uart;
    uint64_t rtc;
    uint64_t gicd;
    uint64_t gicr;
    uint64_t gicc; /* GICv2's CPU interface; 0 if it is a GICv3 */
    unsigned cpus;
    uint64_t efi; /* the EFI system table, 0 without */
    uint64_t efi_map;
    uint32_t efi_map_size;
    const char *bootargs;
    const char *hypervisor; /* compatible of /hypervisor; "" if there is none */
};

extern struct machine machine;

/* Reads the device tree at dtb into `machine`. Call once, before anything prints. */
void machine_read(const void *dtb);

/* True if the boot arguments hold the word. The word `newel` asks for what only Newel promises. */
bool arg_flag(const char *word);

/* The number after `name=` in the boot arguments (decimal or 0x), else otherwise. */
uint64_t arg_u64(const char *name, uint64_t otherwise);

/* The text after `name=`, up to the next blank, copied into buf; false if absent. */
bool arg_text(const char *name, char *buf, unsigned size);
