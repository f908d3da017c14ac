// SPDX-License-Identifier: Apache-2.0
// The guest's true random numbers (DEN0098) as SMCCC calls; see call/smccc.h. From the CPU's
// own source, else from what the host gave as a seed (cpu/drbg.h); not offered where there is
// neither.
#pragma once

#include "cpu/vcpu.h"

#define TRNG_VERSION  0x84000050u
#define TRNG_FEATURES 0x84000051u
#define TRNG_GET_UUID 0x84000052u
#define TRNG_RND_32   0x84000053u
#define TRNG_RND_64   0xc4000053u

#define TRNG_NOT_SUPPORTED      (-1)
#define TRNG_INVALID_PARAMETERS (-2)
#define TRNG_NO_ENTROPY         (-3)

// Arguments and results in v->regs.x[0..3]. Any other function gets NOT_SUPPORTED.
void trng_call(struct vcpu *v, uint32_t function);
