// SPDX-License-Identifier: Apache-2.0
// The machine's description made to say that its processors wait in mailboxes (park/page.h), in
// place of how the firmware would have started them. Each function first finds everything, and
// changes nothing where something is missing.
#pragma once

#include "boot/acpi.h"
#include "boot/complaint.h"
#include "cpu/percpu.h"
#include "park/page.h"

// What has become of the processors but the one that runs. A page of 0: it did not come.
struct parked {
    uint64_t boot_mpidr; // affinity fields only, as all here
    struct {
        uint64_t mpidr, page;
    } cpu[MAX_CPUS];
    size_t count;
    uint64_t base, size; // all pages together, in bytes: multiples of 4 KiB
};

// In place: each GICC structure (ACPI 6.5, 5.2.12.14) of the MADT has its parking protocol's
// version and mailbox or, where there is none, is not enabled; the FADT has no PSCI (5.2.9.4).
// Checksums are made right, of tables whose checksums were. A boot CPU's structure stays as it is.
// acpi->memory() gives memory that can be written; the caller cleans it. ERR_INVALID with a
// complaint.
int park_rewrite_acpi(struct acpi *acpi, uint64_t rsdp, const struct parked *parked);

// A tree that was checked (fdt_check_full) and has PARK_FDT_ROOM bytes of room behind it
// (fdt_open_into). Each cpu node has enable-method "spin-table" and its cpu-release-addr or, where
// the CPU did not come, status "fail"; the pages are in the memory reservation block and in
// /reserved-memory. PSCI's node stays: it still turns the machine off. On an error (ERR_INVALID
// with a complaint) the tree is to be thrown away. Uses libfdt.
#define PARK_FDT_ROOM 8192
int park_rewrite_fdt(void *fdt, const struct parked *parked, const struct complaint *complaint);

// Among parked->cpu, or NULL.
const uint64_t *parked_page(const struct parked *parked, uint64_t mpidr);
