// SPDX-License-Identifier: Apache-2.0
// System registers that come in sixteen, by their number: DEFINE_NUMBERED(bvr, dbg, _el1) defines
// write_bvr(n, value) and read_bvr(n), of DBGBVR<n>_EL1.
#pragma once

#include "sysreg.h"

#define NUMBERED_EACH(X, p, k, s) \
    X(p, k, 0, s)                 \
    X(p, k, 1, s)                 \
    X(p, k, 2, s)                 \
    X(p, k, 3, s)                 \
    X(p, k, 4, s)                 \
    X(p, k, 5, s)                 \
    X(p, k, 6, s)                 \
    X(p, k, 7, s)                 \
    X(p, k, 8, s)                 \
    X(p, k, 9, s)                 \
    X(p, k, 10, s) X(p, k, 11, s) X(p, k, 12, s) X(p, k, 13, s) X(p, k, 14, s) X(p, k, 15, s)
#define NUMBERED_WRITE(prefix, kind, n, suffix)       \
    case n:                                           \
        write_sysreg(prefix##kind##n##suffix, value); \
        break;
#define NUMBERED_READ(prefix, kind, n, suffix) \
    case n:                                    \
        return read_sysreg(prefix##kind##n##suffix);
#define DEFINE_NUMBERED(kind, prefix, suffix)                   \
    static void write_##kind(unsigned n, uint64_t value)        \
    {                                                           \
        switch (n) {                                            \
            NUMBERED_EACH(NUMBERED_WRITE, prefix, kind, suffix) \
        }                                                       \
    }                                                           \
    static uint64_t read_##kind(unsigned n)                     \
    {                                                           \
        switch (n) {                                            \
            NUMBERED_EACH(NUMBERED_READ, prefix, kind, suffix)  \
        }                                                       \
        return 0;                                               \
    }
