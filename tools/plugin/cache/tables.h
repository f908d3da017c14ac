// SPDX-License-Identifier: Apache-2.0
// Stage 2's tables, followed from VTTBR_EL2 on. When EL2 stores a descriptor that grants execution,
// whatever EL2 itself has written to the memory behind it must be coherent for fetches already:
// another CPU may fetch at once. When it grants writing, that must be clean to the point of
// coherency, unless FWB has all the guest's accesses go through the caches: the guest may read it,
// and lose what it writes, with its caches off. The same holds for all of a VM's memory when it
// first runs. What a guest wrote is the guest's to maintain. (Walks with 4 KiB pages, which is what
// Newel uses.)
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool tables_setup(void);

// Descriptors looked at that grant execution or writing.
extern uint64_t tables_grants;

// A guest runs with these.
void tables_enter(uint64_t vttbr, uint64_t vtcr, bool fwb, unsigned cpu);

// EL2 stored size bytes to RAM, for a table's descriptor 8. True if a valid descriptor was stored,
// for which a DSB must come before the guest does.
bool tables_store(uint64_t pa, uint64_t value, unsigned size, unsigned cpu);

// RAM at pa is zeroed, so no table any more.
void tables_zeroed(uint64_t pa);
