// SPDX-License-Identifier: Apache-2.0
// What a change of the tables has to remove from the TLBs: gathered entry by entry, then done at
// once by the cheapest instructions that the CPU has and that reach all of it.
#include "arch/cache.h"
#include "mem/s2_op.h"

// Entries up to which a range is invalidated one by one where the CPU has no range operations; for
// more, all of the VM's TLB entries go.
#define FLUSH_ONE_BY_ONE 64

void s2_note(struct s2_op *op, uint64_t ipa, unsigned level)
{
    struct s2_flush *f = &op->flush;

    if (f->entries == 0) {
        f->low = ipa;
        f->level = (uint8_t)level;
    }
    f->low = MIN(f->low, ipa);
    f->high = MAX(f->high, ipa + s2_span(level));
    f->level = f->level == level ? (uint8_t)level : 0;
    f->entries++;
    f->changed = true;
}

void s2_note_table(struct s2_op *op, uint64_t ipa, unsigned level)
{
    s2_note(op, ipa, level);
    op->flush.tables = true;
}

// ---- Operands (Arm ARM C5.5, TLBI IPAS2E1IS and TLBI RIPAS2E1IS)

#define OPERAND_4K        UINT64_C(1) // TTL[3:2], and TG, for the granule of these tables
#define RANGE_SCALES      4u
#define RANGE_UNITS       32u // NUM + 1 at most
#define RANGE_UNIT(scale) (PAGE_SIZE << (5 * (scale) + 1))
#define RANGE_MAX         (RANGE_UNITS * RANGE_UNIT(RANGE_SCALES - 1)) // 8 GiB
#define RANGE_BASE        MASK(36, 0)
#define SINGLE_TTL(level) ((OPERAND_4K << 2 | (level)) << 44)

// level: of the leaf, 1 to 3; 0 if that is not known.
static uint64_t single_operand(uint64_t ipa, unsigned level)
{
    return ipa >> PAGE_SHIFT | (s2_features()->ttl && level != 0 ? SINGLE_TTL(level) : 0);
}

static uint64_t range_operand(uint64_t ipa, uint64_t units, unsigned scale, unsigned level)
{
    return OPERAND_4K << 46 | (uint64_t)scale << 44 | (units - 1) << 39 | (uint64_t)level << 37 |
           (ipa >> PAGE_SHIFT & RANGE_BASE);
}

// ---- Flushing

// One instruction for all of the range, and a little more, as the units of its size have it.
static void flush_range(const struct s2_flush *f, unsigned level)
{
    for (unsigned scale = 0; scale < RANGE_SCALES; scale++) {
        uint64_t units = align_up(f->high - f->low, RANGE_UNIT(scale)) / RANGE_UNIT(scale);

        if (units <= RANGE_UNITS) {
            tlbi_ipa_range(range_operand(f->low, units, scale, level), !f->tables);
            return;
        }
    }
}

static void flush_entries(const struct s2_flush *f, unsigned level, uint64_t step)
{
    for (uint64_t at = f->low; at < f->high; at += step) {
        tlbi_ipa(single_operand(at, level), !f->tables);
    }
}

void s2_flush_tlb(struct s2_op *op)
{
    struct s2_flush *f = &op->flush;
    // Where tables went, what was noted of them may have held pages anywhere.
    unsigned level = f->tables ? 0 : f->level;
    uint64_t step = level != 0 ? s2_span(level) : PAGE_SIZE, steps = (f->high - f->low) / step;
    bool ranges = s2_features()->range_tlbi && steps > 1;

    if (f->entries == 0) {
        return;
    }
    cache_dsb_ishst();
    // A CPU that gave the VM another VMID meanwhile has read either the new descriptors or is seen
    // to have done so.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint64_t vttbr = stage2_vttbr(op->s2);

    if (f->high - f->low > (ranges ? RANGE_MAX : FLUSH_ONE_BY_ONE * step)) {
        tlbi_vmid(vttbr);
    } else {
        struct tlbi_regime old = tlbi_begin(vttbr);

        if (ranges) {
            flush_range(f, level);
        } else {
            flush_entries(f, level, step);
        }
        tlbi_end(vttbr, &old);
    }
    *f = (struct s2_flush){.changed = true};
}
