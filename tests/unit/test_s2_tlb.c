// SPDX-License-Identifier: Apache-2.0
// Stage 2 against TLBs that keep whatever the architecture lets them keep: at every barrier and
// TLBI of an operation, walks for a set of addresses begin at the root and at every table that a
// walk has met before, and all they find stays cached until an instruction that was really issued
// removes it. When the operation is over nothing may be cached that the tables do not say, and at
// no time two translations of one address that break-before-make should have kept apart.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cache.h"
#include "arena.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/s2_op.h"
#include "mem/stage2_lazy.h"

#define MIB    (UINT64_C(1) << 20)
#define GIB    (UINT64_C(1) << 30)
#define WINDOW (2 * GIB) // from 0 on

static struct pool pool;
static struct stage2 s2;
static struct s2_features features;
static uint64_t rng;

static uint64_t pick(uint64_t n)
{
    return arena_random(&rng) % n;
}

// ---- The TLB

#define SAMPLES 48
#define KEPT    6

struct leaf {
    uint64_t d; // 0: none; without the bits for software
    unsigned level;
};

static struct sample {
    uint64_t ipa;
    struct leaf stage2[KEPT], combined[KEPT];
    uint64_t table[3]; // by level: what an entry for ipa led to; 0: none
} sample[SAMPLES];

static size_t removed, filled;

static bool is_valid_table(uint64_t d, unsigned level)
{
    return level < 3 && (d & (S2D_VALID | S2D_TABLE)) == (S2D_VALID | S2D_TABLE);
}

static uint64_t output(const struct leaf *l, uint64_t ipa)
{
    return (l->d & S2D_ADDRESS) | (ipa & (s2_span(l->level) - 1));
}

// May both be cached for one address (D8.16.1)? Rights alone may differ; sizes and the contiguous
// hint may with support of level 2.
static bool tolerable(const struct leaf *a, const struct leaf *b, uint64_t ipa)
{
    uint64_t kind = ~(S2D_ADDRESS | S2D_RIGHTS | S2D_TABLE | (features.bbm2 ? S2D_CONTIGUOUS : 0));

    return output(a, ipa) == output(b, ipa) && (a->d & kind) == (b->d & kind) &&
           (features.bbm2 || a->level == b->level);
}

static void keep(struct leaf kept[KEPT], struct leaf new, uint64_t ipa)
{
    size_t empty = KEPT;

    for (size_t i = 0; i < KEPT; i++) {
        if (kept[i].d == 0) {
            empty = i;
        } else if (kept[i].d == new.d && kept[i].level == new.level) {
            return;
        } else {
            assert_true(tolerable(&kept[i], &new, ipa));
        }
    }
    assert_true(empty < KEPT);
    kept[empty] = new;
    filled++;
}

static void walk_from(struct sample *s, const uint64_t *table, unsigned level)
{
    for (;; level++) {
        size_t index = (size_t)(s->ipa >> s2_shift(level));
        uint64_t d = table[level == s2.start_level ? index : index % S2_ENTRIES];

        if (is_valid_table(d, level)) {
            s->table[level] = d;
            table = s2d_table(d);
            continue;
        }
        if ((d & S2D_VALID) != 0) {
            keep(s->stage2, (struct leaf){d & ~MASK(58, 55), level}, s->ipa);
        }
        return;
    }
}

static void fill(void)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        struct sample *s = &sample[i];
        uint64_t table[3];

        memcpy(table, s->table, sizeof(table));
        walk_from(s, hpa_ptr(s2.root), s2.start_level);
        for (unsigned l = s2.start_level; l < 3; l++) {
            if (table[l] != 0) {
                walk_from(s, s2d_table(table[l]), l + 1);
                s->table[l] = table[l];
            }
        }
        for (size_t k = 0; k < KEPT; k++) {
            if (s->stage2[k].d != 0) {
                keep(s->combined, s->stage2[k], s->ipa);
            }
        }
    }
}

// ---- TLBI as the architecture has them

struct decoded {
    uint64_t low, high;
    unsigned level; // hint; 0: none
    bool last;
};

static struct decoded decode(const struct fake_cache_call *call)
{
    struct decoded d = {.last = call->last};
    uint64_t x = call->address;

    if (call->op == FAKE_TLBI_IPA) {
        assert_int_equal(bits_get(x, 63, 48), 0);
        assert_int_equal(bits_get(x, 43, 36), 0);
        assert_true(features.ttl || bits_get(x, 47, 44) == 0);
        d.low = bits_get(x, 35, 0) << 12;
        d.high = d.low + PAGE_SIZE;
        if (bits_get(x, 47, 44) != 0) {
            assert_int_equal(bits_get(x, 47, 46), 1); // 4 KiB
            d.level = (unsigned)bits_get(x, 45, 44);
            assert_true(d.level > 0);
        }
    } else {
        assert_true(features.range_tlbi);
        assert_int_equal(bits_get(x, 63, 48), 0);
        assert_int_equal(bits_get(x, 47, 46), 1);
        unsigned scale = (unsigned)bits_get(x, 45, 44);

        d.low = bits_get(x, 36, 0) << 12;
        d.high = d.low + ((bits_get(x, 43, 39) + 1) << (5 * scale + 1)) * PAGE_SIZE;
        d.level = (unsigned)bits_get(x, 38, 37);
    }
    assert_true(d.level == 0 || is_aligned(d.low, s2_span(d.level)));
    return d;
}

static bool reaches(const struct decoded *t, uint64_t ipa, unsigned level)
{
    uint64_t base = align_down(ipa, s2_span(level));

    return base < t->high && t->low < base + s2_span(level);
}

static void remove_by_address(const struct decoded *t)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        struct sample *s = &sample[i];

        for (size_t k = 0; k < KEPT; k++) {
            struct leaf *l = &s->stage2[k];

            if (l->d != 0 && (t->level == 0 || t->level == l->level) &&
                reaches(t, s->ipa, l->level)) {
                l->d = 0;
                removed++;
            }
        }
        for (unsigned l = 0; l < 3 && !t->last && t->level == 0; l++) {
            s->table[l] = reaches(t, s->ipa, l) ? 0 : s->table[l];
        }
    }
}

static void on_call(const struct fake_cache_call *call)
{
    struct decoded t;

    fill();
    switch (call->op) {
    case FAKE_TLBI_IPA:
    case FAKE_TLBI_IPA_RANGE:
        assert_int_equal(call->vttbr, stage2_vttbr(&s2));
        t = decode(call);
        remove_by_address(&t);
        break;
    case FAKE_TLBI_END:
        assert_int_equal(call->vttbr, stage2_vttbr(&s2));
        for (size_t i = 0; i < SAMPLES; i++) {
            memset(sample[i].combined, 0, sizeof(sample[i].combined));
        }
        break;
    case FAKE_TLBI_VMID:
        assert_int_equal(call->vttbr, stage2_vttbr(&s2));
        for (size_t i = 0; i < SAMPLES; i++) {
            sample[i] = (struct sample){.ipa = sample[i].ipa};
        }
        break;
    default:
        return;
    }
    fill();
}

// Afterwards: what is cached is what the tables say.
static void expect_current(const struct sample *s, const struct sample *now)
{
    for (size_t k = 0; k < KEPT; k++) {
        assert_true(s->stage2[k].d == 0 || (s->stage2[k].d == now->stage2[KEPT - 1].d &&
                                            s->stage2[k].level == now->stage2[KEPT - 1].level));
        assert_true(s->combined[k].d == 0 || (s->combined[k].d == now->stage2[KEPT - 1].d &&
                                              s->combined[k].level == now->stage2[KEPT - 1].level));
    }
    for (unsigned l = 0; l < 3; l++) {
        assert_true(s->table[l] == 0 || s->table[l] == now->table[l]);
    }
}

static void expect_no_stale(void)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        struct sample now = {.ipa = sample[i].ipa};

        walk_from(&now, hpa_ptr(s2.root), s2.start_level);
        expect_current(&sample[i], &now);
    }
    fill();
}

// ---- The operations

static void pick_samples(void)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        uint64_t reach = i % 3 == 0 ? 4 * MIB : i % 3 == 1 ? 64 * MIB : GIB;

        sample[i] = (struct sample){.ipa = (GIB - reach + pick(2 * reach)) & ~PAGE_MASK};
    }
}

static uint64_t pick_size(void)
{
    static const uint64_t unit[] = {PAGE_SIZE, PAGE_SIZE, 16 * PAGE_SIZE, 2 * MIB, 32 * MIB};

    return pick(40) == 0 ? GIB : unit[pick(5)] * (1 + pick(4)) + pick(2) * pick(4) * PAGE_SIZE;
}

// Near a sample, aligned as it happens.
static uint64_t pick_address(uint64_t size)
{
    uint64_t at = sample[pick(SAMPLES)].ipa, align = PAGE_SIZE << pick(19);

    at = align_down(at, align) + (pick(4) == 0 ? PAGE_SIZE * pick(4) : 0);
    return MIN(at, WINDOW - size);
}

static enum s2_rights pick_rights(void)
{
    static const enum s2_rights rights[] = {S2_NONE, S2_R,   S2_RW,
                                            S2_RX,   S2_RWX, S2_RW | S2_X_LATER};

    return rights[pick(ARRAY_SIZE(rights))];
}

static void do_map(uint64_t at, uint64_t size)
{
    static const uint64_t offset[] = {0, 0, 4 * GIB, 4 * GIB + 32 * MIB, 4 * GIB + PAGE_SIZE};

    (void)stage2_map_locked(&s2, gpa(at), hpa(at + offset[pick(5)]), size, pick_rights(),
                            pick(16) == 0 ? S2_DEVICE : S2_NORMAL);
}

static void look(struct stage2 *space, hpa_t pa, uint64_t size)
{
    (void)space;
    (void)pa;
    (void)size;
}

static uint64_t moving; // the span

// When a page moves nobody can reach the place it leaves any more.
static void move(struct stage2 *space, unsigned index, hpa_t from, hpa_t to)
{
    (void)space;
    (void)to;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct sample *s = &sample[i];

        for (size_t k = 0; k < KEPT && s->ipa == moving + index * PAGE_SIZE; k++) {
            assert_true(s->combined[k].d == 0 || output(&s->combined[k], s->ipa) != from.v);
        }
    }
}

// All pages of a span, one by one, as populating does it; then one block.
static void do_block(uint64_t at, bool replace)
{
    hpa_t pa = hpa(align_down(at, 2 * MIB) + (replace ? 4 * GIB + PAGE_SIZE : 4 * GIB));

    (void)stage2_unmap_locked(&s2, gpa(align_down(at, 2 * MIB)), 2 * MIB);
    for (uint64_t n = 0; n < 2 * MIB; n += PAGE_SIZE) {
        (void)stage2_map_locked(&s2, gpa(align_down(at, 2 * MIB) + n), hpa(pa.v + n), PAGE_SIZE,
                                S2_RWX, S2_NORMAL);
    }
    expect_no_stale();
    moving = align_down(at, 2 * MIB);
    if (replace) {
        (void)stage2_replace(&s2, gpa(at), hpa(align_down(at, 2 * MIB) + 8 * GIB), S2_RW, move);
    } else {
        (void)stage2_join(&s2, gpa(at));
    }
}

static void operation(void)
{
    uint64_t size = pick_size(), at = pick_address(size);

    switch (pick(32)) {
    case 0:
        stage2_suspend(&s2);
        break;
    case 1:
    case 2:
    case 3:
        (void)stage2_resume(&s2, gpa(at), look);
        break;
    case 4:
        do_block(at, pick(2) != 0);
        break;
    case 5:
        (void)stage2_join(&s2, gpa(at));
        break;
    case 6 ... 12:
        (void)stage2_unmap_locked(&s2, gpa(at), size);
        break;
    case 13 ... 16:
        (void)stage2_override_locked(&s2, gpa(at), size, pick_rights() & S2_RWX);
        break;
    case 17 ... 21:
        (void)stage2_protect_locked(&s2, gpa(at), size, pick_rights());
        break;
    default:
        do_map(at, size);
        break;
    }
}

static void at_random(unsigned ipa_bits, int operations)
{
    struct mem_region ram = {arena_base(), 64 * MIB};

    rng = 3;
    assert_int_equal(frames_init(&ram, 1, NULL, 0), 0);
    assert_int_equal(pool_create(&pool, OWNER_VM, 60), 0);
    stage2_setup(&features);
    fake_cache_hook = NULL;
    assert_int_equal(stage2_init(&s2, &pool, ipa_bits), 0);
    s2.vmid.value = 7;
    removed = filled = 0;
    fake_cache_reset();
    for (int i = 0; i < operations; i++) {
        if (i % 1000 == 0) {
            pick_samples();
        }
        fake_cache_hook = on_call;
        operation();
        fake_cache_hook = NULL;
        expect_no_stale();
    }
    assert_true(removed > 500 && filled > 10000);
    assert_true(fake_cache_count[FAKE_TLBI_IPA] > 0 && fake_cache_count[FAKE_TLBI_VMID] > 0);
    assert_true((fake_cache_count[FAKE_TLBI_IPA_RANGE] > 0) == features.range_tlbi);
}

static void nothing_stale(void **state)
{
    (void)state;
    static const unsigned bits[] = {32, 36, 48};

    for (unsigned i = 0; i < 8; i++) {
        features = (struct s2_features){.pa_bits = 48,
                                        .vmid_bits = 8,
                                        .ttl = (i & 1) != 0,
                                        .range_tlbi = (i & 2) != 0,
                                        .bbm2 = (i & 4) != 0};
        at_random(bits[i % 3], 8000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
