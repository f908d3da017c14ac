// SPDX-License-Identifier: Apache-2.0
// What a VM's RAM has before its first instruction: zeroes, kernel, ramdisk.
#pragma once

#include "vm/vm.h"

// The 2 MiB block at the offset `from` of RAM; of a VM that is populated as it is touched only what
// is not zero. By the work that builds the VM. A negative error if its tables have no room.
int fill_step(struct vm *vm, uint64_t from);
