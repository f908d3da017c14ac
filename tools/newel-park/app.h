// SPDX-License-Identifier: Apache-2.0
// newel-park: what its parts share.
#pragma once

#include "boot/efi/loader.h"
#include "boot/park_tables.h"

// Sends each processor but this one into a page of reserved memory, and waits until it is there.
// l->platform: the processors. What has become of them is said, and is in parked; no more than an
// error of the memory for the pages stops it.
efi_status park_processors(struct loader *l, struct parked *parked);

// Where the firmware gives ACPI's tables beside the tree that the processors were read from: reads
// theirs, since whoever is next may take either. Tables that cannot be read, or not rewritten
// later, are withdrawn, with a line; an error, which is said, if the firmware does not let go of
// them.
efi_status park_read_beside(struct loader *l, uint64_t boot_mpidr);

// What ACPI calls a processor of l->platform; where it has no name for it, any number of its own.
uint32_t park_id(const struct loader *l, size_t n);

// Makes all that describes the processors say where they are. An error is said.
efi_status park_tables(struct loader *l, const struct parked *parked);

// Which application is next, and its words: from the load options or from newel-park.cfg. Starts
// it, and returns what it returns. An error is said.
efi_status park_start_next(struct loader *l);
