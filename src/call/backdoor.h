// SPDX-License-Identifier: Apache-2.0
// VMware's backdoor: a port whose reads are commands, with the registers as arguments and results
// (open-vm-tools, backdoor_def.h). docs/guest-abi.md has what each command answers.
#pragma once

#include "dev/port.h"

#include <stdint.h>

#define BACKDOOR_MAGIC     UINT32_C(0x564d5868)
#define BACKDOOR_PORT      0x5658
#define BACKDOOR_HIGH_PORT 0x5659 // whole messages
#define BACKDOOR_REFUSED   UINT32_C(0xffffffff)

// Puts both ports on a VM's bus.
void backdoor_add(struct port_bus *bus);

// IN EAX, DX of the first port, on the vCPU's CPU: what EAX gets. X1 to X6 are changed as the
// command says.
uint32_t backdoor_call(struct vcpu *v);
