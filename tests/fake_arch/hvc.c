// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for a hypervisor beneath: it knows no call. Tests that play one define their
// own.
#include "arch/cpu.h"

struct smc_result hvc_call(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    (void)function;
    (void)a1;
    (void)a2;
    (void)a3;
    return (struct smc_result){{UINT32_MAX}};
}
