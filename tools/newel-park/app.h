// SPDX-License-Identifier: Apache-2.0
// newel-park: what its parts share.
#pragma once

#include "boot/efi/loader.h"
#include "boot/park_tables.h"

// Sends each processor but this one into a page of reserved memory, and waits until it is there.
// l->platform: the processors. What has become of them is said, and is in parked; no more than an
// error of the memory for the pages stops it.
efi_status park_processors(struct loader *l, struct parked *parked);

// Makes the table that the processors were read from say where they are. An error is said.
efi_status park_tables(struct loader *l, const struct parked *parked);

// Which application is next, and its words: from the load options or from newel-park.cfg. Starts
// it, and returns what it returns. An error is said.
efi_status park_start_next(struct loader *l);
