// SPDX-License-Identifier: Apache-2.0
// What newel-detect says, wherever it runs: on Linux, under UEFI, bare.
#pragma once

#include <newel/detect.h>

// What hypervisors say of themselves, by where they say it; "" where nothing is said. No part of
// the verdict.
struct detect_signs {
    char smccc[80];       // the vendor hypervisor service's UID (DEN0028 8.2), and whose it is
    char device_tree[64]; // compatible of /hypervisor
    char acpi[16];        // FADT's Hypervisor Vendor Identity (ACPI 6.5, 5.2.9)
    char dmi[128];        // SMBIOS 7.2: the system's manufacturer and product
};

// The call's answer as text: empty if nobody answers.
void detect_name_uid(char *out, size_t size, const uint32_t uid[4]);
// The printable part of text, which may lack a NUL.
void detect_copy(char *out, size_t size, const char *text, size_t length);

typedef void detect_write(const char *text);

// Lines for people, or one JSON object. ticks: newel_detect_ticks() of each row that was tried and,
// last, of the control; NULL if they were not taken.
void detect_report(const struct newel_detect *d, const uint64_t *ticks,
                   const struct detect_signs *signs, bool json, detect_write *write);
