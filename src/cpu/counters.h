// SPDX-License-Identifier: Apache-2.0
// What is counted, per vCPU, always. Names are what the monitor and the tests see.
#pragma once

#include <stddef.h>
#include <stdint.h>

// X(symbol, name, meaning)
#define COUNTERS(X)                                                                            \
    X(EXIT_IRQ, "exit.irq", "physical interrupt while the guest ran")                          \
    X(EXIT_HVC, "exit.hvc", "HVC")                                                             \
    X(EXIT_SMC, "exit.smc", "SMC")                                                             \
    X(EXIT_WFX, "exit.wfx", "WFI or WFE")                                                      \
    X(EXIT_SYSREG, "exit.sysreg", "trapped MSR, MRS or system instruction")                    \
    X(EXIT_DABT, "exit.dabt", "data abort at stage 2")                                         \
    X(EXIT_IABT, "exit.iabt", "instruction abort at stage 2")                                  \
    X(EXIT_FP, "exit.fp", "first use of FP/SIMD since the vCPU was switched in")               \
    X(EXIT_PAUTH, "exit.pauth", "first use of pointer authentication")                         \
    X(EXIT_DEBUG, "exit.debug", "debug exception routed to EL2")                               \
    X(EXIT_SERROR, "exit.serror", "SError")                                                    \
    X(EXIT_OTHER, "exit.other", "any other exception class")                                   \
    X(MMIO_GICD, "mmio.gicd", "access to the virtual distributor")                             \
    X(MMIO_GICR, "mmio.gicr", "access to a virtual redistributor")                             \
    X(MMIO_GICC, "mmio.gicc", "access to GICC_DIR (GICv2)")                                    \
    X(MMIO_UART, "mmio.uart", "access to the virtual PL011")                                   \
    X(MMIO_RTC, "mmio.rtc", "access to the virtual PL031")                                     \
    X(MMIO_FLASH, "mmio.flash", "access to the blank flash")                                   \
    X(MMIO_NONE, "mmio.none", "access to nothing: external abort injected")                    \
    X(MMIO_DECODED, "mmio.decoded", "access without a syndrome, decoded from the instruction") \
    X(MEM_TRANSLATION, "mem.translation", "stage-2 translation fault in RAM")                  \
    X(MEM_EXECUTE, "mem.execute", "first fetch of a page or block that was data")              \
    X(MEM_DENIED, "mem.denied", "access that vm protect forbids")                              \
    X(SYSREG_ID, "sysreg.id", "ID register read")                                              \
    X(SYSREG_SGI, "sysreg.sgi", "ICC_SGI1R_EL1 write")                                         \
    X(SYSREG_TIMER, "sysreg.timer", "physical timer access")                                   \
    X(SYSREG_SETWAY, "sysreg.setway", "cache maintenance by set and way")                      \
    X(SYSREG_TRANSLATION, "sysreg.translation", "translation register written, caches off")    \
    X(SYSREG_DEBUG, "sysreg.debug", "debug register access")                                   \
    X(INJECT_UNDEF, "inject.undef", "Undefined Instruction injected")                          \
    X(INJECT_ABORT, "inject.abort", "abort injected")                                          \
    X(INJECT_SERROR, "inject.serror", "virtual SError injected")                               \
    X(VIRQ_INJECTED, "virq.injected", "virtual interrupt put into a list register")            \
    X(VIRQ_MAINTENANCE, "virq.maintenance", "GIC maintenance interrupt")                       \
    X(VIRQ_KICK, "virq.kick", "interrupted by another CPU, which has something for it")        \
    X(TIMER_VIRT, "timer.virt", "virtual timer interrupt")                                     \
    X(TIMER_PHYS, "timer.phys", "emulated physical timer expired")                             \
    X(PSCI_CALL, "psci.call", "PSCI call")                                                     \
    X(CALL_IO, "call.io", "x86 I/O instruction called (guest-tools)")                          \
    X(CALL_EFI, "call.efi", "EFI runtime service called")                                      \
    X(SCHED_IN, "sched.in", "times switched in")                                               \
    X(SCHED_BLOCK, "sched.block", "times blocked in WFI")                                      \
    X(UNHANDLED, "unhandled", "exits that nothing here handles")

enum counter {
#define X(symbol, name, meaning) CNT_##symbol,
    COUNTERS(X)
#undef X
        CNT_COUNT
};

struct counters {
    uint64_t n[CNT_COUNT];
};

// Only by the CPU that runs the vCPU; others may read at any time.
static inline void count(struct counters *c, enum counter which)
{
    c->n[which]++;
}

const char *counter_name(enum counter which);
const char *counter_meaning(enum counter which);
