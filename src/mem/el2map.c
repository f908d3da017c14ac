// SPDX-License-Identifier: Apache-2.0
#include "mem/el2map.h"

#include "arch/cache.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/spinlock.h"
#include "mem/frames.h"

#define ENTRIES     512u
#define VA_BITS     48
#define VALID       BIT(0)
#define TABLE       BIT(1) // a table at levels 0 to 2; a page at level 3
#define ATTR(n)     ((uint64_t)(n) << 2)
#define AP1_RES1    BIT(6) // one privilege level only (D8.4.1)
#define READ_ONLY   BIT(7)
#define SH_INNER    (UINT64_C(3) << 8)
#define AF          BIT(10)
#define XN          BIT(54)
#define ADDRESS     MASK(47, 12)
#define ATTR_NORMAL 0 // index into MAIR_EL2
#define ATTR_DEVICE 1
#define MAIR_NORMAL UINT64_C(0xff) // write-back, read- and write-allocate, inner and outer
#define MAIR_DEVICE UINT64_C(0x04) // Device-nGnRE

#define EARLY_TABLES 96

// A table for each 2 MiB that the image touches, a few for devices, and two for each end of a RAM
// region that is not aligned.
static uint64_t early[EARLY_TABLES][ENTRIES] __attribute__((aligned(4096)));
static size_t early_used;
static uint64_t *root;
static bool live;
static struct spinlock lock;

static const uint64_t leaf_bits[] = {
    [EL2_NORMAL_RW] = ATTR(ATTR_NORMAL) | SH_INNER | XN,
    [EL2_NORMAL_RO] = ATTR(ATTR_NORMAL) | SH_INNER | XN | READ_ONLY,
    [EL2_TEXT_RX] = ATTR(ATTR_NORMAL) | SH_INNER | READ_ONLY,
    [EL2_DEVICE_RW] = ATTR(ATTR_DEVICE) | XN,
};

struct request {
    uint64_t attributes;
    bool pages_only; // no blocks
    bool keep;       // what is mapped already stays, whatever its attributes
};

static unsigned shift(unsigned level)
{
    return 39 - 9 * level;
}

static bool is_table(uint64_t d, unsigned level)
{
    return level < 3 && (d & (VALID | TABLE)) == (VALID | TABLE);
}

static uint64_t *table_of(uint64_t d)
{
    return hpa_ptr(hpa(d & ADDRESS));
}

// NOLINTNEXTLINE(readability-non-const-parameter)
static void store(uint64_t *entry, uint64_t d)
{
    __atomic_store_n(entry, d, __ATOMIC_RELEASE);
}

static void enter(void)
{
    if (live) {
        spin_lock(&lock);
    }
}

static void leave(void)
{
    if (live) {
        cache_dsb_ish();
        cache_isb();
        spin_unlock(&lock);
    }
}

// A table of zeroes; NULL if there is none.
static uint64_t *new_table(void)
{
    hpa_t page;

    if (early_used < EARLY_TABLES) {
        uint64_t *table = early[early_used++];

        for (size_t i = 0; i < ENTRIES; i++) {
            table[i] = 0;
        }
        return table;
    }
    if (!live || frames_alloc(OWNER_NEWEL, 1, 1, &page) != 0) {
        return NULL;
    }
    zero_pages(hpa_ptr(page), PAGE_SIZE);
    return hpa_ptr(page);
}

static uint64_t leaf(uint64_t address, unsigned level, uint64_t attributes)
{
    return address | attributes | AF | AP1_RES1 | VALID | (level == 3 ? TABLE : 0);
}

// The table below the entry, made if there is none yet; a block is replaced by 512 equal parts.
// NULL if there is no memory, or if a block would have to be split under CPUs that use it.
static uint64_t *table_below(uint64_t *entry, unsigned level, int *err)
{
    uint64_t d = *entry;

    if (is_table(d, level)) {
        return table_of(d);
    }
    if (d != 0 && live) {
        *err = ERR_BUSY;
        return NULL;
    }
    uint64_t *table = new_table();

    if (table == NULL) {
        *err = ERR_NOMEM;
        return NULL;
    }
    for (size_t i = 0; d != 0 && i < ENTRIES; i++) {
        table[i] = (d + i * BIT(shift(level + 1))) | (level + 1 == 3 ? TABLE : 0);
    }
    store(entry, ptr_hpa(table).v | VALID | TABLE);
    return table;
}

static bool fits_block(const struct request *r, unsigned level, uint64_t size)
{
    return level == 3 || (!r->pages_only && level > 0 && size == BIT(shift(level)));
}

// What an entry that maps something has, without its address and kind.
static uint64_t attributes_of(uint64_t d)
{
    return d & ~(ADDRESS | VALID | TABLE | AF | AP1_RES1);
}

static int map_level(const struct request *r, uint64_t *table, unsigned level, uint64_t at,
                     uint64_t end)
{
    int err = 0;

    for (uint64_t n; at < end && err == 0; at += n) {
        uint64_t *entry = &table[(at >> shift(level)) % ENTRIES];
        uint64_t d = *entry;

        n = MIN(align_down(at, BIT(shift(level))) + BIT(shift(level)), end) - at;
        if (d != 0 && !is_table(d, level)) {
            err = r->keep || attributes_of(d) == r->attributes ? 0 : ERR_EXISTS;
        } else if (d == 0 && fits_block(r, level, n)) {
            store(entry, leaf(at, level, r->attributes));
        } else {
            uint64_t *below = table_below(entry, level, &err);

            err = below != NULL ? map_level(r, below, level + 1, at, at + n) : err;
        }
    }
    return err;
}

static int map(hpa_t base, uint64_t size, const struct request *r)
{
    if (!is_aligned(base.v | size, PAGE_SIZE)) {
        return ERR_INVALID;
    }
    if (!range_fits(base.v, size, BIT(VA_BITS))) {
        return ERR_RANGE;
    }
    // No kind may be added that is writable and executable.
    CHECK((r->attributes & (READ_ONLY | XN)) != 0);
    enter();
    int err = map_level(r, root, 0, base.v, base.v + size);

    leave();
    return err;
}

int el2_map_range(hpa_t base, uint64_t size, enum el2_attrs attrs)
{
    return map(base, size, &(struct request){.attributes = leaf_bits[attrs]});
}

int el2_map_by_pages(hpa_t base, uint64_t size, enum el2_attrs attrs)
{
    return map(base, size, &(struct request){.attributes = leaf_bits[attrs], .pages_only = true});
}

int el2_map_ram(uint64_t base, uint64_t size)
{
    uint64_t start = align_up(base, PAGE_SIZE), end = align_down(base + size, PAGE_SIZE);

    if (base + size < base || start < base) {
        return ERR_RANGE;
    }
    if (start >= end) {
        return 0;
    }
    return map(hpa(start), end - start,
               &(struct request){.attributes = leaf_bits[EL2_NORMAL_RW], .keep = true});
}

static int map_section(const struct el2_range *r, enum el2_attrs attrs)
{
    if (r->size == 0) {
        return 0;
    }
    int err = attrs == EL2_NORMAL_RW ? el2_map_by_pages(hpa(r->base), r->size, attrs)
                                     : el2_map_range(hpa(r->base), r->size, attrs);

    return err == ERR_EXISTS ? ERR_INVALID : err;
}

int el2_map_init(const struct el2_image *image)
{
    live = false;
    early_used = 0;
    root = new_table();
    int err = map_section(&image->text, EL2_TEXT_RX);

    if (err == 0) {
        err = map_section(&image->rodata, EL2_NORMAL_RO);
    }
    if (err == 0) {
        err = map_section(&image->data, EL2_NORMAL_RW);
    }
    return err;
}

static int unmap_page(uint64_t at)
{
    uint64_t *table = root;
    int err = 0;

    for (unsigned level = 0; level < 3; level++) {
        uint64_t *entry = &table[(at >> shift(level)) % ENTRIES];

        if (*entry == 0) {
            return ERR_NOENT;
        }
        table = table_below(entry, level, &err);
        if (table == NULL) {
            return err;
        }
    }
    uint64_t *entry = &table[(at >> PAGE_SHIFT) % ENTRIES];

    if (*entry == 0) {
        return ERR_NOENT;
    }
    store(entry, 0);
    return 0;
}

int el2_unmap_page(hpa_t page)
{
    if (!is_aligned(page.v, PAGE_SIZE)) {
        return ERR_INVALID;
    }
    if (page.v >= BIT(VA_BITS)) {
        return ERR_NOENT;
    }
    enter();
    int err = unmap_page(page.v);

    if (err == 0 && live) {
        cache_dsb_ishst();
        tlbi_el2_va(page.v);
    }
    leave();
    return err;
}

int el2_map_query(uint64_t address, enum el2_attrs *attrs)
{
    const uint64_t *table = root;
    uint64_t d = 0;

    if (root == NULL || address >= BIT(VA_BITS)) {
        return ERR_NOENT;
    }
    for (unsigned level = 0; level <= 3; level++) {
        d = __atomic_load_n(&table[(address >> shift(level)) % ENTRIES], __ATOMIC_ACQUIRE);
        if (!is_table(d, level)) {
            break;
        }
        table = table_of(d);
    }
    for (size_t i = 0; d != 0 && i < ARRAY_SIZE(leaf_bits); i++) {
        if (attributes_of(d) == leaf_bits[i]) {
            *attrs = (enum el2_attrs)i;
            return 0;
        }
    }
    return ERR_NOENT;
}

void el2_map_flush_early(void)
{
    dcache_inval_poc(early, sizeof(early));
    cache_dsb_ish();
}

void el2_map_live(void)
{
    live = true;
}

uint64_t el2_map_ttbr(void)
{
    return ptr_hpa(root).v;
}

uint64_t el2_map_mair(void)
{
    return MAIR_NORMAL << (8 * ATTR_NORMAL) | MAIR_DEVICE << (8 * ATTR_DEVICE);
}

// D19.2.140, HCR_EL2.E2H = 0
uint64_t el2_map_tcr(unsigned pa_bits)
{
    uint64_t size = pa_bits >= 48   ? 5
                    : pa_bits >= 44 ? 4
                    : pa_bits >= 42 ? 3
                    : pa_bits >= 40 ? 2
                    : pa_bits >= 36 ? 1
                                    : 0;

    return BIT(31) | BIT(23)                                          // RES1
           | size << 16                                               // PS
           | UINT64_C(3) << 12 | UINT64_C(1) << 10 | UINT64_C(1) << 8 // walks: inner shareable, WB
           | (64 - VA_BITS);                                          // T0SZ
}
