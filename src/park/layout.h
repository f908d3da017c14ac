// SPDX-License-Identifier: Apache-2.0
// Offsets in a mailbox page that C and the parking code share; page.h says what they mean.
#pragma once

#define PARK_PAGE_SIZE 0x1000

// The half of whoever releases the CPU (Microsoft, "Multi-processor Startup for ARM Platforms").
#define PARK_ID   0x000
#define PARK_JUMP 0x008
#define PARK_FREE 0x010

// The half of whoever parked it. What different parties write shares no line of a cache.
#define PARK_CODE     0x800
#define PARK_FACTS    0xc00
#define PARK_STRANGER 0xd00
#define PARK_STATE    0xe00
#define PARK_MPIDR    0xe08
#define PARK_RELEASE  0xf00

#define PARK_CODE_SIZE (PARK_FACTS - PARK_CODE)

// Facts, of 8 bytes each
#define PARK_FACT_ID                0x00
#define PARK_FACT_WAIT              0x08
#define PARK_FACT_GIC               0x10
#define PARK_FACT_GIC_DISTRIBUTOR   0x18
#define PARK_FACT_GIC_CPU_INTERFACE 0x20
#define PARK_FACT_GIC_REDISTRIBUTOR 0x28
#define PARK_FACT_MPIDR             0x30
#define PARK_FACT_NEXT              0x38

#define PARK_WAIT_WFE 0
#define PARK_WAIT_WFI 1

// Values of the state; at EL1 and EL2 the exception level.
#define PARK_NOT_THERE 0
#define PARK_AT_EL1    1
#define PARK_AT_EL2    2
#define PARK_RELEASED  4
