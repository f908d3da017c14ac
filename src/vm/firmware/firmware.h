// SPDX-License-Identifier: Apache-2.0
// What a VM finds of firmware in its memory (firmware = "efi-runtime", or cpu-boot without PSCI):
// tables, the stubs of the runtime services, and the pages in which its other CPUs wait. All of it
// is in the last FIRMWARE_SPAN bytes of its RAM, 64 KiB to each kind of memory, so that a kernel of
// any page size can tell them apart.
#pragma once

#include "lib/addr.h"
#include "vm/firmware/handover.h"
#include "vm/load.h"
#include "vm/manifest.h"

#include <stdbool.h>

#define FIRMWARE_PART UINT64_C(0x10000)

// Offsets in it.
#define FIRMWARE_ACPI      (0 * FIRMWARE_PART) // and all that is kept only while somebody needs it
#define FIRMWARE_MAP       (1 * FIRMWARE_PART)
#define FIRMWARE_DATA      (2 * FIRMWARE_PART) // system table
#define FIRMWARE_CODE      (3 * FIRMWARE_PART) // stubs
#define FIRMWARE_MAILBOXES (4 * FIRMWARE_PART) // a page a vCPU
#define FIRMWARE_SIZE      (5 * FIRMWARE_PART)

_Static_assert(FIRMWARE_SIZE <= FIRMWARE_SPAN, "it has its place");
_Static_assert(VM_MAX_VCPUS *PAGE_SIZE <= FIRMWARE_PART, "a mailbox for each");

struct firmware_params {
    const struct vm_config *config;
    const struct load_plan *plan;
    uint64_t mpidr[VM_MAX_VCPUS];
    uint64_t base; // guest-physical, of FIRMWARE_SIZE bytes
    uint32_t midr;
    uint64_t clidr; // CLIDR_EL1
    bool has_pmu, has_rng_seed;
    bool gicv2; // or else GICv3
    uint8_t rng_seed[32];
};

// Fills memory, FIRMWARE_SIZE zeroed bytes that the guest will see at p->base. ERR_RANGE if they
// are too few, which no manifest can bring about.
int firmware_build(void *memory, const struct firmware_params *p, struct firmware_handover *out);
