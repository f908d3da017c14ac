// SPDX-License-Identifier: Apache-2.0
// Exceptions of a payload: the frame, expecting a fault, running code at EL0.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Mirrors vectors.S. */
struct exc_frame {
    uint64_t x[31];
    uint64_t elr;
    uint64_t spsr;
    uint64_t pad;
};

struct exc_info {
    uint64_t esr;
    uint64_t far;
    uint64_t elr;
    uint64_t spsr;
    unsigned vector; /* index into the vector table: 0-15 */
};

typedef void (*exc_fn)(uint64_t arg);
typedef void (*exc_irq_fn)(void);

#define ESR_EC(esr)  (((esr) >> 26) & 0x3f)
#define ESR_ISS(esr) ((esr)&0x1ffffff)
#define ESR_FSC(esr) ((esr)&0x3f)
#define ESR_WNR(esr) (((esr) >> 6) & 1)

#define EC_UNKNOWN        0x00
#define EC_WFX            0x01
#define EC_FP             0x07
#define EC_SVE            0x19
#define EC_SVC64          0x15
#define EC_SYSREG         0x18
#define EC_IABT_LOW       0x20
#define EC_IABT_CUR       0x21
#define EC_PC_ALIGN       0x22
#define EC_DABT_LOW       0x24
#define EC_DABT_CUR       0x25
#define EC_BREAKPOINT_CUR 0x31
#define EC_STEP_CUR       0x33
#define EC_WATCHPOINT_CUR 0x35
#define EC_BKPT32         0x38
#define EC_BRK64          0x3c

/* Runs fn(arg) at EL1; true if a synchronous exception ended it, which *info then describes. May be
 * nested. */
bool expect_exception(struct exc_info *info, exc_fn fn, uint64_t arg);

/* The same with fn at EL0, on a small stack of its own. fn must not touch data outside .user when
 * the MMU is on. */
bool el0_exception(struct exc_info *info, exc_fn fn, uint64_t arg);

/* True from now on: a synchronous exception of this CPU skips its instruction and is only counted.
 */
void exc_skip_mode(bool on);

/* Exceptions skipped by this CPU since exc_skip_mode(true); *last describes the newest if not null.
 */
uint64_t exc_skipped(struct exc_info *last);

/* Called first for each synchronous exception of this CPU; true if it has mended what caused it,
 * and the frame's registers are to be gone back to. Null restores the default. */
typedef bool (*exc_mend_fn)(struct exc_frame *frame, const struct exc_info *info);
void exc_set_mend(exc_mend_fn fn);

/* Called for IRQ (fiq = false) or FIQ instead of the default acknowledge loop; null restores it.
 * This CPU only. */
void exc_set_irq(exc_irq_fn fn);
void exc_set_fiq(exc_irq_fn fn);

/* Data that code at EL0 may touch. */
#define USER_DATA __attribute__((section(".user.data")))
