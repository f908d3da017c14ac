// SPDX-License-Identifier: Apache-2.0
#include "mem/scan.h"

#include "arch/at.h"
#include "arch/sysreg.h"
#include "lib/bits.h"

// Descriptors in a page of stage 2, the least that it withholds.
#define DESCRIPTORS_SHIFT (PAGE_SHIFT - 3)

// The part of a half that is left to look at.
struct region {
    struct walk_half half;
    uint64_t last; // address
};

// The last address that 2^shift bytes, aligned, share with va; no more than the region has.
static uint64_t end_of(const struct region *region, uint64_t va, unsigned shift)
{
    return shift >= 64 ? region->last : MIN(va | (BIT(shift) - 1), region->last);
}

static unsigned level_shift(const struct region *region, int level)
{
    return region->half.page_bits + (region->half.page_bits - 3) * (unsigned)(3 - level);
}

static void hole(struct scan_run *piece, const struct region *region, int level)
{
    piece->kind = SCAN_HOLE;
    piece->last = end_of(region, piece->va, level_shift(region, level));
}

static void leaf(struct scan_run *piece, const struct region *region, const struct walk_result *w)
{
    piece->kind = SCAN_MAPPED;
    piece->last = MIN(piece->va | (w->size - 1), region->last);
    piece->ipa = w->ipa;
    piece->attributes = w->attributes;
    piece->shareability = w->shareability;
}

// Stage 2 stopped the CPU's walk. The walk in software populates what was not touched yet; where it
// is stopped as well, so is it for all descriptors in the same page. The level of stage 2's fault
// says nothing about stage 1.
static void by_software(const struct scan *s, struct scan_run *piece, const struct region *region)
{
    struct walk_result w;

    walk_look(s->s2, s->regs, gva(piece->va), &w, &piece->rights);
    if (w.fault == WALK_OK) {
        leaf(piece, region, &w);
    } else if (w.stage2) {
        piece->kind = SCAN_UNREADABLE;
        piece->last =
            end_of(region, piece->va, level_shift(region, w.walk_level) + DESCRIPTORS_SHIFT);
    } else {
        hole(piece, region, w.level);
    }
}

// AT has found a leaf; PAR_EL1 does not tell its size. If it is gone by now, no more than the least
// that a leaf maps is.
static void mapped(const struct scan *s, struct scan_run *piece, const struct region *region)
{
    struct walk_result w;

    walk_look(s->s2, s->regs, gva(piece->va), &w, &piece->rights);
    if (w.fault == WALK_OK) {
        leaf(piece, region, &w);
    } else {
        hole(piece, region, 3);
    }
}

// Level -1 has codes of its own.
static bool is_hole(unsigned fst, int *level)
{
    *level = fst >= 0x29 ? -1 : (int)(fst & 3);
    return fst < WALK_ACCESS_FLAG || fst == 0x29 || fst == 0x2b;
}

static void probe(struct scan *s, struct scan_run *piece, const struct region *region)
{
    uint64_t par = at_stage1(piece->va, false, false);
    unsigned fst = (unsigned)PAR_FST(par);
    int level;

    bool failed = (par & PAR_F) != 0, stage2 = failed && (par & PAR_STAGE2) != 0;

    s->ats++;
    if (failed && !stage2 && is_hole(fst, &level)) {
        hole(piece, region, level);
    } else if (!failed || (!stage2 && fst < WALK_PERMISSION + 4)) { // or an access flag's
        mapped(s, piece, region);
    } else {
        by_software(s, piece, region);
    }
}

// Stage 1 off: all that there can be is there.
static void flat(const struct walk_regs *r, struct scan_run *piece)
{
    uint64_t end = BIT(r->cpu.pa_bits);

    piece->last = UINT64_MAX;
    if (piece->va < end) {
        *piece = (struct scan_run){
            .va = piece->va,
            .last = end - 1,
            .kind = SCAN_MAPPED,
            .ipa = gpa(piece->va),
            .rights = {7, 7},
            .shareability = 2, // Device-nGnRnE
        };
    }
}

// What there is at the cursor: [va, last] with last possibly beyond the scan's.
static void look(struct scan *s, struct scan_run *piece)
{
    struct region low, high;
    const struct walk_regs *r = s->regs;

    if ((r->sctlr & SCTLR_M) == 0) {
        flat(r, piece);
        return;
    }
    bool has_low = walk_half(r, false, &low.half), has_high = walk_half(r, true, &high.half);
    uint64_t high_first = has_high ? -BIT(high.half.input_bits) : 0; // 0: there is none

    low.last = has_low ? BIT(low.half.input_bits) - 1 : 0; // else it may be 64 bits, by TnSZ
    high.last = UINT64_MAX;
    if (has_low && piece->va <= low.last) {
        probe(s, piece, &low);
    } else if (has_high && piece->va >= high_first) {
        probe(s, piece, &high);
    } else {
        piece->last = high_first - 1;
    }
}

void scan_start(struct scan *s, struct stage2 *s2, const struct walk_regs *regs, gva_t first,
                gva_t last)
{
    *s = (struct scan){.s2 = s2, .regs = regs, .next = first.v, .last = last.v};
    s->ended = first.v > last.v;
}

static void advance(struct scan *s, struct scan_run *piece)
{
    piece->last = MIN(piece->last, s->last);
    s->ended = piece->last == s->last;
    s->next = piece->last + 1;
    s->leaves += piece->kind == SCAN_MAPPED;
    s->holes += piece->kind == SCAN_HOLE && !s->in_hole;
    s->in_hole = piece->kind == SCAN_HOLE;
}

static bool joins(const struct scan_run *a, const struct scan_run *b)
{
    return a->kind == b->kind && a->last + 1 == b->va &&
           (a->kind != SCAN_MAPPED ||
            (a->ipa.v + (a->last - a->va) + 1 == b->ipa.v && a->rights.el1 == b->rights.el1 &&
             a->rights.el0 == b->rights.el0 && a->attributes == b->attributes &&
             a->shareability == b->shareability));
}

// Is there a run that the piece does not go on? Then *out has it, and the piece is in its place.
static bool add(struct scan *s, const struct scan_run *piece, struct scan_run *out)
{
    if (joins(&s->run, piece)) {
        s->run.last = piece->last;
        return false;
    }
    *out = s->run;
    s->run = *piece;
    return out->kind != SCAN_HOLE;
}

enum scan_status scan_next(struct scan *s, unsigned *steps, struct scan_run *out)
{
    while (!s->ended) {
        struct scan_run piece = {.va = s->next};

        if (*steps == 0) {
            return SCAN_PAUSED;
        }
        --*steps;
        look(s, &piece);
        advance(s, &piece);
        if (add(s, &piece, out)) {
            return SCAN_FOUND;
        }
    }
    const struct scan_run nothing = {.kind = SCAN_HOLE};

    return add(s, &nothing, out) ? SCAN_FOUND : SCAN_ENDED;
}
