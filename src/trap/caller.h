// SPDX-License-Identifier: Apache-2.0
// The memory of a guest that calls, as the caller itself could access it: by virtual addresses, or
// physical ones while its MMU is off. Dirty state and access flag are not updated here: where
// hardware would, it is a fault.
#pragma once

#include "dev/port.h"
#include "mem/walk.h"
#include "trap/trap.h"

struct caller {
    struct port_memory face; // its functions need the loaded vCPU
    struct vcpu *v;
    struct walk_regs regs;
    bool regs_read;
    bool normal_only; // what the guest maps as Device memory is out of reach
    struct {
        uint64_t va;
        unsigned status; // as ISS.DFSC
        bool write;
    } fault; // after PORT_FAULT
};

// The vCPU that is loaded, at the level that made the exception.
void caller_init(struct caller *c, struct vcpu *v);

// The HVC that the vCPU has made is to be executed once more: its step, if it is stepped, was not
// done yet.
void caller_again(struct vcpu *v);
