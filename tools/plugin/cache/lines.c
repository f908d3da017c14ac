// SPDX-License-Identifier: Apache-2.0
#include "cache/lines.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#define CTR_IDC (UINT64_C(1) << 28)
#define CTR_DIC (UINT64_C(1) << 29)

#define LOCKS 256

struct line *lines;
uint64_t ram_start = 0x40000000, ram_size = UINT64_C(8) << 30;
uint8_t after_store;
static bool idc;

static pthread_spinlock_t locks[LOCKS];

// DSBs executed by each CPU. Maintenance issued at count n is complete when the count is beyond n.
static uint32_t dsbs[CPUS];

// Invalidations of whole instruction caches. For each CPU whose cache it is, the counts of all CPUs
// when the last complete one was issued: a clean of CPU i at count n came before it if
// emptied[cpu].at[i] > n.
struct snapshot {
    bool local, everyone; // asked for, and waits for the DSB
    uint32_t at[CPUS];
};
static struct snapshot asked[CPUS], emptied[CPUS];
static struct snapshot all_emptied; // the oldest of emptied[]
static pthread_mutex_t snapshot_lock = PTHREAD_MUTEX_INITIALIZER;

bool lines_setup(uint64_t ctr)
{
    idc = (ctr & CTR_IDC) != 0;
    after_store = DIRTY_POC | (idc ? 0 : DIRTY_POU) | (ctr & CTR_DIC ? 0 : STALE);
    for (unsigned i = 0; i < LOCKS; i++) {
        pthread_spin_init(&locks[i], PTHREAD_PROCESS_PRIVATE);
    }
    lines = mmap(NULL, (ram_size >> LINE_LOG) * sizeof(*lines), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return lines != MAP_FAILED;
}

static pthread_spinlock_t *lock(const struct line *line)
{
    pthread_spinlock_t *l = &locks[(uintptr_t)(line - lines) % LOCKS];

    pthread_spin_lock(l);
    return l;
}

static bool issued_before(uint32_t count, uint32_t dsb_count)
{
    return (int32_t)(dsb_count - count) > 0;
}

static bool complete(unsigned cpu, uint32_t count)
{
    return issued_before(count, __atomic_load_n(&dsbs[cpu], __ATOMIC_ACQUIRE));
}

static bool emptied_since(const struct line *line, const struct snapshot *s)
{
    uint32_t at = __atomic_load_n(&s->at[line->dc_cpu], __ATOMIC_ACQUIRE);

    return (line->flags & DIRTY_POU) == 0 && issued_before(line->dc, at);
}

static uint8_t after_dc(uint8_t flags)
{
    if (flags & CLEAN_POU) {
        flags &= (uint8_t)~DIRTY_POU;
    }
    if (flags & CLEAN_POC) {
        flags &= (uint8_t) ~(DIRTY_POU | DIRTY_POC);
    }
    if (flags & INVALIDATE) {
        flags &= (uint8_t)~BEHIND;
    }
    return flags & (uint8_t) ~(CLEAN_POU | CLEAN_POC | INVALIDATE);
}

// Makes the flags say what is complete by now.
static void fold(struct line *line)
{
    if ((line->flags & (CLEAN_POU | CLEAN_POC | INVALIDATE)) && complete(line->dc_cpu, line->dc)) {
        line->flags = after_dc(line->flags);
    }
    if ((line->flags & IC) && complete(line->ic_cpu, line->ic)) {
        line->flags &= (uint8_t) ~(STALE | IC);
    }
    if ((line->flags & STALE) && emptied_since(line, &all_emptied)) {
        line->flags &= (uint8_t) ~(STALE | IC);
    }
    if ((line->flags & (DIRTY_POU | STALE | BEHIND)) == 0) {
        line->words = 0;
    }
    if ((line->flags & DIRTY_POC) == 0) {
        line->poc_words = 0;
    }
}

static void written_by(struct line *line, uint32_t writer, unsigned cpu)
{
    line->writer = writer;
    line->writer_cpu = (uint8_t)cpu;
    if (idc) { // the store itself is what an invalidation has to follow
        line->dc_cpu = (uint8_t)cpu;
        line->dc = dsbs[cpu];
    }
}

static void store(struct line *line, uint16_t words, uint16_t poc_words, uint32_t writer,
                  unsigned cpu)
{
    pthread_spinlock_t *l = lock(line);

    fold(line);
    line->words |= words;
    line->poc_words |= poc_words;
    line->flags = after_store;
    written_by(line, writer, cpu);
    pthread_spin_unlock(l);
}

void line_store_slow(struct line *line, uint16_t words, uint32_t writer, unsigned cpu)
{
    store(line, words, words, writer, cpu);
}

void line_store_either(struct line *line, uint16_t word, uint32_t writer, unsigned cpu)
{
    store(line, 0, word, writer, cpu);
}

void line_store_uncached(struct line *line, uint16_t words, uint32_t writer, unsigned cpu)
{
    pthread_spinlock_t *l = lock(line);

    fold(line);
    line->words |= words;
    line->flags &= (uint8_t) ~(IC | INVALIDATE);
    line->flags |= BEHIND | (after_store & STALE);
    if ((line->flags & DIRTY_POU) == 0) {
        line->dc_cpu = (uint8_t)cpu;
        line->dc = dsbs[cpu];
    }
    written_by(line, writer, cpu);
    pthread_spin_unlock(l);
}

void line_dc(struct line *line, enum dc_kind kind, unsigned cpu)
{
    pthread_spinlock_t *l = lock(line);
    uint8_t issue = 0;

    fold(line);
    if (kind == DC_CLEAN_POU && (line->flags & DIRTY_POU)) {
        issue = CLEAN_POU;
    }
    if ((kind == DC_CLEAN_POC || kind == DC_CLEAN_INVALIDATE) &&
        (line->flags & (DIRTY_POU | DIRTY_POC))) {
        issue = CLEAN_POC;
    }
    if ((kind == DC_INVALIDATE || kind == DC_CLEAN_INVALIDATE) && (line->flags & BEHIND)) {
        issue |= INVALIDATE;
    }
    if (issue) {
        line->flags |= issue;
        line->dc_cpu = (uint8_t)cpu;
        line->dc = dsbs[cpu];
    }
    pthread_spin_unlock(l);
}

void line_ic(struct line *line, unsigned cpu)
{
    pthread_spinlock_t *l = lock(line);

    fold(line);
    if ((line->flags & (STALE | DIRTY_POU)) == STALE) {
        line->flags |= IC;
        line->ic_cpu = (uint8_t)cpu;
        line->ic = dsbs[cpu];
    }
    pthread_spin_unlock(l);
}

void ic_all(unsigned cpu, bool everyone)
{
    struct snapshot *s = &asked[cpu];

    s->local |= !everyone;
    s->everyone |= everyone;
    for (unsigned i = 0; i < CPUS; i++) {
        s->at[i] = __atomic_load_n(&dsbs[i], __ATOMIC_ACQUIRE);
    }
}

static void raise_to(struct snapshot *to, const struct snapshot *from)
{
    for (unsigned i = 0; i < CPUS; i++) {
        if (issued_before(to->at[i], from->at[i])) {
            __atomic_store_n(&to->at[i], from->at[i], __ATOMIC_RELEASE);
        }
    }
}

static void caches_emptied(unsigned cpu)
{
    struct snapshot *s = &asked[cpu];

    pthread_mutex_lock(&snapshot_lock);
    raise_to(&emptied[cpu], s);
    if (s->everyone) {
        raise_to(&all_emptied, s);
        for (unsigned i = 0; i < CPUS; i++) {
            raise_to(&emptied[i], s);
        }
    }
    s->local = s->everyone = false;
    pthread_mutex_unlock(&snapshot_lock);
}

void dsb(unsigned cpu, bool shareable)
{
    const struct snapshot *s = &asked[cpu];

    if (shareable ? s->local || s->everyone : s->local && !s->everyone) {
        caches_emptied(cpu);
    }
    if (shareable) {
        __atomic_store_n(&dsbs[cpu], dsbs[cpu] + 1, __ATOMIC_RELEASE);
    }
}

unsigned line_fetch(struct line *line, uint16_t words, unsigned cpu, bool uncached)
{
    pthread_spinlock_t *l = lock(line);
    unsigned wrong = 0;

    fold(line);
    if (line->words & words) {
        wrong = line->flags & (uncached ? STALE : DIRTY_POU | STALE | BEHIND);
    }
    if (uncached && (line->poc_words & words)) {
        wrong |= line->flags & DIRTY_POC;
    }
    if ((wrong & STALE) && emptied_since(line, &emptied[cpu])) {
        wrong &= ~(unsigned)STALE;
    }
    pthread_spin_unlock(l);
    return wrong;
}

unsigned line_anyone(struct line *line)
{
    pthread_spinlock_t *l = lock(line);
    unsigned wrong;

    fold(line);
    wrong = line->flags & (DIRTY_POU | DIRTY_POC | STALE);
    pthread_spin_unlock(l);
    return wrong;
}

bool line_read_uncached(struct line *line, uint16_t words)
{
    bool wrong = false;

    if ((line->flags & DIRTY_POC) && (line->poc_words & words)) {
        pthread_spinlock_t *l = lock(line);

        fold(line);
        wrong = (line->flags & DIRTY_POC) && (line->poc_words & words);
        pthread_spin_unlock(l);
    }
    return wrong;
}

void line_forget(struct line *line)
{
    pthread_spinlock_t *l = lock(line);

    line->flags = 0;
    line->words = line->poc_words = 0;
    pthread_spin_unlock(l);
}
