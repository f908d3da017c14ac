// SPDX-License-Identifier: Apache-2.0
// What the files of the payload efi share: EFI's structures, and calls by its stubs.
#pragma once

#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

typedef uint16_t char16;
typedef uint64_t status;

#define ERROR(n)          (1ul << 63 | (n))
#define SUCCESS           0ul
#define INVALID_PARAMETER ERROR(2)
#define UNSUPPORTED       ERROR(3)
#define BUFFER_TOO_SMALL  ERROR(5)
#define WRITE_PROTECTED   ERROR(8)
#define NOT_FOUND         ERROR(14)
#define NO_MAPPING        ERROR(17)

/* Of the runtime services table, after its header. */
enum service {
    GET_TIME,
    SET_TIME,
    GET_WAKEUP_TIME,
    SET_WAKEUP_TIME,
    SET_VIRTUAL_ADDRESS_MAP,
    CONVERT_POINTER,
    GET_VARIABLE,
    GET_NEXT_VARIABLE_NAME,
    SET_VARIABLE,
    GET_NEXT_HIGH_MONOTONIC_COUNT,
    RESET_SYSTEM,
    UPDATE_CAPSULE,
    QUERY_CAPSULE_CAPABILITIES,
    QUERY_VARIABLE_INFO,
    SERVICES,
};

struct services {
    uint64_t signature, revision_size, crc;
    uint64_t service[SERVICES];
};

struct system_table {
    uint64_t signature, revision_size, crc, vendor, revision, console[6];
    uint64_t runtime, boot, table_count, tables;
};

struct descriptor {
    uint32_t type, pad;
    uint64_t physical, virtual, pages, attribute;
};

struct time {
    uint16_t year;
    uint8_t month, day, hour, minute, second, pad1;
    uint32_t nanosecond;
    int16_t zone;
    uint8_t daylight, pad2;
};

struct guid {
    uint64_t low, high;
};

#define RUNTIME  (1ul << 63)
#define ALL      7u /* non-volatile, boot and runtime access */
#define APPEND   0x40u
#define CODE     5
#define DATA     6
#define PAGE     4096ul
#define MAX_DATA 32768u

extern uint64_t stub[SERVICES]; /* as found at first, and from virtual.c's on where they are then */
extern const struct guid vendor;
extern const char16 name_a[2], name_b[3], none[2];
extern uint8_t buffer[MAX_DATA + 2 * PAGE];

#define P(pointer) ((uint64_t)(pointer))

static inline status call(enum service n, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                          uint64_t e)
{
    return ((status(*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t))stub[n])(a, b, c, d, e);
}

static inline status set(const char16 *name, uint32_t attributes, const void *data, uint64_t size)
{
    return call(SET_VARIABLE, P(name), P(&vendor), attributes, size, P(data));
}

static inline status get(const char16 *name, uint32_t *attributes, uint64_t *size, void *data)
{
    return call(GET_VARIABLE, P(name), P(&vendor), P(attributes), P(size), P(data));
}

static inline struct system_table *table(void)
{
    return (struct system_table *)machine.efi;
}

const struct descriptor *region(uint32_t type);

#define EFI_ONLY SKIP_UNLESS(!arg_flag("none"), "no EFI")

/* Virtual addresses of pages that lie anywhere. */
#define WINDOW           0x2000000000ul
#define AT(page, offset) ((void *)(WINDOW + (page)*PAGE + (offset)))

/* Pages 0 to 9 of the window: buffer's, backwards. */
void map_backwards(void);
