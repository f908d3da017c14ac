// SPDX-License-Identifier: Apache-2.0
// What newel-detect says, wherever it runs: on Linux, under UEFI, bare.
#pragma once

#include <newel/detect.h>

// What hypervisors say of themselves, by where they say it; "" where nothing is said. No part of
// the verdict.
struct detect_signs {
    char smccc[80];       // a hypervisor service's UID (DEN0028 8.2), and whose it is
    char device_tree[64]; // compatible of /hypervisor
    char acpi[16];        // FADT's Hypervisor Vendor Identity (ACPI 6.5, 5.2.9)
    char dmi[128];        // SMBIOS 7.2: the system's manufacturer and product
};

// Makes the call, without arguments: what it answers in w0 to w3. False if it cannot be made.
typedef bool detect_call(uint32_t function, uint32_t answer[4]);
// The UID that a hypervisor answers, as text: empty if none does.
void detect_ask_uid(char *out, size_t size, detect_call *call);
// The printable part of text, which may lack a NUL.
void detect_copy(char *out, size_t size, const char *text, size_t length);

typedef void detect_write(const char *text);

// Lines for people, or one JSON object. ticks: newel_detect_ticks() of each row that was tried and,
// last, of the control; NULL if they were not taken.
void detect_report(const struct newel_detect *d, const uint64_t *ticks,
                   const struct detect_signs *signs, bool json, detect_write *write);
