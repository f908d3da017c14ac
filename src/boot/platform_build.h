// SPDX-License-Identifier: Apache-2.0
// What the readers of the device tree and of ACPI have in common.
#pragma once

#include "arch/sysreg_bits.h"
#include "boot/complaint.h"
#include "boot/platform.h"
#include "lib/bits.h"

// Beyond this nothing is used: a physical address range of 52 bits counts as 48.
#define PA_LIMIT BIT(48)

#define GICD_SIZE       UINT64_C(0x10000)
#define GICR_SIZE       UINT64_C(0x20000) // of one CPU, without virtual LPIs
#define GICV2_DIST_SIZE UINT64_C(0x1000)

// The boot CPU first. ERR_EXISTS if it is there already; ERR_RANGE, and it counts as ignored, if
// there are MAX_CPUS.
int platform_add_cpu(struct platform *p, uint64_t mpidr);

// Keeps the memory that the last added CPU is started through from being used as RAM. ERR_RANGE if
// there are too many regions.
int platform_keep_start(struct platform *p);

// What is the same for both once everything was read: no private interrupt has two uses, and no
// device lies in RAM (devices are mapped for Newel alone). ERR_INVALID with a complaint.
int platform_check(const struct platform *p, const struct complaint *c);

// Newel's own command line: words between blanks, of which those that begin with "newel." are
// Newel's and have to be known; boot loaders add theirs. where: whose words they are, for the
// complaint, "" for none. len is an upper bound, a NUL ends the text as well.
int platform_read_words(struct platform *p, const char *text, size_t len, const char *where,
                        const struct complaint *c);
