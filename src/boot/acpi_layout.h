// SPDX-License-Identifier: Apache-2.0
// Offsets in ACPI's tables (ACPI 6.5) that their reader and their rewriter share.
#pragma once

#include "lib/bits.h"

#define ACPI_CHECKSUM 9u // 5.2.6

// 5.2.9: the last field is of ACPI 5.1, the first with Arm in it.
#define FADT_SIZE          132u
#define FADT_ARM_BOOT_ARCH 129u
#define ARM_PSCI_COMPLIANT BIT(0)
#define ARM_PSCI_USE_HVC   BIT(1)

// 5.2.12: structures of the MADT.
enum { MADT_GICC = 11, MADT_GICD = 12, MADT_GICR = 14 };
#define MADT_SIZE 44u

// 5.2.12.14: flags; the length since ACPI 5.1.
#define GICC_SIZE            76u
#define GICC_ENABLED         BIT(0)
#define GICC_ONLINE_CAPABLE  BIT(3)
#define GICC_CPU_INTERFACE   4u
#define GICC_FLAGS           12u
#define GICC_PARKING_VERSION 16u
#define GICC_PARKED_ADDRESS  24u
#define GICC_MPIDR           68u
