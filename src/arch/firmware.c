// SPDX-License-Identifier: Apache-2.0
#include "arch/firmware.h"

#include "lib/bits.h"

#include <stddef.h>

_Static_assert(offsetof(struct firmware_context, x[30]) == FIRMWARE_X30, "firmware.S");
_Static_assert(offsetof(struct firmware_context, sp) == FIRMWARE_SP, "firmware.S");
_Static_assert(offsetof(struct firmware_context, pc) == FIRMWARE_PC, "firmware.S");
_Static_assert(offsetof(struct firmware_context, own_sp) == FIRMWARE_OWN_SP, "firmware.S");
_Static_assert(offsetof(struct firmware_context, esr) == FIRMWARE_ESR, "firmware.S");

#define PSTATE_EL2H 9u
#define PSTATE_D    BIT(9)
#define PSTATE_A    BIT(8)
#define PSTATE_I    BIT(7)
#define PSTATE_F    BIT(6)

// firmware.S
extern char firmware_returned[];

void firmware_prepare(struct firmware_context *c, uint64_t function, uint64_t sp,
                      bool interruptible)
{
    c->x[29] = 0;
    c->x[30] = (uint64_t)(uintptr_t)firmware_returned;
    c->sp = sp;
    c->pc = function;
    c->pstate = PSTATE_EL2H | PSTATE_D | PSTATE_A | PSTATE_F | (interruptible ? 0 : PSTATE_I);
}
