// SPDX-License-Identifier: Apache-2.0
// What a fuzzer takes for a find when it does not hold: it says where, and ends there.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(cond)                                                  \
    do {                                                               \
        if (!(cond)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                   \
        }                                                              \
    } while (0)
