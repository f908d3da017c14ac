// SPDX-License-Identifier: Apache-2.0
// Boards that start their processors by registers of their own. A new one is a line of data in
// board.c.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BOARD_STEPS 4

enum board_value {
    BOARD_END,
    BOARD_ENTRY_LOW,  // bits 31:0 of the address
    BOARD_ENTRY_HIGH, // bits 63:32
    BOARD_CPU_BIT,    // 1 << the CPU's number
    BOARD_CONSTANT,
};

// A write of 32 bits at offset + stride * the CPU's number (its Aff0) behind the registers' base.
struct board_step {
    uint16_t offset, stride;
    enum board_value value;
    uint32_t constant;
};

struct board {
    const char *method;    // enable-method of a cpu node, or of /cpus
    const char *registers; // compatible of the node whose reg begins with them
    struct board_step step[BOARD_STEPS];
};

#define BOARD_REGISTERS 0x1000u // bytes that a board's offsets stay within

// NULL behind the last one.
const struct board *board_at(unsigned n);

// Does the steps in order, then SEV. base: 4-byte aligned. ERR_RANGE, and nothing is done, if the
// address or the CPU is more than the registers can take.
int board_start(const struct board *b, uint64_t base, uint64_t mpidr, uint64_t entry);
