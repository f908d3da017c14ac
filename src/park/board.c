// SPDX-License-Identifier: Apache-2.0
#include "park/board.h"

#include "arch/cpu.h"
#include "arch/mmio.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <stdbool.h>

static const struct board boards[] = {
    // Raspberry Pi 2 and 3 (BCM2836 ARM-local peripherals, "Core mailboxes"): mailbox 3 of each
    // core
    {"brcm,bcm2836-smp", "brcm,bcm2836-l1-intc", {{0x8c, 0x10, BOARD_ENTRY_LOW, 0}}},
};

const struct board *board_at(unsigned n)
{
    return n < ARRAY_SIZE(boards) ? &boards[n] : NULL;
}

static uint32_t value_of(const struct board_step *s, uint64_t cpu, uint64_t entry)
{
    switch (s->value) {
    case BOARD_ENTRY_LOW:
        return (uint32_t)entry;
    case BOARD_ENTRY_HIGH:
        return (uint32_t)(entry >> 32);
    case BOARD_CPU_BIT:
        return (uint32_t)BIT(cpu);
    default:
        return s->constant;
    }
}

static size_t step_count(const struct board *b)
{
    size_t n = 0;
    while (n < BOARD_STEPS && b->step[n].value != BOARD_END) {
        n++;
    }
    return n;
}

static bool can_take(const struct board *b, uint64_t mpidr, uint64_t entry)
{
    bool high = false;
    uint64_t cpu = mpidr & 0xff;
    for (size_t i = 0; i < step_count(b); i++) {
        const struct board_step *s = &b->step[i];
        high |= s->value == BOARD_ENTRY_HIGH;
        if (s->offset + s->stride * cpu > BOARD_REGISTERS - 4 ||
            (s->value == BOARD_CPU_BIT && cpu > 31)) {
            return false;
        }
    }
    return mpidr == cpu && (high || entry >> 32 == 0);
}

int board_start(const struct board *b, uint64_t base, uint64_t mpidr, uint64_t entry)
{
    if (!can_take(b, mpidr, entry)) {
        return ERR_RANGE;
    }
    for (size_t i = 0; i < step_count(b); i++) {
        const struct board_step *s = &b->step[i];
        mmio_write32(base + s->offset + s->stride * mpidr, value_of(s, mpidr, entry));
    }
    cpu_sev();
    return 0;
}
