// SPDX-License-Identifier: Apache-2.0
#include "mem/gpa_hash.h"

#include "lib/bits.h"

// tag: the page's number in bits 63:28, the generation's low 28 bits below.
// value: the host page in 47:12, rights 3:0, type 4, level 6:5, valid 7, the generation's next 16
// bits above. At a million changes a second 44 bits last for half a year without a lookup of the
// page.
#define TAG_GENERATION_BITS 28
#define VALUE_VALID         BIT(7)
#define VALUE_ADDRESS       MASK(47, 12)

void gpa_hash_init(struct gpa_hash *h, void *memory, size_t buckets)
{
    h->bucket = memory;
    h->mask = buckets - 1;
}

static uint64_t tag_of(uint64_t page, uint64_t generation)
{
    return page << TAG_GENERATION_BITS | bits_get(generation, TAG_GENERATION_BITS - 1, 0);
}

static uint64_t value_generation(uint64_t generation)
{
    return generation >> TAG_GENERATION_BITS << 48;
}

// Fibonacci hashing: pages that follow each other go far apart.
static struct gpa_bucket *bucket_of(struct gpa_hash *h, uint64_t page)
{
    return &h->bucket[(page * UINT64_C(0x9e3779b97f4a7c15) >> 32) & h->mask];
}

static uint64_t pack(const struct s2_entry *e, uint64_t generation)
{
    return (e->pa.v & VALUE_ADDRESS) | e->rights | (uint64_t)e->type << 4 |
           (uint64_t)e->level << 5 | VALUE_VALID | value_generation(generation);
}

static void unpack(uint64_t value, gpa_t at, struct s2_entry *out)
{
    out->level = (int)bits_get(value, 6, 5);
    out->size = BIT(39 - 9 * out->level);
    out->pa = hpa((value & VALUE_ADDRESS) | (at.v & PAGE_MASK));
    out->rights = (enum s2_rights)bits_get(value, 3, 0);
    out->type = (enum s2_memtype)bits_get(value, 4, 4);
    out->suspended = false;
}

// 0 if the bucket does not hold it, or was written to meanwhile.
static uint64_t find(const struct gpa_bucket *b, uint64_t tag, uint64_t generation)
{
    uint32_t sequence = __atomic_load_n(&b->sequence, __ATOMIC_ACQUIRE);
    uint64_t found = 0;

    for (size_t i = 0; i < GPA_HASH_WAYS && found == 0; i++) {
        uint64_t value = __atomic_load_n(&b->way[i].value, __ATOMIC_RELAXED);

        if (__atomic_load_n(&b->way[i].tag, __ATOMIC_RELAXED) == tag &&
            value >> 48 << 48 == value_generation(generation)) {
            found = value; // 0 if it is empty
        }
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    // It only grows: had it been odd, it would not be the even number below now.
    bool torn = __atomic_load_n(&b->sequence, __ATOMIC_RELAXED) != (sequence & ~1u);

    return torn ? 0 : found;
}

// Gives up where another CPU is writing: it is a hint.
static void insert(struct gpa_bucket *b, uint64_t tag, uint64_t value)
{
    uint32_t sequence = __atomic_load_n(&b->sequence, __ATOMIC_RELAXED);

    if ((sequence & 1) != 0 ||
        !__atomic_compare_exchange_n(&b->sequence, &sequence, sequence + 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
        return;
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    size_t way = b->turn++ % GPA_HASH_WAYS;

    // One page has one entry.
    for (size_t i = 0; i < GPA_HASH_WAYS; i++) {
        way = b->way[i].tag >> TAG_GENERATION_BITS == tag >> TAG_GENERATION_BITS ? i : way;
    }
    __atomic_store_n(&b->way[way].tag, tag, __ATOMIC_RELAXED);
    __atomic_store_n(&b->way[way].value, value, __ATOMIC_RELAXED);
    __atomic_store_n(&b->sequence, sequence + 2, __ATOMIC_RELEASE);
}

// The tables' answer, and a note of it.
static OUTLINE int look_up(struct gpa_bucket *b, const struct stage2 *s2, gpa_t at,
                           uint64_t generation, struct s2_entry *out)
{
    int err = stage2_lookup(s2, at, out);

    if (err == 0 && !out->suspended) {
        insert(b, tag_of(at.v >> PAGE_SHIFT, generation), pack(out, generation));
    }
    return err;
}

int gpa_hash_lookup(struct gpa_hash *h, const struct stage2 *s2, gpa_t at, struct s2_entry *out)
{
    if (at.v >= BIT(s2->ipa_bits)) {
        return stage2_lookup(s2, at, out);
    }
    // Read before the tables are: what changes after this makes the entry stale.
    uint64_t generation = __atomic_load_n(&s2->generation, __ATOMIC_ACQUIRE);
    uint64_t page = at.v >> PAGE_SHIFT, tag = tag_of(page, generation);
    struct gpa_bucket *b = bucket_of(h, page);
    uint64_t value = find(b, tag, generation);

    if (value != 0) {
        unpack(value, at, out);
        return 0;
    }
    return look_up(b, s2, at, generation, out);
}
