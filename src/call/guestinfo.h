// SPDX-License-Identifier: Apache-2.0
// guestinfo: keys and values that a VM's guest, its manifest and the operator share, as VMware has
// them. All of it lies in one piece of memory of fixed size. No lock: the caller's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUESTINFO_PREFIX    "guestinfo."
#define GUESTINFO_KEY_MAX   127   // bytes, the prefix included
#define GUESTINFO_VALUE_MAX 65534 // what fits into an answer
#define GUESTINFO_PAIRS_MAX 128   // so few are searched and listed without a pause

enum guestinfo_by { GUESTINFO_BY_GUEST, GUESTINFO_BY_OPERATOR };

// Some bytes, not NUL-terminated.
struct text {
    const char *bytes;
    size_t size;
};

struct guestinfo {
    char *memory;
    size_t size, used;
    unsigned pairs;
};

// memory: 8-byte aligned, and g's from now on.
void guestinfo_init(struct guestinfo *g, void *memory, size_t size);

// Sets, replaces or, with an empty value, removes. A key is the prefix and at least one more
// character, printable ASCII without spaces. ERR_INVALID: no such key is possible. ERR_ACCESS: the
// guest may only read it. ERR_RANGE: the value is too long. ERR_NOMEM: no room, or too
// many pairs; nothing is changed.
int guestinfo_set(struct guestinfo *g, struct text key, struct text value, enum guestinfo_by by);

// False if there is none. The value lies in g until the next guestinfo_set().
bool guestinfo_get(const struct guestinfo *g, struct text key, struct text *value);

// One key after the other, in the order in which they were set; *cursor is 0 at first. False after
// the last.
bool guestinfo_next(const struct guestinfo *g, size_t *cursor, struct text *key,
                    struct text *value);
