// SPDX-License-Identifier: Apache-2.0
// x86's I/O instructions as a guest on Arm names them: W7 of the call says which one, X0 to X6
// stand for RAX, RBX, RCX, RDX, RSI, RDI and RBP. See docs/guest-abi.md.
#pragma once

#include "dev/port.h"

#include <stdbool.h>
#include <stdint.h>

enum { IO_AX, IO_BX, IO_CX, IO_DX, IO_SI, IO_DI, IO_BP, IO_REGS };

#define IO_MAGIC     0x86u // X7[63:32], or the immediate of HVC and BRK
#define IO_IN_EAX_DX 0x0eu // W7 of the one form that is frequent

// An instruction moves at most this many elements before it is executed once more.
#define IO_ELEMENTS_MAX 64

struct io_insn {
    uint8_t size;   // bytes: 1, 2 or 4
    bool in;        // from the port
    bool string;    // to or from memory
    bool repeat;    // X2 times
    bool down;      // addresses descend
    bool immediate; // the port is this one, else DX
    uint8_t port;
};

// False for a reserved encoding.
bool io_decode(uint32_t w7, struct io_insn *out);

// Executes it once with the registers x: all of it, or, for a repeated one, up to a bound or a
// fault. x then has the progress; only what x86 changes is changed. PORT_DONE: go on after it.
enum port_end io_execute(const struct io_insn *insn, struct port_bus *bus, struct vcpu *v,
                         uint64_t x[IO_REGS], struct port_memory *m);
