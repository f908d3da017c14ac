// SPDX-License-Identifier: Apache-2.0
// What is wrong with something that the firmware says: one line for a person.
#pragma once

#include "lib/error.h"

#include <stddef.h>

struct complaint {
    const char *about; // how the line begins: "device tree", "ACPI"
    char *text;
    size_t size; // of text; 0: nobody wants to know
};

// Leaves "ABOUT: ..." in text, printable whatever the arguments hold.
void complaint_write(const struct complaint *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// The same, and the result of the function that finds fault.
#define complain(c, ...) (complaint_write(c, __VA_ARGS__), ERR_INVALID)
