// SPDX-License-Identifier: Apache-2.0
// Between the rooms' start-up functions and the machine that entry.S found.
#pragma once

#include "arch/layout.h"
#include "boot/platform.h"

#include <stdint.h>
#include <stdnoreturn.h>

// newel.lds
extern char image_start[], image_text_end[], image_rodata_end[], image_data_end[], image_end[];
// entry.S
extern char cpu_stacks[], emergency_stacks[], park_pages[];
void secondary_entry(void);
void mmu_enable(uint64_t ttbr, uint64_t tcr, uint64_t mair);

// Called by entry.S, with interrupts masked, on the CPU's own stack. info: address of the device
// tree, or of a struct handover.
noreturn void boot_primary(uint64_t info);
noreturn void boot_wrong_el(uint64_t fdt_address, unsigned el);
struct percpu;
noreturn void boot_secondary(struct percpu *cpu);

// slot: which stack. Sets TPIDR_EL2.
void percpu_init(struct percpu *cpu, unsigned id, unsigned slot, uint64_t mpidr);
void percpu_install(struct percpu *cpu);

// Starts the other CPUs, one after the other: by the machine's method into the parking code, from
// there by their mailboxes. Those that do not come are left out, with a line in the log.
void smp_start_all(const struct platform *p);

// The machine cannot go on: one line on the console, and off by a reset that a supervisor can tell
// from a power-off.
noreturn void boot_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Seeds drbg_read() from the tree's /chosen rng-seed, which it wipes, and from the CPU. Once the
// tree has been checked, with the MMU on and the tree writable; NULL where there is none.
void entropy_init(void *fdt);

// From now on the firmware can be asked to turn the machine off.
void power_init(const struct platform *p);
// And where there is no firmware to ask, the machine's own power management can; it is mapped.
void power_use_bcm2835(hpa_t pm);
// The same from the tree alone, for a start at exception level el that fails before there is a
// platform; the MMU may be off. Where the tree names nobody to ask, machine_reset() halts.
void power_init_early(const void *fdt, unsigned el);
