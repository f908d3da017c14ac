// SPDX-License-Identifier: Apache-2.0
// Numbers that C and assembly share; cpu/switch.c and boot/smp.c assert that C's structures agree.
#pragma once

#ifndef MAX_CPUS
#define MAX_CPUS 32
#endif

// Each CPU's slot: a guard page that is never mapped, and above it the stack.
#define STACK_SIZE     0x4000
#define STACK_SLOT     (STACK_SIZE + 0x1000)
#define EMERGENCY_SIZE 0x1000

// struct vcpu
#define VCPU_PC        248
#define VCPU_PSTATE    256
#define VCPU_HOST_SP   264
#define VCPU_ATTENTION 272

// struct percpu
#define PERCPU_EMERGENCY_SP 0
#define PERCPU_BHB_LOOPS    8
#define PERCPU_EXIT_CALL    12

// The tables in vectors.S, in their order there
#define VECTORS_PLAIN   0
#define VECTORS_LOOP    1
#define VECTORS_CLEAR   2
#define VECTORS_TOLD    3
#define VECTORS_CHECKED 4
#define VECTORS_GICV2   5 // and on: the same for a machine with GICv2

// struct secondary_start
#define SECONDARY_STACK 0
#define SECONDARY_CPU   8
#define SECONDARY_TTBR  16
#define SECONDARY_MAIR  32

// struct el2_frame
#define FRAME_SIZE 288

#define SCTLR_EL2_OFF 0x30c50830 // RES1 bits alone
#define SCTLR_EL2_ON \
    (SCTLR_EL2_OFF | (1 << 0) | (1 << 2) | (1 << 3) | (1 << 12) | (1 << 19)) // M C SA I WXN
#define SCTLR_EL1_OFF 0x30d00800                                             // RES1 bits alone
#define CPTR_EL2_INIT 0x32ff
