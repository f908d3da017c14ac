// SPDX-License-Identifier: Apache-2.0
#include "nvram/log.h"

#include "lib/addr.h"
#include "lib/bits.h"
#include "lib/crc32.h"
#include "lib/error.h"

#include <string.h>

#define OPS_A_STEP 8u // operations of the flash in a step: 4 KiB at most

#define NAMES_MAX (NV_OWNER_MAX + NV_KEY_MAX)

static void flash_read(const struct nv_log *log, uint64_t at, void *to, size_t size)
{
    log->nor->ops->read(log->nor, at, to, size);
}

static uint64_t area_base(const struct nv_log *log)
{
    return log->area * log->area_size;
}

static bool is_blank(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++) {
        if (p[i] != 0xff) {
            return false;
        }
    }
    return true;
}

static bool range_is_blank(struct nv_log *log, uint64_t at, uint64_t end)
{
    while (at < end) {
        size_t n = MIN(end - at, (uint64_t)sizeof(log->unit));
        flash_read(log, at, log->unit, n);
        if (!is_blank(log->unit, n)) {
            return false;
        }
        at += n;
    }
    return true;
}

// ---- Which record is whose ----

struct wanted {
    struct nv_log *log;
    const struct nv_item *item;
};

static bool is_named(void *context, uint32_t line)
{
    const struct wanted *w = context;
    const struct nv_item *item = w->item;
    struct nv_record r;
    uint8_t names[NAMES_MAX];
    uint64_t at = (uint64_t)line * NV_LINE;
    flash_read(w->log, at, &r, sizeof(r));
    if (r.owner_size != item->owner_size || r.key_size != item->key_size) {
        return false;
    }
    flash_read(w->log, at + sizeof(r), names, item->owner_size + item->key_size);
    return memcmp(names, item->owner, item->owner_size) == 0 &&
           memcmp(names + item->owner_size, item->key, item->key_size) == 0;
}

static struct nv_slot *find(struct nv_log *log, const struct nv_item *item)
{
    struct wanted w = {log, item};
    return nv_index_find(&log->index, nv_hash(log->hash_point, item), is_named, &w);
}

// From now on the record at this place counts. ERR_NOMEM: the index is full.
static int take(struct nv_log *log, const struct nv_item *item, uint64_t at, size_t size)
{
    struct nv_slot *s = find(log, item);
    uint32_t line = (uint32_t)(at / NV_LINE), lines = (uint32_t)(size / NV_LINE);
    if (item->value == NULL) {
        if (s != NULL) {
            nv_index_remove(&log->index, s);
        }
    } else if (s != NULL) {
        nv_index_change(&log->index, s, line, lines);
    } else if (nv_index_is_full(&log->index)) {
        return ERR_NOMEM;
    } else {
        nv_index_add(&log->index, nv_hash(log->hash_point, item), line, lines);
    }
    return 0;
}

// ---- Mounting ----

static bool read_head(struct nv_log *log, unsigned area, struct nv_head *head)
{
    for (unsigned i = 0; i < NV_HEADS / NV_LINE; i++) {
        flash_read(log, area * log->area_size + (uint64_t)i * NV_LINE, head, sizeof(*head));
        if (nv_head_is_valid(head)) {
            return true;
        }
    }
    return false;
}

// Nothing is there but what a cut may have left of a first head.
static bool is_unused(struct nv_log *log)
{
    return range_is_blank(log, NV_HEADS, log->nor->block) &&
           range_is_blank(log, log->area_size + NV_HEADS, log->area_size + log->nor->block);
}

// Which area counts. One without a head is to be the one before the first.
static int choose_area(struct nv_log *log)
{
    struct nv_head head[2];
    bool valid[2];
    for (unsigned i = 0; i < 2; i++) {
        valid[i] = read_head(log, i, &head[i]);
    }
    if (!valid[0] && !valid[1]) {
        log->area = 1;
        log->must_copy = true;
        return is_unused(log) ? ERR_NOENT : ERR_EXISTS;
    }
    log->area = valid[1] && (!valid[0] || head[1].generation > head[0].generation);
    log->generation = head[log->area].generation;
    log->nonce = head[log->area].nonce;
    return 0;
}

// A record's header, if one is there and all of it within the area.
static bool read_header(struct nv_log *log, uint64_t at, struct nv_record *r)
{
    if (log->area_size - at < sizeof(*r)) {
        return false;
    }
    flash_read(log, area_base(log) + at, r, sizeof(*r));
    return nv_record_is_valid(r, log->nonce) && nv_record_size(r) <= log->area_size - at;
}

static bool payload_is_whole(struct nv_log *log, uint64_t at, const struct nv_record *r)
{
    uint32_t crc = 0;
    size_t left = r->owner_size + r->key_size + r->value_size;
    for (at += area_base(log) + sizeof(*r); left != 0;) {
        size_t n = MIN(left, sizeof(log->unit));
        flash_read(log, at, log->unit, n);
        crc = crc32(crc, log->unit, n);
        at += n;
        left -= n;
    }
    return crc == r->payload_crc;
}

static int take_found(struct nv_log *log, uint64_t at, const struct nv_record *r)
{
    uint8_t names[NAMES_MAX];
    uint64_t place = area_base(log) + at;
    flash_read(log, place + sizeof(*r), names, r->owner_size + r->key_size);
    const struct nv_item item = {.owner = (const char *)names,
                                 .owner_size = r->owner_size,
                                 .key = names + r->owner_size,
                                 .key_size = r->key_size,
                                 .value = r->is_deletion ? NULL : names};
    return take(log, &item, place, nv_record_size(r));
}

// The next header after something that is none: 0 if that was the end.
static uint64_t find_header(struct nv_log *log, uint64_t at)
{
    struct nv_record r;
    uint64_t end = MIN(at + NV_RECORD_MAX, log->area_size);
    for (at += NV_LINE; at < end; at += NV_LINE) {
        if (read_header(log, at, &r)) {
            return at;
        }
    }
    return 0;
}

static int read_records(struct nv_log *log)
{
    struct nv_record r;
    uint64_t at = NV_HEADS, next = at;
    int err = 0;
    while (next != 0) {
        at = next;
        if (!read_header(log, at, &r)) {
            next = find_header(log, at);
            log->damaged += next != 0;
            continue;
        }
        if (payload_is_whole(log, at, &r)) {
            int full = take_found(log, at, &r);
            err = err ? err : full;
        } else {
            log->damaged++;
        }
        next = at + nv_record_size(&r);
    }
    log->end = at;
    return err;
}

// Up to where records can follow the last one without an erasure. What a cut has left there is not
// written over.
static void find_clean_end(struct nv_log *log)
{
    log->clean_end = MIN(align_up(log->end, log->nor->block), log->area_size);
    uint64_t base = area_base(log);
    log->must_copy =
        log->damaged != 0 || !range_is_blank(log, base + log->end, base + log->clean_end);
}

int nv_log_mount(struct nv_log *log, struct nor *nor, void *memory, uint32_t slots)
{
    *log = (struct nv_log){
        .nor = nor, .area_size = align_down(nor->size / 2, nor->block), .hash_point = nv_draw()};
    nv_index_init(&log->index, memory, slots);
    if (log->area_size < 4 * (uint64_t)NV_RECORD_MAX || nor->size / NV_LINE > UINT32_MAX) {
        return ERR_RANGE;
    }
    int err = choose_area(log);
    if (err) {
        return err == ERR_NOENT ? 0 : err;
    }
    err = read_records(log);
    log->failed = err != 0; // copying would lose what the index has no room for
    find_clean_end(log);
    return err;
}

// ---- Writing ----

// The part of something at `at` of a record that falls into [from, from+size) of it.
static void gather_part(uint8_t *to, uint64_t from, size_t size, uint64_t at, const void *bytes,
                        size_t count)
{
    uint64_t start = MAX(at, from), end = MIN(at + count, from + size);
    if (start < end) {
        memcpy(to + (start - from), (const uint8_t *)bytes + (start - at), end - start);
    }
}

static void gather(struct nv_log *log, uint8_t *to, uint64_t from, size_t size)
{
    const struct nv_job *j = &log->job;
    const struct nv_item *item = &log->item;
    if (j->copies) {
        flash_read(log, j->from + from, to, size);
    } else {
        uint64_t at = sizeof(j->header);
        memset(to, 0xff, size);
        gather_part(to, from, size, at, item->owner, item->owner_size);
        gather_part(to, from, size, at += item->owner_size, item->key, item->key_size);
        at += item->key_size;
        gather_part(to, from, size, at, item->value, j->header.value_size);
    }
    gather_part(to, from, size, 0, &j->header, sizeof(j->header));
}

// True if the area has to be erased up to there, and that goes on.
static bool erase_up_to(struct nv_log *log, uint64_t end)
{
    if (log->erasing) {
        log->erasing = false;
        log->clean_end += log->nor->block;
    }
    if (log->clean_end >= end) {
        return false;
    }
    log->nor->ops->erase(log->nor, area_base(log) + log->clean_end);
    log->erasing = true;
    return true;
}

static void program_unit(struct nv_log *log)
{
    struct nv_job *j = &log->job;
    uint64_t at = area_base(log) + log->end + j->done;
    size_t n = MIN(j->total - j->done, NOR_UNIT - at % NOR_UNIT);
    gather(log, log->unit, j->done, n);
    log->nor->ops->program(log->nor, at, log->unit, n);
    j->done += n;
}

// True while the job's record is not on the flash.
static bool write_record(struct nv_log *log)
{
    struct nv_job *j = &log->job;
    if (erase_up_to(log, log->end + j->total)) {
        return true;
    }
    if (j->done < j->total) {
        program_unit(log);
        return true;
    }
    return false;
}

static void start_job(struct nv_log *log, const struct nv_record *header, bool copies,
                      uint64_t from)
{
    log->job = (struct nv_job){*header, copies, from, nv_record_size(header), 0};
}

// ---- From one area to the other ----

// Another one than that of the area in use, and of a copy of it that a cut has ended: what that
// has left lies behind the new records until its blocks are erased.
static uint64_t new_nonce(uint64_t old)
{
    return nv_draw() + old * 3 + 1;
}

static void start_copy(struct nv_log *log)
{
    log->phase = NV_COPY;
    log->area ^= 1;
    log->generation++;
    log->nonce = new_nonce(log->nonce);
    log->end = NV_HEADS;
    log->clean_end = 0;
    log->slot = log->heads = 0;
    log->job.total = 0;
}

static bool is_in_area(const struct nv_log *log, uint32_t line)
{
    return (uint64_t)line * NV_LINE / log->area_size == log->area;
}

// Is it what the slot says? The flash may have lost it since it was mounted: its sizes are to be
// trusted no more than they were then.
static bool is_slots(const struct nv_slot *s, const struct nv_record *header)
{
    return nv_record_is_valid(header, header->nonce) &&
           nv_record_size(header) == (uint64_t)s->lines * NV_LINE;
}

// The next record that the other area still has; false if there is none. One that is lost is left
// out, and whoever comes into its slot is next.
static bool start_next_copy(struct nv_log *log)
{
    struct nv_record header;
    for (; log->slot <= log->index.mask; log->slot++) {
        struct nv_slot *s = &log->index.slot[log->slot];
        if (s->line == 0 || is_in_area(log, s->line)) {
            continue;
        }
        uint64_t from = (uint64_t)s->line * NV_LINE;
        flash_read(log, from, &header, sizeof(header));
        if (is_slots(s, &header)) {
            nv_record_move(&header, log->nonce);
            start_job(log, &header, true, from);
        } else {
            log->damaged++;
            nv_index_remove(&log->index, s);
        }
        return true;
    }
    return false;
}

static void end_copy(struct nv_log *log)
{
    log->index.slot[log->slot].line = (uint32_t)((area_base(log) + log->end) / NV_LINE);
    log->end += log->job.total;
    log->job.total = 0;
}

static void copy(struct nv_log *log)
{
    if (log->job.total != 0) {
        if (write_record(log)) {
            return;
        }
        end_copy(log);
    }
    if (!start_next_copy(log)) {
        log->phase = NV_HEAD;
    }
}

// The first one is the commitment.
static void write_heads(struct nv_log *log)
{
    struct nv_head head;
    if (erase_up_to(log, NV_HEADS)) {
        return;
    }
    if (log->heads < NV_HEADS / NV_LINE) {
        nv_head_make(&head, log->generation, log->nonce);
        memcpy(log->unit, &head, sizeof(head));
        log->nor->ops->program(log->nor, area_base(log) + (uint64_t)log->heads * NV_LINE, log->unit,
                               sizeof(head));
        log->heads++;
        return;
    }
    log->must_copy = false;
    log->phase = NV_APPEND;
}

// ---- Appending ----

static bool has_room(const struct nv_log *log, size_t size)
{
    return log->end + size <= log->area_size;
}

// ERR_BUSY while it goes on.
static int append(struct nv_log *log)
{
    struct nv_record header;
    if (log->job.total == 0) {
        nv_record_make(&header, &log->item, log->nonce);
        start_job(log, &header, false, 0);
    }
    if (!has_room(log, log->job.total)) {
        start_copy(log);
        return ERR_BUSY;
    }
    if (write_record(log)) {
        return ERR_BUSY;
    }
    int err = take(log, &log->item, area_base(log) + log->end, log->job.total);
    log->end += log->job.total;
    log->job.total = 0;
    log->phase = NV_IDLE;
    return err;
}

static int advance(struct nv_log *log)
{
    switch (log->phase) {
    case NV_COPY:
        copy(log);
        return ERR_BUSY;
    case NV_HEAD:
        write_heads(log);
        return ERR_BUSY;
    case NV_APPEND:
        return append(log);
    case NV_IDLE:
    default:
        return 0;
    }
}

// What was not programmed whole is not written over. Between the areas it is the index that is
// lost.
static int fail(struct nv_log *log)
{
    log->failed = log->phase == NV_COPY || log->phase == NV_HEAD;
    log->must_copy = true;
    log->erasing = false;
    log->phase = NV_IDLE;
    return ERR_IO;
}

int nv_log_put(struct nv_log *log, const struct nv_item *item)
{
    struct nv_record r;
    nv_record_make(&r, item, 0);
    size_t spare =
        item->value != NULL ? NV_RECORD_MAX : 0; // so that there is always one for a deletion
    struct nv_slot *old = find(log, item);
    if (log->failed) {
        return ERR_IO;
    }
    if (item->value == NULL && old == NULL) {
        return 0;
    }
    if (NV_HEADS + log->index.lines * NV_LINE + nv_record_size(&r) + spare > log->area_size ||
        (old == NULL && nv_index_is_full(&log->index))) {
        return ERR_NOMEM;
    }
    log->item = *item;
    log->job.total = 0;
    if (log->must_copy) {
        start_copy(log);
    } else {
        log->phase = NV_APPEND;
    }
    return 0;
}

int nv_log_step(struct nv_log *log)
{
    for (unsigned i = 0; i < OPS_A_STEP; i++) {
        int err = log->nor->ops->poll(log->nor);
        if (err) {
            return err == ERR_BUSY ? err : fail(log);
        }
        err = advance(log);
        if (err != ERR_BUSY) {
            return err;
        }
    }
    return ERR_BUSY;
}

// ---- Reading ----

static bool read_item(struct nv_log *log, uint32_t line, uint8_t *buffer, struct nv_item *item)
{
    struct nv_record r;
    uint64_t at = (uint64_t)line * NV_LINE;
    flash_read(log, at, &r, sizeof(r));
    if (!nv_record_is_valid(&r, r.nonce)) { // copying may have failed: it is of either area
        return false;
    }
    size_t size = r.owner_size + r.key_size + r.value_size;
    flash_read(log, at + sizeof(r), buffer, size);
    *item = (struct nv_item){
        .owner = (const char *)buffer,
        .owner_size = r.owner_size,
        .key = buffer + r.owner_size,
        .key_size = r.key_size,
        .value = buffer + r.owner_size + r.key_size,
        .value_size = r.value_size,
    };
    return crc32(0, buffer, size) == r.payload_crc;
}

bool nv_log_next(struct nv_log *log, uint32_t *cursor, uint32_t slots, void *buffer,
                 struct nv_item *item)
{
    for (; slots > 0 && *cursor <= log->index.mask; slots--) {
        uint32_t line = log->index.slot[(*cursor)++].line;
        if (line != 0 && read_item(log, line, buffer, item)) {
            return true;
        }
    }
    if (*cursor > log->index.mask) {
        *cursor = UINT32_MAX;
    }
    return false;
}
