// SPDX-License-Identifier: Apache-2.0
// The shape of a guest's stage-1 walk (Arm ARM D8.2), without its permissions.
#include "trap/walk.h"

#include "arch/sysreg.h"
#include "lib/bits.h"
#include "mem/guest.h"
#include "vm/vm.h"

#include <stdbool.h>

#define DESC_TYPE(d)    ((d)&3)
#define DESC_TYPE_TABLE 3

struct regime {
    uint64_t table; // guest-physical
    unsigned granule_shift, va_bits;
};

static struct regime regime_of(uint64_t va)
{
    static const uint8_t granules0[] = {12, 16, 14, 12}; // TCR_EL1.TG0; 3 is reserved
    static const uint8_t granules1[] = {12, 14, 12, 16}; // TG1; 0 is reserved
    uint64_t tcr = read_sysreg(tcr_el1);
    bool upper = (va & BIT(55)) != 0;
    uint64_t ttbr = upper ? read_sysreg(ttbr1_el1) : read_sysreg(ttbr0_el1);
    unsigned size = (unsigned)(upper ? bits_get(tcr, 21, 16) : bits_get(tcr, 5, 0));
    return (struct regime){
        .table = ttbr & MASK(47, 1),
        .granule_shift =
            upper ? granules1[bits_get(tcr, 31, 30)] : granules0[bits_get(tcr, 15, 14)],
        .va_bits = 64 - MIN(MAX(size, 16u), 48u),
    };
}

static unsigned start_level(const struct regime *r)
{
    unsigned stride = r->granule_shift - 3;
    unsigned levels = (r->va_bits - r->granule_shift + stride - 1) / stride;
    return 4 - MIN(levels, 4u);
}

// Where the level's descriptor for va lies.
static uint64_t descriptor(const struct regime *r, uint64_t va, unsigned level, bool first)
{
    unsigned stride = r->granule_shift - 3;
    unsigned shift = r->granule_shift + (3 - level) * stride;
    unsigned bits = first ? r->va_bits - shift : stride;
    uint64_t index = bits_get(va, shift + bits - 1, shift);
    return (r->table & ~(BIT(bits + 3) - 1)) | (index << 3);
}

unsigned walk_level(struct vcpu *v, uint64_t va, uint64_t table)
{
    struct regime r = regime_of(va);
    unsigned start = start_level(&r);
    for (unsigned level = start; level < 3; level++) {
        uint64_t at = descriptor(&r, va, level, level == start);
        uint64_t d;
        if ((at & ~PAGE_MASK) == table ||
            guest_read(&v->vm->space.s2, &d, gpa(at), sizeof(d)) != 0 ||
            DESC_TYPE(d) != DESC_TYPE_TABLE) {
            return level;
        }
        r.table = d & MASK(47, 12);
    }
    return 3;
}
