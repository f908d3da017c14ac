// SPDX-License-Identifier: Apache-2.0
// The model: what a machine whose caches are not coherent might hold of each 64-byte line of RAM.
//
// A store leaves the new data in the data caches, which are coherent among themselves; nobody else
// sees it before a clean: instruction fetches before one to the point of unification, who has
// caches off before one to the point of coherency. Any CPU may fetch any line speculatively at any
// time, so from the store on each instruction cache may hold the line's old contents, and may fetch
// them again until the clean is complete; only an invalidation issued after that helps. A clean or
// an invalidation is complete when the CPU that issued it has executed a DSB. What was written with
// caches off is in memory, and data caches may hold the old contents until they are invalidated.
// Where instruction caches are virtually indexed, EL2's IC IVAU does not find what a guest fetched.
// CTR_EL0's IDC makes fetches see stores with no clean, DIC with no invalidation. What the memory
// held at reset is clean.
//
// Which words of a line were written is remembered: a stale copy of the others is no fault. Nor is
// one of a B, BL, NOP, ISB or exception-generating instruction that another of these replaces by a
// store of its own: software may let that be executed meanwhile (Arm ARM B2.2.5), and Linux does
// whenever it patches itself.
//
// Nothing is simplified towards fewer reports but this: caches off are a matter of the whole
// translation regime (SCTLR_ELx, HCR_EL2), so pages mapped non-cacheable count as cacheable; and a
// cacheable store to a line ends the suspicion that the rest of it is older than memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUS      16
#define LINE_LOG  6
#define LINE_SIZE (1u << LINE_LOG)

// What is wrong with a line.
enum {
    DIRTY_POU = 1 << 0, // not clean to the point of unification
    DIRTY_POC = 1 << 1, // nor to that of coherency
    STALE = 1 << 2,     // instruction caches may hold older contents
    BEHIND = 1 << 3,    // data caches may hold older contents than memory
    // maintenance that was issued and waits for its CPU's DSB
    CLEAN_POU = 1 << 4,
    CLEAN_POC = 1 << 5,
    INVALIDATE = 1 << 6,
    IC = 1 << 7,
};

struct line {
    uint16_t words;     // written since fetches last saw all of it
    uint16_t poc_words; // written since memory had all of it
    uint8_t flags;
    uint8_t dc_cpu, ic_cpu; // who issued the last maintenance
    uint8_t writer_cpu;
    uint32_t dc, ic; // and how many DSBs it had executed by then
    uint32_t writer; // the last one
};

enum dc_kind { DC_CLEAN_POU, DC_CLEAN_POC, DC_CLEAN_INVALIDATE, DC_INVALIDATE };

// All lines of RAM, [ram_start, ram_start + ram_size).
extern struct line *lines;
extern uint64_t ram_start, ram_size;
// What a store does to a line, by CTR_EL0.
extern uint8_t after_store;

bool lines_setup(uint64_t ctr);

// The line at a physical address; NULL outside of RAM.
static inline struct line *line_at(uint64_t pa)
{
    return pa - ram_start < ram_size ? &lines[(pa - ram_start) >> LINE_LOG] : NULL;
}

static inline uint64_t line_pa(const struct line *line)
{
    return ram_start + ((uint64_t)(line - lines) << LINE_LOG);
}

// The words of pa's line that [pa, pa + size) touches.
static inline uint16_t words_of(uint64_t pa, uint64_t size)
{
    uint64_t first = pa % LINE_SIZE, last = first + size - 1;

    if (last >= LINE_SIZE) {
        last = LINE_SIZE - 1;
    }
    return (uint16_t)((2u << (last / 4)) - (1u << (first / 4)));
}

void line_store_slow(struct line *line, uint16_t words, uint32_t writer, unsigned cpu);
void line_store_uncached(struct line *line, uint16_t words, uint32_t writer, unsigned cpu);
// A word whose old and new contents may both be executed.
void line_store_either(struct line *line, uint16_t word, uint32_t writer, unsigned cpu);

static inline void line_store(struct line *line, uint16_t words, uint32_t writer, unsigned cpu)
{
    if (line->flags != after_store || (line->words & words) != words ||
        (line->poc_words & words) != words) {
        line_store_slow(line, words, writer, cpu);
        return;
    }
    line->writer = writer;
    line->writer_cpu = (uint8_t)cpu;
}

// Maintenance by address, by a CPU.
void line_dc(struct line *line, enum dc_kind kind, unsigned cpu);
void line_ic(struct line *line, unsigned cpu);

// IC IALLU (one CPU's), or IALLUIS (everyone's).
void ic_all(unsigned cpu, bool everyone);

// A DSB of a CPU that waits for all accesses; of the inner shareable domain at least, or for itself
// only.
void dsb(unsigned cpu, bool shareable);

// What is wrong with these words for a fetch by a CPU that has its caches on or off: DIRTY_POU,
// STALE, BEHIND, DIRTY_POC, or 0. line_fetch_fine() decides for most lines.
unsigned line_fetch(struct line *line, uint16_t words, unsigned cpu, bool uncached);

static inline bool line_fetch_fine(const struct line *line, uint16_t words, bool uncached)
{
    return (line->flags & (uncached ? 0xff : (uint8_t)~DIRTY_POC)) == 0 ||
           ((line->words | (uncached ? line->poc_words : 0)) & words) == 0;
}

// DIRTY_POU, DIRTY_POC, STALE: what any of the CPUs may find wrong.
unsigned line_anyone(struct line *line);

// Is memory older than the caches, where somebody reads it with his off?
bool line_read_uncached(struct line *line, uint16_t words);

// Forgets what is wrong: it was reported.
void line_forget(struct line *line);
