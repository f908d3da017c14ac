// SPDX-License-Identifier: Apache-2.0
// The guest's paravirtual time (DEN0057) as SMCCC calls; see call/smccc.h. Stolen time only.
#pragma once

#include "cpu/vcpu.h"

#define PV_TIME_FEATURES 0xc5000020u
#define PV_TIME_ST       0xc5000021u

// Guest-physical, where QEMU's virt has it: a page of records, one a vCPU, that the guest may read.
// The 64 KiB from here on hold nothing else, for guests with pages that large.
#define PV_TIME_BASE UINT64_C(0x090a0000)

// function: PV_TIME_FEATURES or PV_TIME_ST. What goes into x0: 0 or an address, or NOT_SUPPORTED.
int64_t pvtime_call(struct vcpu *v, uint32_t function);
