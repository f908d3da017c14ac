// SPDX-License-Identifier: Apache-2.0
#include "cache/tables.h"

#include "cache/lines.h"
#include "cache/report.h"
#include "cache/walk.h"

#include <pthread.h>
#include <sys/mman.h>

#define PAGE      4096u
#define ENTRIES   512u
#define VALID     1u
#define TABLE     2u
#define XN        (UINT64_C(1) << 54)
#define ADDRESS   UINT64_C(0xfffffffff000)
#define ROOT_MOST 16 // tables, one after the other

static uint8_t *levels; // of each page of RAM that is a table, plus 1
uint64_t tables_grants;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool tables_setup(void)
{
    levels = mmap(NULL, ram_size / PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return levels != MAP_FAILED;
}

static uint8_t *level_at(uint64_t pa)
{
    return pa - ram_start < ram_size ? &levels[(pa - ram_start) / PAGE] : NULL;
}

static bool is_table(uint64_t descriptor, unsigned level)
{
    return level < 3 && (descriptor & (VALID | TABLE)) == (VALID | TABLE);
}

static void follow(uint64_t table, unsigned level)
{
    uint8_t *mark = level_at(table);

    if (!mark) {
        return;
    }
    *mark = (uint8_t)(level + 1);
    for (unsigned i = 0; i < ENTRIES && level < 3; i++) {
        uint64_t descriptor = read_ram(table + i * 8);

        if (is_table(descriptor, level)) {
            follow(descriptor & ADDRESS, level + 1);
        }
    }
}

void tables_enter(uint64_t vttbr, uint64_t vtcr)
{
    uint64_t root = vttbr & ADDRESS;
    unsigned level = stage2_start_level(vtcr), bits = 64 - (vtcr & 63);
    unsigned entries_log = bits - (12 + (3 - level) * 9);
    unsigned count = entries_log > 9 ? 1u << (entries_log - 9) : 1;
    const uint8_t *mark = level_at(root);

    if (!mark || *mark || count > ROOT_MOST) {
        return;
    }
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < count; i++) {
        follow(root + i * PAGE, level);
    }
    pthread_mutex_unlock(&lock);
}

static void check_granted(uint64_t at, uint64_t descriptor, unsigned level, unsigned cpu)
{
    uint64_t size = UINT64_C(1) << (12 + (3 - level) * 9), base = descriptor & ADDRESS & -size;
    struct line *line = line_at(base);

    for (struct line *end = line ? line + size / LINE_SIZE : NULL; line < end; line++) {
        if (line->words && place_of(line->writer)->el == 2 && line_anyone_fetches(line)) {
            report("early grant of execution", at, line_pa(line), cpu, 2, line);
            return;
        }
    }
}

static void check_entry(uint64_t at, uint64_t descriptor, unsigned level, unsigned cpu)
{
    bool leaf = (descriptor & VALID) && (level == 3) == ((descriptor & TABLE) != 0);

    if (leaf && (descriptor & XN) == 0) {
        __atomic_fetch_add(&tables_grants, 1, __ATOMIC_RELAXED);
        check_granted(at, descriptor, level, cpu);
    }
}

static void linked(uint64_t table, unsigned level, unsigned cpu)
{
    pthread_mutex_lock(&lock);
    follow(table, level);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < ENTRIES && level == 3; i++) {
        check_entry(table + i * 8, read_ram(table + i * 8), level, cpu);
    }
}

bool tables_store(uint64_t pa, uint64_t value, unsigned size, unsigned cpu)
{
    uint8_t *mark = level_at(pa);

    if (!mark || !*mark) {
        return false;
    }
    if (size != 8) {
        *mark = 0;
        return false;
    }
    unsigned level = *mark - 1u;

    if (is_table(value, level)) {
        linked(value & ADDRESS, level + 1, cpu);
    } else {
        check_entry(pa, value, level, cpu);
    }
    return (value & VALID) != 0;
}

void tables_zeroed(uint64_t pa)
{
    uint8_t *mark = level_at(pa);

    if (mark && *mark) {
        *mark = 0;
    }
}
