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
#define WRITE     (UINT64_C(1) << 7)
#define XN        (UINT64_C(1) << 54)
#define ADDRESS   UINT64_C(0xfffffffff000)
#define ROOT_MOST 16 // tables, one after the other

static uint8_t *levels;       // of each page of RAM that is a table, plus 1
static bool forced_cacheable; // a property of the machine
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

// Marks a table and what is below it.
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

static const char *early(struct line *line, bool execute, bool write)
{
    if (!line->flags || place_of(line->writer)->el != 2) {
        return NULL;
    }
    unsigned wrong = line_anyone(line);

    if (execute && (wrong & (DIRTY_POU | STALE))) {
        return "early grant of execution";
    }
    return write && (wrong & DIRTY_POC) ? "early grant of writing" : NULL;
}

static void check_leaf(uint64_t at, uint64_t descriptor, unsigned level, unsigned cpu)
{
    uint64_t size = UINT64_C(1) << (12 + (3 - level) * 9), base = descriptor & ADDRESS & -size;
    bool execute = (descriptor & XN) == 0, write = (descriptor & WRITE) != 0 && !forced_cacheable;
    struct line *line = execute || write ? line_at(base) : NULL;

    tables_grants += line != NULL;
    for (struct line *end = line ? line + size / LINE_SIZE : NULL; line < end; line++) {
        const char *what = early(line, execute, write);

        if (what) {
            report(what, at, line_pa(line), cpu, 2, line);
            return;
        }
    }
}

static void check_entry(uint64_t at, uint64_t descriptor, unsigned level, unsigned cpu)
{
    if ((descriptor & VALID) && (level == 3) == ((descriptor & TABLE) != 0)) {
        check_leaf(at, descriptor, level, cpu);
    }
}

static void check_tree(uint64_t table, unsigned level, unsigned cpu)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t descriptor = read_ram(table + i * 8);

        if (is_table(descriptor, level)) {
            check_tree(descriptor & ADDRESS, level + 1, cpu);
        } else {
            check_entry(table + i * 8, descriptor, level, cpu);
        }
    }
}

void tables_enter(uint64_t vttbr, uint64_t vtcr, bool fwb, unsigned cpu)
{
    uint64_t root = vttbr & ADDRESS;
    unsigned level = stage2_start_level(vtcr), bits = 64 - (vtcr & 63);
    unsigned entries_log = bits - (12 + (3 - level) * 9);
    unsigned count = entries_log > 9 ? 1u << (entries_log - 9) : 1;
    const uint8_t *mark = level_at(root);

    if (!mark || *mark || count > ROOT_MOST) {
        return;
    }
    forced_cacheable = fwb;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < count; i++) {
        follow(root + i * PAGE, level);
        check_tree(root + i * PAGE, level, cpu);
    }
    pthread_mutex_unlock(&lock);
}

static void linked(uint64_t table, unsigned level, unsigned cpu)
{
    pthread_mutex_lock(&lock);
    follow(table, level);
    if (level == 3) {
        check_tree(table, level, cpu);
    }
    pthread_mutex_unlock(&lock);
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
