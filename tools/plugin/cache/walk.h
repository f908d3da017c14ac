// SPDX-License-Identifier: Apache-2.0
// The CPU's registers, and where an address leads by them: both stages, as the CPU's own walk at
// that moment. Newel, at EL2, has each address at itself.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum reg {
    REG_CPSR,
    REG_CTR,
    REG_SCTLR_EL1,
    REG_SCTLR_EL2,
    REG_HCR,
    REG_TCR,
    REG_TTBR0,
    REG_TTBR1,
    REG_VTTBR,
    REG_VTCR,
    REG_X0,
    REGS = REG_X0 + 31,
};

#define SCTLR_M       (UINT64_C(1) << 0)
#define SCTLR_C       (UINT64_C(1) << 2)
#define SCTLR_I       (UINT64_C(1) << 12)
#define SCTLR_DZE     (UINT64_C(1) << 14)
#define SCTLR_UCI     (UINT64_C(1) << 26)
#define HCR_VM        (UINT64_C(1) << 0)
#define HCR_FB        (UINT64_C(1) << 9)
#define HCR_BSU       (UINT64_C(3) << 10)
#define HCR_DC        (UINT64_C(1) << 12)
#define HCR_TSW       (UINT64_C(1) << 22)
#define HCR_TPC       (UINT64_C(1) << 23)
#define HCR_TPU       (UINT64_C(1) << 24)
#define HCR_TDZ       (UINT64_C(1) << 28)
#define HCR_FWB       (UINT64_C(1) << 46)
#define HCR_TICAB     (UINT64_C(1) << 50)
#define HCR_TOCU      (UINT64_C(1) << 52)
#define TABLE_ADDRESS UINT64_C(0xfffffffff000)

// Looks the registers' names up; false, and says so, if one is missing. In a vCPU's first callback.
bool registers_setup(void);

// Of the CPU that runs, in callbacks that may read registers and at translation.
uint64_t read_register(enum reg reg);

// Where QEMU keeps RAM; learnt from the first instruction in it.
extern char *ram_host;

// A word of RAM; 0 elsewhere.
uint64_t read_ram(uint64_t pa);

enum walk_result { WALK_FOUND, WALK_STAGE1_FAULT, WALK_STAGE2_FAULT };

struct walk {
    uint64_t pa;
    bool writable;
};

enum walk_result walk(uint64_t va, unsigned el, struct walk *found);

// The level at which stage 2 starts, by VTCR_EL2; with 4 KiB pages.
unsigned stage2_start_level(uint64_t vtcr);
