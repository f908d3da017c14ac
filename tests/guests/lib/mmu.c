// SPDX-License-Identifier: Apache-2.0
#include "lib/mmu.h"

#include "lib/machine.h"
#include "lib/sysreg.h"
#include "lib/test.h"

#define GIB          (1ul << 30)
#define BLOCK        (1ul << 21)
#define PAGE         (1ul << 12)
#define ENTRIES      512
#define SPARE_TABLES 16

#define SCTLR_M 1ul
#define SCTLR_C 4ul
#define SCTLR_I 0x1000ul

typedef uint64_t table[ENTRIES] __attribute__((aligned(4096)));

static table root;  /* level 1: 1 GiB an entry */
static table ram;   /* level 2 of the first GiB of RAM */
static table image; /* level 3 of its first 2 MiB */
static table spare[SPARE_TABLES];
static unsigned spares_used;
static bool built;

extern char __image_start[], __text_end[], __user_start[], __user_end[];

static uint64_t image_flags(uint64_t addr)
{
    if (addr >= (uint64_t)__image_start && addr < (uint64_t)__text_end) {
        return PTE_NORMAL | PTE_RO | PTE_USER;
    }
    if (addr >= (uint64_t)__user_start && addr < (uint64_t)__user_end) {
        return PTE_NORMAL | PTE_USER | PTE_PXN | PTE_UXN;
    }
    return PTE_NORMAL | PTE_PXN | PTE_UXN;
}

static void build(void)
{
    uint64_t base = 0x40000000;

    for (uint64_t i = 0; i < ENTRIES; i++) {
        bool is_ram = i * GIB >= machine.ram_base && i * GIB < machine.ram_base + machine.ram_size;

        root[i] = i * GIB | (is_ram ? PTE_NORMAL | PTE_PXN | PTE_UXN : PTE_DEVICE);
        ram[i] = (base + i * BLOCK) | PTE_NORMAL | PTE_PXN | PTE_UXN;
        image[i] = (base + i * PAGE) | PTE_PAGE | image_flags(base + i * PAGE);
    }
    ram[0] = (uint64_t)image | PTE_TABLE | PTE_VALID;
    root[base / GIB] = (uint64_t)ram | PTE_TABLE | PTE_VALID;
    built = true;
}

bool mmu_is_on(void)
{
    return read_sysreg(sctlr_el1) & SCTLR_M;
}

void mmu_on_by(uint64_t ttbr0, uint64_t tcr)
{
    write_sysreg(mair_el1, 0x4400ff);
    write_sysreg(tcr_el1, tcr);
    write_sysreg(ttbr0_el1, ttbr0);
    __asm__ volatile("tlbi vmalle1\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | SCTLR_M | SCTLR_C | SCTLR_I);
}

void mmu_on(void)
{
    if (!built) {
        build();
    }
    /* T0SZ 25, write-back inner shareable walks, TTBR1 off, 48-bit output unless the CPU has less.
     */
    uint64_t range = read_sysreg(id_aa64mmfr0_el1) & 0xf;
    uint64_t tcr =
        25 | 1ul << 8 | 1ul << 10 | 3ul << 12 | 1ul << 23 | (range > 5 ? 5 : range) << 32;

    mmu_on_by((uint64_t)root, tcr);
}

void mmu_off(void)
{
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) & ~(SCTLR_M | SCTLR_C | SCTLR_I));
    __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
}

static void flush(uint64_t va)
{
    __asm__ volatile("dsb ishst\n\ttlbi vaale1is, %0\n\tdsb ish\n\tisb" ::"r"(va >> 12) : "memory");
}

/* The table below entry, splitting a block into the same mapping in smaller pieces of `size` bytes.
 */
static uint64_t *descend(uint64_t *entry, uint64_t size)
{
    uint64_t *next;
    uint64_t old = *entry;

    if ((old & 3) == (PTE_TABLE | PTE_VALID)) {
        return (uint64_t *)(old & 0xfffffffff000ul);
    }
    if (spares_used == SPARE_TABLES) {
        test_abort("out of page tables");
    }
    next = spare[spares_used++];
    for (uint64_t i = 0; i < ENTRIES; i++) {
        next[i] = old ? (old + i * size) | (size == PAGE ? PTE_PAGE : 0) : 0;
    }
    *entry = 0;
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
    *entry = (uint64_t)next | PTE_TABLE | PTE_VALID;
    dsb();
    return next;
}

uint64_t *mmu_entry(uint64_t va)
{
    uint64_t *level2 = descend(&root[(va >> 30) % ENTRIES], BLOCK);
    uint64_t *level3 = descend(&level2[(va >> 21) % ENTRIES], PAGE);

    return &level3[(va >> 12) % ENTRIES];
}

void mmu_map_page(uint64_t va, uint64_t pa, uint64_t flags)
{
    uint64_t *entry = mmu_entry(va);

    *(volatile uint64_t *)entry = 0;
    flush(va);
    *(volatile uint64_t *)entry = pa | flags | PTE_PAGE;
    dsb();
    isb();
}

void mmu_unmap_page(uint64_t va)
{
    *(volatile uint64_t *)mmu_entry(va) = 0;
    flush(va);
}
