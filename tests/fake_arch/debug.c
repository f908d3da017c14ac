// SPDX-License-Identifier: Apache-2.0
#include "fake_debug.h"

uint64_t fake_debug[DEBUG_KINDS][DEBUG_MAX];
bool fake_os_locked;
unsigned fake_debug_writes;

void debug_register_write(enum debug_kind kind, unsigned n, uint64_t value)
{
    fake_debug[kind][n] = value;
    fake_debug_writes++;
}

void debug_os_lock(bool locked)
{
    fake_os_locked = locked;
}
