// SPDX-License-Identifier: Apache-2.0
#pragma once

struct vm;

// Works out what the VM's guest reads from the ID registers, by the feature table and the VM's
// policy. Before its first vCPU runs.
void sysreg_init_vm(struct vm *vm);
