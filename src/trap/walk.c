// SPDX-License-Identifier: Apache-2.0
#include "trap/walk.h"

#include "arch/sysreg.h"
#include "lib/bits.h"
#include "vm/vm.h"

struct walk_cpu walk_cpu_of(const struct features *f)
{
    static const uint8_t pa_bits[] = {32, 36, 40, 42, 44, 48, 52};
    int granule_4k = features_field(f, 7, 0, 28), hafdbs = features_field(f, 7, 1, 0);

    return (struct walk_cpu){
        .pa_bits = pa_bits[MIN((size_t)features_field(f, 7, 0, 0), ARRAY_SIZE(pa_bits) - 1)],
        .lva = features_field(f, 7, 2, 16) >= 1,
        .lpa2_4k = granule_4k >= 1 && granule_4k < 8,
        .lpa2_16k = features_field(f, 7, 0, 20) >= 2,
        .small_tables = features_field(f, 7, 2, 28) >= 1,
        .access_flag = hafdbs >= 1,
        .dirty = hafdbs >= 2,
        .hpds = features_field(f, 7, 1, 12) >= 1,
        .e0pd = features_field(f, 7, 2, 60) >= 1,
        .pauth = f->pauth,
        .epan = features_field(f, 7, 1, 20) >= 3,
    };
}

void walk_registers(struct walk_regs *r)
{
    *r = (struct walk_regs){
        .cpu = walk_cpu_of(&features),
        .sctlr = read_sysreg(sctlr_el1),
        .tcr = read_sysreg(tcr_el1),
        .ttbr0 = read_sysreg(ttbr0_el1),
        .ttbr1 = read_sysreg(ttbr1_el1),
        .mair = read_sysreg(mair_el1),
        .el = 1,
    };
}

void walk_registers_of(const struct vcpu *v, struct walk_regs *r)
{
    *r = (struct walk_regs){
        .cpu = walk_cpu_of(&features),
        .sctlr = v->el1.sctlr_el1,
        .tcr = v->el1.tcr_el1,
        .ttbr0 = v->el1.ttbr0_el1,
        .ttbr1 = v->el1.ttbr1_el1,
        .mair = v->el1.mair_el1,
        .el = 1,
    };
}

unsigned walk_level(struct vcpu *v, uint64_t va, uint64_t table)
{
    struct walk_regs r;
    walk_registers(&r);
    int level = walk_until(&v->vm->space.s2, &r, gva(va), gpa(table));
    return (unsigned)MAX(level, 0);
}
