// SPDX-License-Identifier: Apache-2.0
#include "arch/debug.h"

#include "arch/sysreg.h"

// The number is part of the instruction.
#define CASE(name, n)                       \
    case n:                                 \
        write_sysreg(name##n##_el1, value); \
        break;
#define CASES(name) \
    CASE(name, 0)   \
    CASE(name, 1)   \
    CASE(name, 2)   \
    CASE(name, 3)   \
    CASE(name, 4)   \
    CASE(name, 5)   \
    CASE(name, 6)   \
    CASE(name, 7)   \
    CASE(name, 8)   \
    CASE(name, 9)   \
    CASE(name, 10)  \
    CASE(name, 11)  \
    CASE(name, 12)  \
    CASE(name, 13)  \
    CASE(name, 14)  \
    CASE(name, 15)
#define WRITE(name)                                           \
    static void write_##name(unsigned number, uint64_t value) \
    {                                                         \
        switch (number) {                                     \
            CASES(name)                                       \
        default:                                              \
            break;                                            \
        }                                                     \
    }

WRITE(dbgbvr)
WRITE(dbgbcr)
WRITE(dbgwvr)
WRITE(dbgwcr)

void debug_register_write(enum debug_kind kind, unsigned n, uint64_t value)
{
    static void (*const write[DEBUG_KINDS])(unsigned number, uint64_t value) = {
        [DEBUG_BVR] = write_dbgbvr,
        [DEBUG_BCR] = write_dbgbcr,
        [DEBUG_WVR] = write_dbgwvr,
        [DEBUG_WCR] = write_dbgwcr,
    };
    write[kind](n, value);
}

void debug_os_lock(bool locked)
{
    write_sysreg(oslar_el1, locked);
}
