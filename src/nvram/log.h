// SPDX-License-Identifier: Apache-2.0
// A store of owners' keys and values as a log on a NOR flash (nvram/record.h): nothing that was
// written is written over, so a cut of power leaves each key with its old or its new value. When an
// area is full, what counts is copied to the other one, whose head, written last, puts it in the
// old one's place.
//
// No lock: one caller at a time.
#pragma once

#include "dev/nor.h"
#include "nvram/index.h"
#include "nvram/record.h"

enum nv_phase { NV_IDLE, NV_COPY, NV_HEAD, NV_APPEND };

// A record on its way to the flash.
struct nv_job {
    struct nv_record header;
    bool copies;          // its payload is in the other area,
    uint64_t from;        // in this record of the flash; else it is log->item's
    uint64_t total, done; // bytes; total 0: there is none
};

struct nv_log {
    struct nor *nor;
    struct nv_index index;
    uint64_t area_size; // bytes
    unsigned area;      // in use, or being written
    uint64_t generation, nonce;
    uint64_t hash_point; // the index's, nv_hash()
    uint64_t end;        // where the next record goes, in the area
    uint64_t clean_end;  // up to where it is erased
    bool must_copy;      // to the other area, before anything else is written
    bool failed;         // nothing can be written any more
    unsigned damaged;    // records that were found not to be whole
    enum nv_phase phase;
    bool erasing;
    uint32_t slot, heads; // how far copying is
    struct nv_item item;  // to be appended
    struct nv_job job;
    uint8_t unit[NOR_UNIT];
};

// Finds what the flash holds, and writes nothing. memory: for an index of that many slots, a power
// of two. ERR_RANGE: the flash is too small. ERR_EXISTS: there is something else on it; log is of
// no use after either. ERR_NOMEM: more records than slots, so that it can only be read.
int nv_log_mount(struct nv_log *log, struct nor *nor, void *memory, uint32_t slots);

// Begins to write an item, which stays where it is until that has ended: nv_log_step(). ERR_NOMEM:
// there is no room, and nothing is begun. ERR_IO: the store has failed before. While nothing is
// under way.
int nv_log_put(struct nv_log *log, const struct nv_item *item);
// A few operations of the flash. ERR_BUSY: there is more to do. 0: the item is on the flash, or
// nothing was to be done. ERR_IO: it is not; the key has the value it had.
int nv_log_step(struct nv_log *log);

// Looks at up to slots slots of the index, from *cursor on, which is 0 at first, for a record; true
// if it is there, in item and buffer, whole. False with *cursor at UINT32_MAX after the last.
// buffer: NV_RECORD_MAX bytes. While nothing is under way; a change in between may hide some.
bool nv_log_next(struct nv_log *log, uint32_t *cursor, uint32_t slots, void *buffer,
                 struct nv_item *item);
