// SPDX-License-Identifier: Apache-2.0
// EL2's own translation: one stage, virtual address equal to physical, 48 bits, 4 KiB granule, and
// never a page both writable and executable (Arm ARM D8.3.1; TTBR0_EL2 with HCR_EL2.E2H = 0).
//
// Life: el2_map_init() and as many el2_map_range() as wanted with the MMU off,
// el2_map_flush_early(), then the caller puts the four values into the registers, turns the MMU on
// and says el2_map_live(). Everything here may run with the MMU off; only aligned accesses are made
// then, no lock is taken, no memory but a static supply of tables is used, and blocks may be split.
// Once live, mappings are only added, or taken away page by page where el2_map_by_pages() allowed
// for it.
#pragma once

#include "lib/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum el2_attrs {
    EL2_NORMAL_RW, // the only writable kind of memory; never executable
    EL2_NORMAL_RO,
    EL2_TEXT_RX,
    EL2_DEVICE_RW, // Device-nGnRE
};

struct el2_range {
    uint64_t base, size; // bytes, multiples of 4 KiB
};

struct el2_image {
    struct el2_range text, rodata, data; // data with .bss and stacks: mapped page by page
};

// Starts the tables anew, with Newel's image. ERR_INVALID for sections that overlap or are not
// aligned, ERR_NOMEM.
int el2_map_init(const struct el2_image *image);

// Maps the range, in the largest blocks that alignment allows. What is mapped already stays if it
// has the same attributes; ERR_EXISTS where it has others, ERR_INVALID for alignment, ERR_RANGE
// beyond 2^48, ERR_NOMEM for want of tables. On an error part of the range may have been mapped.
int el2_map_range(hpa_t base, uint64_t size, enum el2_attrs attrs);

// RAM: NORMAL_RW wherever the range is not mapped yet, so that it may hold Newel's image. Any
// alignment: rounded inwards to pages.
int el2_map_ram(uint64_t base, uint64_t size);

// As el2_map_range(), in 4 KiB pages, so that el2_unmap_page() works on it at any time.
int el2_map_by_pages(hpa_t base, uint64_t size, enum el2_attrs attrs);

// Takes one page away: a guard under a stack. On return no CPU can reach it. ERR_NOENT if it is not
// mapped, ERR_BUSY if it lies in a block and the tables are live, ERR_NOMEM.
int el2_unmap_page(hpa_t page);

// The attributes at an address; ERR_NOENT. For tests, backtraces and checks before a dump.
int el2_map_query(uint64_t address, enum el2_attrs *attrs);

// To be called last before the MMU is turned on: whatever caches hold of the tables' memory from
// before is dropped, as the walker is about to read through them what was written past them.
void el2_map_flush_early(void);
// The MMU is on, with these tables, on this CPU. From here on tables come from frames_alloc().
void el2_map_live(void);

uint64_t el2_map_ttbr(void);            // TTBR0_EL2
uint64_t el2_map_mair(void);            // MAIR_EL2
uint64_t el2_map_tcr(unsigned pa_bits); // TCR_EL2; pa_bits 32..48
