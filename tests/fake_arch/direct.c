// SPDX-License-Identifier: Apache-2.0
// A machine whose directly used registers keep nothing, and put nothing in reach.
#include "arch/direct.h"

void direct_load(struct direct_regs *r, unsigned breakpoints, unsigned watchpoints)
{
    (void)breakpoints;
    (void)watchpoints;
    r->begun = true;
}

void direct_save(struct direct_regs *r, unsigned breakpoints, unsigned watchpoints)
{
    (void)r;
    (void)breakpoints;
    (void)watchpoints;
}

void direct_read_facts(struct direct_facts *facts)
{
    *facts = (struct direct_facts){0};
}
