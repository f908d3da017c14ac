// SPDX-License-Identifier: Apache-2.0
#include "cache/walk.h"

#include "cache/lines.h"
#include "qemu_api.h"

#include <stdio.h>
#include <string.h>

#define VALID           1u
#define TABLE           2u
#define STAGE1_READONLY (UINT64_C(1) << 7)
#define STAGE2_WRITE    (UINT64_C(1) << 7)

static const char *const names[REG_X0] = {
    [REG_CPSR] = "cpsr",           [REG_CTR] = "CTR_EL0",     [REG_SCTLR_EL1] = "SCTLR",
    [REG_SCTLR_EL2] = "SCTLR_EL2", [REG_HCR] = "HCR_EL2",     [REG_TCR] = "TCR_EL1",
    [REG_TTBR0] = "TTBR0_EL1",     [REG_TTBR1] = "TTBR1_EL1", [REG_VTTBR] = "VTTBR_EL2",
    [REG_VTCR] = "VTCR_EL2",
};

static struct qemu_plugin_register *handles[REGS];
char *ram_host;

static bool is_named(enum reg reg, const char *name)
{
    char x[8];

    if (reg < REG_X0) {
        return strcmp(name, names[reg]) == 0;
    }
    snprintf(x, sizeof(x), "x%d", reg - REG_X0);
    return strcmp(name, x) == 0;
}

bool registers_setup(void)
{
    const GArray *all = qemu_plugin_get_registers();
    const qemu_plugin_reg_descriptor *d = (const qemu_plugin_reg_descriptor *)all->data;

    for (enum reg reg = 0; reg < REGS; reg++) {
        for (unsigned i = 0; i < all->len && !handles[reg]; i++) {
            if (is_named(reg, d[i].name)) {
                handles[reg] = d[i].handle;
            }
        }
        if (!handles[reg]) {
            fprintf(stderr, "newel-cache: QEMU does not tell register %d\n", reg);
            return false;
        }
    }
    return true;
}

uint64_t read_register(enum reg reg)
{
    static __thread GByteArray *buffer;
    uint64_t value = 0;

    if (!buffer) {
        buffer = g_byte_array_new();
    }
    g_byte_array_set_size(buffer, 0);
    qemu_plugin_read_register(handles[reg], buffer);
    memcpy(&value, buffer->data, buffer->len < sizeof(value) ? buffer->len : sizeof(value));
    return value;
}

uint64_t read_ram(uint64_t pa)
{
    uint64_t value = 0;

    if (ram_host && line_at(pa)) {
        memcpy(&value, ram_host + (pa - ram_start), sizeof(value));
    }
    return value;
}

// ---- A stage's walk. The address bits of descriptors are those without 52-bit addresses.

// Newel's own bits in stage-2 entries that are not valid for the moment: the CPU's walk ends there,
// Newel makes them valid again with what they say, and the instruction comes again. QEMU lets cache
// maintenance pass where no walk succeeds, so it does not come again and has to be taken for done.
#define RETURNS (UINT64_C(1) << 55 | UINT64_C(1) << 57)

struct stage {
    uint64_t present; // one of these bits makes an entry an entry
    uint64_t root;
    unsigned granule; // log2
    unsigned level;   // where it starts
    bool (*to_pa)(uint64_t address, uint64_t *pa);
};

static bool to_itself(uint64_t address, uint64_t *pa)
{
    *pa = address;
    return true;
}

static bool is_leaf(uint64_t descriptor, unsigned level)
{
    return level == 3 ? (descriptor & TABLE) != 0 : (descriptor & TABLE) == 0;
}

// The leaf's descriptor, and how many low bits of the address it leaves as they are; 0 at a hole.
static uint64_t leaf(const struct stage *s, uint64_t address, unsigned *low)
{
    uint64_t table = s->root;

    for (unsigned level = s->level; level <= 3; level++) {
        unsigned shift = s->granule + (3 - level) * (s->granule - 3);
        uint64_t index = address >> shift, at, descriptor;

        if (level != s->level) { // a root may be longer than a table
            index &= (UINT64_C(1) << (s->granule - 3)) - 1;
        }
        if (!s->to_pa(table + index * 8, &at)) {
            return 0;
        }
        descriptor = read_ram(at);
        if ((descriptor & s->present) == 0) {
            return 0;
        }
        if (is_leaf(descriptor, level)) {
            *low = shift;
            return descriptor;
        }
        table = descriptor & TABLE_ADDRESS & -(UINT64_C(1) << s->granule);
    }
    return 0;
}

static uint64_t leaf_address(uint64_t descriptor, uint64_t address, unsigned low)
{
    uint64_t within = (UINT64_C(1) << low) - 1;

    return (descriptor & TABLE_ADDRESS & ~within) | (address & within);
}

unsigned stage2_start_level(uint64_t vtcr)
{
    unsigned sl0 = vtcr >> 6 & 3, tg0 = vtcr >> 14 & 3;

    return (tg0 == 0 ? 2 : 3) - sl0;
}

static unsigned granule_of(unsigned tg0)
{
    return tg0 == 0 ? 12 : tg0 == 1 ? 16 : 14;
}

static bool stage2(uint64_t ipa, uint64_t *pa, bool *writable)
{
    if ((read_register(REG_HCR) & (HCR_VM | HCR_DC)) == 0) {
        *pa = ipa;
        *writable = true;
        return true;
    }
    uint64_t vtcr = read_register(REG_VTCR);
    struct stage s = {
        .present = VALID | RETURNS,
        .root = read_register(REG_VTTBR) & TABLE_ADDRESS & ~UINT64_C(1),
        .granule = granule_of(vtcr >> 14 & 3),
        .level = stage2_start_level(vtcr),
        .to_pa = to_itself,
    };
    unsigned low;
    uint64_t descriptor = leaf(&s, ipa, &low);

    *pa = leaf_address(descriptor, ipa, low);
    *writable = (descriptor & STAGE2_WRITE) != 0;
    return descriptor != 0;
}

static bool through_stage2(uint64_t ipa, uint64_t *pa)
{
    bool writable;

    return stage2(ipa, pa, &writable);
}

static struct stage stage1_of(uint64_t va, unsigned *bits)
{
    static const unsigned tg1[] = {12, 14, 12, 16};
    uint64_t tcr = read_register(REG_TCR);
    bool high = va >> 55 & 1;
    uint64_t ttbr = read_register(high ? REG_TTBR1 : REG_TTBR0);
    struct stage s = {.present = VALID, .root = ttbr & TABLE_ADDRESS, .to_pa = through_stage2};

    s.granule = high ? tg1[tcr >> 30 & 3] : granule_of(tcr >> 14 & 3);
    *bits = 64 - (high ? tcr >> 16 & 63 : tcr & 63);
    s.level = 3 - (*bits - s.granule - 1) / (s.granule - 3);
    return s;
}

enum walk_result walk(uint64_t va, unsigned el, struct walk *found)
{
    bool stage1_writable = true, stage2_writable = true;
    uint64_t ipa = va;

    *found = (struct walk){.pa = va, .writable = true};
    if (el >= 2) {
        return WALK_FOUND;
    }
    if ((read_register(REG_SCTLR_EL1) & SCTLR_M) && !(read_register(REG_HCR) & HCR_DC)) {
        unsigned bits, low;
        struct stage s = stage1_of(va, &bits);
        uint64_t in_range = va & ((UINT64_C(1) << bits) - 1);
        uint64_t descriptor = leaf(&s, in_range, &low);

        if (descriptor == 0) {
            return WALK_STAGE1_FAULT;
        }
        ipa = leaf_address(descriptor, in_range, low);
        stage1_writable = (descriptor & STAGE1_READONLY) == 0;
    }
    if (!stage2(ipa, &found->pa, &stage2_writable)) {
        return WALK_STAGE2_FAULT;
    }
    found->writable = stage1_writable && stage2_writable;
    return WALK_FOUND;
}
