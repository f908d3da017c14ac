// SPDX-License-Identifier: Apache-2.0
// What a guest finds in its memory about its machine: device tree, and what its firmware left.
#pragma once

#include "vm/vm.h"

// Writes it into the RAM of a VM that is being built, anew each time: the seeds are fresh. Its
// vCPUs are not running, and the rest of its RAM is there. May use SIMD registers (libfdt). An
// error says that there is no memory to build it in.
int describe_vm(struct vm *vm);

// Guest-physical address of the page in which a vCPU waits where cpu-boot is not PSCI.
uint64_t describe_mailbox(const struct vm *vm, unsigned vcpu);
