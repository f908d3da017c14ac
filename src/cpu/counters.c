// SPDX-License-Identifier: Apache-2.0
#include "cpu/counters.h"

static const struct {
    const char *name, *meaning;
} counter_table[CNT_COUNT] = {
#define X(symbol, name, meaning) [CNT_##symbol] = {name, meaning},
    COUNTERS(X)
#undef X
};

const char *counter_name(enum counter which)
{
    return counter_table[which].name;
}

const char *counter_meaning(enum counter which)
{
    return counter_table[which].meaning;
}
