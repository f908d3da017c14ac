// SPDX-License-Identifier: Apache-2.0
// ACPI tables as a firmware would lay them out: those of a machine with four CPUs and a GICv3,
// which a test then spoils.
#pragma once

#include "boot/acpi.h"

#include <stdlib.h>
#include <string.h>

// Physical memory: the tables, each on a page of its own.
#define ARENA_BASE UINT64_C(0x47ff0000)
#define ARENA_SIZE 0x8000u

enum arena_page { PAGE_RSDP, PAGE_XSDT, PAGE_FADT, PAGE_MADT, PAGE_GTDT, PAGE_SPCR, PAGE_OTHER };

#define ARENA_AT(page) (ARENA_BASE + 0x1000u * (page))

#define MADT_CPUS 4u

struct arena {
    uint8_t bytes[ARENA_SIZE];
};

static inline void put(uint8_t *at, uint64_t v, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (uint8_t)(v >> (8 * i));
    }
}

static inline uint8_t *page_of(struct arena *a, enum arena_page page)
{
    return a->bytes + 0x1000u * page;
}

static inline uint32_t length_of(const uint8_t *table)
{
    return (uint32_t)table[4] | (uint32_t)table[5] << 8 | (uint32_t)table[6] << 16 |
           (uint32_t)table[7] << 24;
}

static inline void fix_sum(uint8_t *bytes, uint32_t size, uint8_t *sum_at)
{
    uint8_t sum = 0;
    *sum_at = 0;
    for (uint32_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    *sum_at = (uint8_t)-sum;
}

// As far as the length that the table has now lies in its page.
static inline void fix_table(uint8_t *table)
{
    if (length_of(table) >= ACPI_HEADER_SIZE && length_of(table) <= 0x1000) {
        fix_sum(table, length_of(table), table + 9);
    }
}

static inline void fix_rsdp(uint8_t *rsdp)
{
    fix_sum(rsdp, 20, rsdp + 8);
    fix_sum(rsdp, 36, rsdp + 32);
}

static inline uint8_t *begin_table(struct arena *a, enum arena_page page, const char *signature,
                                   uint32_t size)
{
    uint8_t *t = page_of(a, page);
    memcpy(t, signature, 4);
    put(t + 4, size, 4);
    return t;
}

// Appends a structure to the MADT.
static inline uint8_t *add_entry(struct arena *a, uint8_t type, uint8_t size)
{
    uint8_t *madt = page_of(a, PAGE_MADT);
    uint8_t *e = madt + length_of(madt);
    put(madt + 4, length_of(madt) + size, 4);
    e[0] = type;
    e[1] = size;
    return e;
}

static inline void add_gicc(struct arena *a, uint32_t n, uint64_t mpidr, uint64_t gicr)
{
    uint8_t *e = add_entry(a, 11, 80);
    put(e + 4, n, 4);
    put(e + 8, n, 4);
    put(e + 12, 1, 4);
    put(e + 56, 25, 4);
    put(e + 60, gicr, 8);
    put(e + 68, mpidr, 8);
}

static inline void build_madt(struct arena *a)
{
    begin_table(a, PAGE_MADT, "APIC", 44);
    uint8_t *gicd = add_entry(a, 12, 24);
    put(gicd + 8, 0x8000000, 8);
    gicd[20] = 3;
    for (uint32_t i = 0; i < MADT_CPUS; i++) {
        add_gicc(a, i, (i / 2) << 8 | i % 2, 0);
    }
    uint8_t *gicr = add_entry(a, 14, 16);
    put(gicr + 4, 0x80a0000, 8);
    put(gicr + 12, 0xf60000, 4);
    add_entry(a, 15, 20); // an ITS
    fix_table(page_of(a, PAGE_MADT));
}

static inline void build_others(struct arena *a)
{
    uint8_t *fadt = begin_table(a, PAGE_FADT, "FACP", 276);
    put(fadt + 129, 1, 2);
    fix_table(fadt);
    uint8_t *gtdt = begin_table(a, PAGE_GTDT, "GTDT", 96);
    put(gtdt + 48, 29, 4);
    put(gtdt + 56, 30, 4);
    put(gtdt + 64, 27, 4);
    put(gtdt + 72, 26, 4);
    fix_table(gtdt);
    uint8_t *spcr = begin_table(a, PAGE_SPCR, "SPCR", 80);
    spcr[36] = 3;
    spcr[41] = 32;
    spcr[43] = 3;
    put(spcr + 44, 0x9000000, 8);
    spcr[52] = 8;
    put(spcr + 54, 33, 4);
    fix_table(spcr);
    fix_table(begin_table(a, PAGE_OTHER, "MCFG", 60));
}

static inline void build_root(struct arena *a)
{
    static const enum arena_page order[] = {PAGE_OTHER, PAGE_FADT, PAGE_MADT, PAGE_GTDT, PAGE_SPCR};
    uint8_t *xsdt = begin_table(a, PAGE_XSDT, "XSDT", 36 + 8 * 5);
    for (unsigned i = 0; i < 5; i++) {
        put(xsdt + 36 + 8 * i, ARENA_AT(order[i]), 8);
    }
    fix_table(xsdt);
    uint8_t *rsdp = page_of(a, PAGE_RSDP);
    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = 2;
    put(rsdp + 20, 36, 4);
    put(rsdp + 24, ARENA_AT(PAGE_XSDT), 8);
    fix_rsdp(rsdp);
}

static inline void build_tables(struct arena *a)
{
    memset(a, 0, sizeof(*a));
    build_madt(a);
    build_others(a);
    build_root(a);
}

// What is handed out is a copy of just that size, so that the sanitizer sees whoever looks beyond.
struct window {
    const struct arena *arena;
    void *given[4096];
    size_t count;
};

static inline const void *arena_memory(void *context, uint64_t address, uint64_t size)
{
    struct window *w = context;
    if (address < ARENA_BASE || address - ARENA_BASE >= ARENA_SIZE || size == 0 ||
        size > ARENA_SIZE - (address - ARENA_BASE) || w->count == 4096) {
        return NULL;
    }
    void *copy = malloc(size);
    memcpy(copy, w->arena->bytes + (address - ARENA_BASE), size);
    w->given[w->count++] = copy;
    return copy;
}

static inline void window_close(struct window *w)
{
    while (w->count > 0) {
        free(w->given[--w->count]);
    }
}
