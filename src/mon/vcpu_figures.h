// SPDX-License-Identifier: Apache-2.0
// Figures of vCPUs that several commands show. They are read while the vCPUs run.
#pragma once

#include "vm/vm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool figures_has_vcpus(const struct vm *vm); // false while it is destroyed
uint64_t figures_exits(const struct vcpu *v);
uint64_t figures_vm_exits(const struct vm *vm);
uint64_t figures_time(const struct vcpu *v); // counter ticks on a CPU, up to now
uint64_t figures_vm_time(const struct vm *vm);
// "12.345s" from counter ticks.
void figures_format_time(char *buf, size_t size, uint64_t ticks);
