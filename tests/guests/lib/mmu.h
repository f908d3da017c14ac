// SPDX-License-Identifier: Apache-2.0
// Identity map of a payload: 4 KiB granule, 39-bit addresses, devices below RAM, image text
// read-only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PTE_VALID   1ul
#define PTE_TABLE   2ul
#define PTE_PAGE    2ul
#define PTE_AF      (1ul << 10)
#define PTE_INNER   (3ul << 8)
#define PTE_USER    (1ul << 6)
#define PTE_RO      (2ul << 6)
#define PTE_ATTR(i) ((uint64_t)(i) << 2)
#define PTE_PXN     (1ul << 53)
#define PTE_UXN     (1ul << 54)

#define ATTR_NORMAL    0
#define ATTR_DEVICE    1
#define ATTR_NONCACHED 2

#define PTE_NORMAL (PTE_VALID | PTE_AF | PTE_INNER | PTE_ATTR(ATTR_NORMAL))
#define PTE_DEVICE (PTE_VALID | PTE_AF | PTE_ATTR(ATTR_DEVICE) | PTE_PXN | PTE_UXN)

/* Builds the tables (first call) and turns this CPU's MMU and caches on. */
void mmu_on(void);
void mmu_off(void);
bool mmu_is_on(void);
/*
 * On by an identity map of the caller's, and TCR_EL1. mmu_map_page() and the like are of no use
 * then.
 */
void mmu_on_by(uint64_t ttbr0, uint64_t tcr);

/*
 * Maps the 4 KiB page at va with descriptor bits flags (PTE_PAGE is added) to pa, breaking before
 * making. va is below 512 GiB; at most 16 tables can be split off, after which the payload fails.
 */
void mmu_map_page(uint64_t va, uint64_t pa, uint64_t flags);

/* The level-3 descriptor of the page at va, which lies in a table page of its own. */
uint64_t *mmu_entry(uint64_t va);

/* Unmaps the 4 KiB page at va. */
void mmu_unmap_page(uint64_t va);
