// SPDX-License-Identifier: Apache-2.0
#include "cache/report.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>

#define PLACES (1u << 26)
#define LINES  200

FILE *report_file;
uint64_t reports;
static struct place *places; // by number; 0 is what was there at reset
static uint32_t place_count = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint32_t place_add(const struct place *place)
{
    uint32_t number = 0;

    pthread_mutex_lock(&lock);
    if (!places) {
        places = mmap(NULL, PLACES * sizeof(*places), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    if (places != MAP_FAILED && place_count < PLACES) {
        number = place_count++;
        places[number] = *place;
    }
    pthread_mutex_unlock(&lock);
    return number;
}

const struct place *place_of(uint32_t number)
{
    static const struct place nowhere;

    return number ? &places[number] : &nowhere;
}

void report(const char *what, uint64_t va, uint64_t pa, unsigned cpu, unsigned el,
            const struct line *line)
{
    const struct place *by = place_of(line ? line->writer : 0);

    pthread_mutex_lock(&lock);
    if (reports++ < LINES) {
        fprintf(report_file, "%s at va 0x%" PRIx64 " pa 0x%" PRIx64 " by cpu %u el%u", what, va, pa,
                cpu, el);
        if (line) {
            fprintf(report_file, ", written at va 0x%" PRIx64 " pa 0x%" PRIx64 " by cpu %u el%u",
                    by->va, by->pa, line->writer_cpu, by->el);
        }
        fputc('\n', report_file);
        fflush(report_file);
    }
    pthread_mutex_unlock(&lock);
}
