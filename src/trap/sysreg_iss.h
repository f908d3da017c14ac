// SPDX-License-Identifier: Apache-2.0
// The syndrome of a trapped MRS, MSR or system instruction (Arm ARM D19.2.37, ISS for EC 0x18).
#pragma once

#include "arch/sysreg.h"
#include "trap/trap.h"

#include <stdint.h>

// The encoding as the ISS has it.
#define KEY(op0, op1, crn, crm, op2)                                               \
    (((uint32_t)(op0) << 20) + ((uint32_t)(op2) << 17) + ((uint32_t)(op1) << 14) + \
     ((uint32_t)(crn) << 10) + ((uint32_t)(crm) << 1))
#define ANY_OP2 KEY(0, 0, 0, 0, 7)
#define ANY_CRM KEY(0, 0, 0, 15, 0)
#define ANY_CRN KEY(0, 0, 15, 0, 0)
#define ANY_OP1 KEY(0, 7, 0, 0, 0)
#define ALL     KEY(3, 7, 15, 15, 7)

#define ISS_READ         1u
#define ISS_IS_READ(iss) (((iss)&ISS_READ) != 0)
#define ISS_RT(iss)      ((unsigned)bits_get(iss, 9, 5))
#define ISS_CRM(iss)     ((unsigned)bits_get(iss, 4, 1))
#define ISS_OP2(iss)     ((unsigned)bits_get(iss, 19, 17))

typedef enum trap_result access_fn(struct vcpu *v, uint32_t iss);

// All of op0 = 2: debug; trace is absent (trap/debug.c).
access_fn debug_register;
// DC ISW, CSW, CISW, and what HCR_EL2.TVM traps (trap/caches.c).
access_fn set_way_maintain, translation_register;
// CTR_EL0, the cache ID registers and maintenance to the point of unification; they trap only for
// ERRATUM_STALE_FETCH (trap/icache.c).
access_fn cache_type, cache_id, cache_select, icache_maintain;
