// SPDX-License-Identifier: Apache-2.0
// What is told of a fault: where it shows, and who wrote the line.
#pragma once

#include "cache/lines.h"

#include <stdint.h>
#include <stdio.h>

// An instruction, as it was translated.
struct place {
    uint64_t va, pa;
    unsigned el;
};

extern FILE *report_file;
extern uint64_t reports;

// An instruction's number, for struct line's writer. At translation.
uint32_t place_add(const struct place *place);
const struct place *place_of(uint32_t number);

// One line, but for the later of many: "stale WHAT at VA PA by cpu N elE, written at VA PA ...".
void report(const char *what, uint64_t va, uint64_t pa, unsigned cpu, unsigned el,
            const struct line *line);
