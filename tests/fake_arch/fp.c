// SPDX-License-Identifier: Apache-2.0
// The host's stand-in for the FP/SIMD registers: one copy of them.
#include "arch/fp.h"
#include "cpu/switch.h"

static struct fp_regs machine;

void fp_save(struct fp_regs *to)
{
    *to = machine;
}

void fp_restore(const struct fp_regs *from)
{
    machine = *from;
}

void fp_load(struct vcpu *v)
{
    machine = v->fp;
    v->fp_live = true;
}

void fp_view(struct vcpu *v)
{
    if (!v->fp_live) {
        fp_load(v);
    }
    fp_save(&v->fp);
}

void fp_update(struct vcpu *v, uint32_t written)
{
    (void)written;
    fp_restore(&v->fp);
}

// What the guest is shown, as vm.c would have it.
bool sve_load(struct vcpu *v)
{
    v->sve_whole = v->sve != NULL;
    return v->sve_whole;
}

void pauth_load(struct vcpu *v)
{
    (void)v;
}
