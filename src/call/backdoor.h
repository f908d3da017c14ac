// SPDX-License-Identifier: Apache-2.0
// VMware's backdoor: a port whose reads are commands, with the registers as arguments and results
// (open-vm-tools, backdoor_def.h). docs/guest-abi.md has what each command answers.
#pragma once

#include "call/io_insn.h"
#include "cpu/vcpu.h"
#include "dev/port.h"

#include <stdint.h>

#define BACKDOOR_MAGIC     UINT32_C(0x564d5868)
#define BACKDOOR_PORT      0x5658
#define BACKDOOR_HIGH_PORT 0x5659 // whole messages
#define BACKDOOR_REFUSED   UINT32_C(0xffffffff)
#define BACKDOOR_VERSION   6 // of the interface; clients know no other

#define BACKDOOR_GETVERSION     10
#define BACKDOOR_PRODUCT_SERVER 2 // of those that clients tell apart, the one without a desktop

// Puts both ports on a VM's bus.
void backdoor_add(struct port_bus *bus);

// IN EAX, DX of the first port, on the vCPU's CPU: what EAX gets. X1 to X6 are changed as the
// command says.
uint32_t backdoor_call(struct vcpu *v);

// The same for the one command that every client begins with, and by which it tells where it runs;
// false, and nothing done, for all others.
static inline bool backdoor_version(struct vcpu *v)
{
    uint64_t *x = v->regs.x;
    if ((uint32_t)x[IO_AX] != BACKDOOR_MAGIC || (uint16_t)x[IO_CX] != BACKDOOR_GETVERSION) {
        return false;
    }
    x[IO_AX] = BACKDOOR_VERSION;
    x[IO_BX] = BACKDOOR_MAGIC;
    x[IO_CX] = BACKDOOR_PRODUCT_SERVER;
    return true;
}
