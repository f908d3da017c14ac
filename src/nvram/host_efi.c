// SPDX-License-Identifier: Apache-2.0
#include "nvram/host_efi.h"

#include "lib/bits.h"
#include "lib/crc32.h"
#include "lib/error.h"

#include <string.h>

// 8.2.1: each variable has these.
#define KEPT \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

// More variables than this no firmware has: it tells them without an end.
#define NAMES_MAX 16384u

#define NAME_PREFIX "Newel"
#define NAME_DIGITS 4u
#define NAME_BYTES  ((sizeof(NAME_PREFIX) + NAME_DIGITS) * sizeof(efi_char16))

static const struct efi_guid vendor = HOST_EFI_VENDOR;
static const efi_char16 note_name[] = HOST_EFI_NOTE;

// ---- Names ----

static void name_slot(struct host_efi *h, uint32_t slot)
{
    const size_t prefix = sizeof(NAME_PREFIX) - 1;
    for (size_t i = 0; i < prefix; i++) {
        h->name[i] = (unsigned char)NAME_PREFIX[i];
    }
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        h->name[prefix + i] =
            (unsigned char)"0123456789ABCDEF"[slot >> 4 * (NAME_DIGITS - 1 - i) & 0xf];
    }
    h->name[prefix + NAME_DIGITS] = 0;
    h->vendor = vendor;
}

// The slot that h->name and h->vendor are of; HOST_EFI_SLOTS if of none.
static uint32_t named_slot(const struct host_efi *h)
{
    const size_t prefix = sizeof(NAME_PREFIX) - 1;
    uint32_t slot = 0;
    for (size_t i = 0; i < prefix; i++) {
        if (h->name[i] != (unsigned char)NAME_PREFIX[i]) {
            return HOST_EFI_SLOTS;
        }
    }
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        efi_char16 c = h->name[prefix + i];
        if ((c < '0' || c > '9') && (c < 'A' || c > 'F')) {
            return HOST_EFI_SLOTS;
        }
        slot = slot << 4 | (c <= '9' ? c - '0' : c - 'A' + 10u);
    }
    return h->name[prefix + NAME_DIGITS] == 0 ? MIN(slot, HOST_EFI_SLOTS) : HOST_EFI_SLOTS;
}

static bool is_ours(const struct host_efi *h)
{
    return memcmp(&h->vendor, &vendor, sizeof(vendor)) == 0;
}

// ---- Calls ----

static uint64_t address(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

static void begin(struct host_efi *h, enum efi_service service)
{
    h->call = (struct efi_host_call){.service = service};
    h->calling = true;
}

static void begin_get(struct host_efi *h, void *to)
{
    begin(h, EFI_GET_VARIABLE);
    h->attributes = 0;
    h->sizes[1] = NV_RECORD_MAX;
    h->call.argument[0] = address(h->name);
    h->call.argument[1] = address(&h->vendor);
    h->call.argument[2] = address(&h->attributes);
    h->call.argument[3] = address(&h->sizes[1]);
    h->call.argument[4] = address(to);
}

static void begin_next(struct host_efi *h)
{
    begin(h, EFI_GET_NEXT_VARIABLE_NAME);
    h->sizes[0] = sizeof(h->name);
    h->call.argument[0] = address(&h->sizes[0]);
    h->call.argument[1] = address(h->name);
    h->call.argument[2] = address(&h->vendor);
}

// sizes: all of the room, what is left of it, the largest variable.
static void begin_query(struct host_efi *h)
{
    begin(h, EFI_QUERY_VARIABLE_INFO);
    memset(h->sizes, 0, sizeof(h->sizes));
    h->call.argument[0] = KEPT;
    for (size_t i = 0; i < ARRAY_SIZE(h->sizes); i++) {
        h->call.argument[1 + i] = address(&h->sizes[i]);
    }
}

static void begin_set(struct host_efi *h, const void *data, uint64_t size)
{
    begin(h, EFI_SET_VARIABLE);
    h->call.argument[0] = address(h->name);
    h->call.argument[1] = address(&h->vendor);
    h->call.argument[2] = KEPT;
    h->call.argument[3] = size;
    h->call.argument[4] = address(data);
}

// True when the call has ended.
static bool go_on(struct host_efi *h)
{
    h->calling = !h->run(&h->call);
    return !h->calling;
}

static efi_status finish(struct host_efi *h)
{
    while (!go_on(h)) {
    }
    return h->call.status;
}

// ---- Records ----

static uint64_t hash_of(const struct host_efi *h, const struct nv_item *item)
{
    return (uint64_t)nv_hash(h->hash_point, item) << 32 |
           nv_hash(h->hash_point * 3 + 2, item); // of so many bits that they tell one from another
}

// What begin_get() brought, if it is a whole record.
static bool read_record(const struct host_efi *h, const uint8_t *buffer, struct nv_item *item)
{
    struct nv_record r;
    uint64_t size = h->sizes[1];
    if (h->call.status != EFI_SUCCESS || h->attributes != KEPT || size < sizeof(r)) {
        return false;
    }
    memcpy(&r, buffer, sizeof(r));
    if (!nv_record_is_valid(&r, 0) || r.is_deletion ||
        size != sizeof(r) + r.owner_size + r.key_size + r.value_size ||
        crc32(0, buffer + sizeof(r), size - sizeof(r)) != r.payload_crc) {
        return false;
    }
    buffer += sizeof(r);
    *item = (struct nv_item){
        .owner = (const char *)buffer,
        .owner_size = r.owner_size,
        .key = buffer + r.owner_size,
        .key_size = r.key_size,
        .value = buffer + r.owner_size + r.key_size,
        .value_size = r.value_size,
    };
    return true;
}

static uint64_t owner_hash(const struct host_efi *h, const struct nv_item *item)
{
    const struct nv_item owner = {.owner = item->owner, .owner_size = item->owner_size, .key = ""};
    return hash_of(h, &owner);
}

static uint64_t record_size(const struct nv_item *item)
{
    return sizeof(struct nv_record) + item->owner_size + item->key_size + item->value_size;
}

// Of the firmware's room, in bytes.
static uint32_t cost(const struct nv_item *item)
{
    return (uint32_t)(HOST_EFI_HEADER + NAME_BYTES + record_size(item));
}

static void compose(struct host_efi *h)
{
    const struct nv_item *item = &h->item;
    uint8_t *to = h->buffer;
    memcpy(to, &h->header, sizeof(h->header));
    to += sizeof(h->header);
    memcpy(to, item->owner, item->owner_size);
    memcpy(to += item->owner_size, item->key, item->key_size);
    memcpy(to + item->key_size, item->value, item->value_size);
}

// ---- Mounting ----

static bool is_twice(const struct host_efi *h, uint64_t hash)
{
    for (uint32_t i = 0; i < HOST_EFI_SLOTS; i++) {
        if (h->slots[i].used && h->slots[i].hash == hash) {
            return true;
        }
    }
    return false;
}

static void take_found(struct host_efi *h)
{
    struct nv_item item;
    uint32_t slot = named_slot(h);
    if (memcmp(h->name, note_name, sizeof(note_name)) == 0) {
        h->has_note = true;
        return;
    }
    if (slot == HOST_EFI_SLOTS) {
        h->damaged++;
        return;
    }
    struct host_efi_slot *s = &h->slots[slot];
    if (s->used || s->foreign) { // the firmware tells it again
        return;
    }
    begin_get(h, h->buffer);
    finish(h);
    bool whole = read_record(h, h->buffer, &item);
    uint64_t hash = whole ? hash_of(h, &item) : 0;
    whole = whole && !is_twice(h, hash);
    *s = whole ? (struct host_efi_slot){hash, owner_hash(h, &item), cost(&item), true, false}
               : (struct host_efi_slot){.foreign = true};
    h->used += whole;
    h->damaged += !whole;
    h->size += whole ? h->sizes[1] : 0;
}

static int find_all(struct host_efi *h)
{
    h->name[0] = 0;
    for (unsigned n = 0; n < NAMES_MAX; n++) {
        begin_next(h);
        efi_status status = finish(h);
        if (status != EFI_SUCCESS) {
            return status == EFI_NOT_FOUND ? 0 : ERR_IO;
        }
        h->name[ARRAY_SIZE(h->name) - 1] = 0;
        if (is_ours(h)) {
            take_found(h);
        }
    }
    return ERR_IO;
}

int host_efi_mount(struct host_efi *h, efi_host_call_fn *run, void *buffer, unsigned owners)
{
    memset(h, 0, sizeof(*h));
    h->run = run;
    h->buffer = buffer;
    h->hash_point = nv_draw();
    begin_query(h);
    efi_status status = finish(h);
    if (status != EFI_SUCCESS) {
        return status == EFI_UNSUPPORTED ? ERR_UNSUPPORTED : ERR_IO;
    }
    uint64_t left = h->sizes[1];
    h->reserve = h->sizes[0] / HOST_EFI_RESERVE;
    h->budget = left > h->reserve ? (left - h->reserve) / owners : 0;
    h->share = h->sizes[0] / HOST_EFI_SHARED / owners;
    h->largest = h->sizes[2];
    return find_all(h);
}

// ---- Writing ----

static bool is_owner(const struct host_efi_owner *o, const struct nv_item *item)
{
    return o->size == item->owner_size && memcmp(o->name, item->owner, o->size) == 0;
}

// NULL: there are too many.
static struct host_efi_owner *owner_of(struct host_efi *h, const struct nv_item *item)
{
    struct host_efi_owner *o = h->owners;
    while (o < h->owners + HOST_EFI_OWNERS && o->size != 0 && !is_owner(o, item)) {
        o++;
    }
    if (o == h->owners + HOST_EFI_OWNERS) {
        return NULL;
    }
    memcpy(o->name, item->owner, item->owner_size);
    o->size = item->owner_size;
    return o;
}

// What the owner has beside this item's old value.
static uint64_t has_already(const struct host_efi *h)
{
    uint64_t owner = owner_hash(h, &h->item), sum = 0;
    for (uint32_t i = 0; i < HOST_EFI_SLOTS; i++) {
        const struct host_efi_slot *s = &h->slots[i];
        sum += s->used && s->owner_hash == owner && i != h->slot ? s->cost : 0;
    }
    return sum;
}

static bool may_write(const struct host_efi *h, uint64_t left)
{
    uint64_t more = cost(&h->item);
    return more <= h->budget - h->owner->written && left >= h->reserve && left - h->reserve >= more;
}

// What need not be asked for: too much, or of one for whom it is over already, so that he costs the
// others no time.
static bool is_hopeless(const struct host_efi *h)
{
    return h->owner == NULL || NAME_BYTES + record_size(&h->item) > h->largest ||
           (h->has_note && cost(&h->item) > h->budget - h->owner->written);
}

int host_efi_put(struct host_efi *h, const struct nv_item *item)
{
    h->item = *item;
    h->owner = owner_of(h, item);
    if (item->value != NULL && is_hopeless(h)) {
        return ERR_NOMEM;
    }
    nv_record_make(&h->header, item, 0);
    h->hash = hash_of(h, item);
    h->slot = 0;
    h->phase = HOST_EFI_FIND;
    return 0;
}

static bool is_item(const struct host_efi *h)
{
    struct nv_item found;
    const struct nv_item *item = &h->item;
    return read_record(h, h->buffer, &found) && found.owner_size == item->owner_size &&
           found.key_size == item->key_size &&
           memcmp(found.owner, item->owner, item->owner_size) == 0 &&
           memcmp(found.key, item->key, item->key_size) == 0;
}

static uint32_t free_slot(const struct host_efi *h)
{
    uint32_t slot = 0;
    while (slot < HOST_EFI_SLOTS && (h->slots[slot].used || h->slots[slot].foreign)) {
        slot++;
    }
    return slot;
}

// The slot is known, or a new one's turn has come.
static int found(struct host_efi *h)
{
    h->slot = h->slot == HOST_EFI_SLOTS && h->item.value != NULL ? free_slot(h) : h->slot;
    if (h->slot == HOST_EFI_SLOTS) {
        return h->item.value != NULL ? ERR_NOMEM : 0;
    }
    name_slot(h, h->slot);
    if (h->item.value == NULL) {
        begin_set(h, h->buffer, 0);
        h->phase = HOST_EFI_SET;
    } else {
        begin_query(h);
        h->phase = HOST_EFI_ASK;
    }
    return ERR_BUSY;
}

// Candidates are those with the item's hash.
static int look(struct host_efi *h)
{
    while (h->slot < HOST_EFI_SLOTS &&
           !(h->slots[h->slot].used && h->slots[h->slot].hash == h->hash)) {
        h->slot++;
    }
    if (h->slot == HOST_EFI_SLOTS) {
        return found(h);
    }
    name_slot(h, h->slot);
    begin_get(h, h->buffer);
    return ERR_BUSY;
}

static int end_find(struct host_efi *h)
{
    if (is_item(h)) {
        return found(h);
    }
    if (h->call.status != EFI_SUCCESS && h->call.status != EFI_NOT_FOUND) {
        return ERR_IO;
    }
    h->slot++;
    return look(h);
}

// With a note, if nobody has left one yet.
static int refuse(struct host_efi *h, uint64_t left)
{
    if (h->has_note) {
        return ERR_NOMEM;
    }
    h->has_note = true;
    h->note.left = left;
    memcpy(h->name, note_name, sizeof(note_name));
    begin_set(h, &h->note, sizeof(h->note));
    h->phase = HOST_EFI_LEAVE;
    return ERR_BUSY;
}

static int end_ask(struct host_efi *h)
{
    if (h->call.status != EFI_SUCCESS) {
        return ERR_IO;
    }
    uint64_t left = h->sizes[1];
    if (has_already(h) + cost(&h->item) > h->share) {
        return ERR_NOMEM;
    }
    if (!may_write(h, left)) {
        return refuse(h, left);
    }
    h->owner->written += cost(&h->item); // whatever comes of it
    compose(h);
    begin_set(h, h->buffer, record_size(&h->item));
    h->phase = HOST_EFI_SET;
    return ERR_BUSY;
}

static int end_set(struct host_efi *h)
{
    bool deletes = h->item.value == NULL;
    efi_status status = h->call.status;
    if (deletes && status == EFI_NOT_FOUND) {
        status = EFI_SUCCESS;
    }
    if (status != EFI_SUCCESS) {
        return status == EFI_OUT_OF_RESOURCES ? ERR_NOMEM : ERR_IO;
    }
    h->slots[h->slot] =
        (struct host_efi_slot){h->hash, owner_hash(h, &h->item), cost(&h->item), !deletes, false};
    return 0;
}

static int end_call(struct host_efi *h)
{
    switch (h->phase) {
    case HOST_EFI_FIND:
        return end_find(h);
    case HOST_EFI_ASK:
        return end_ask(h);
    case HOST_EFI_SET:
        return end_set(h);
    case HOST_EFI_LEAVE:
        return ERR_NOMEM;
    case HOST_EFI_IDLE:
    default:
        return 0;
    }
}

int host_efi_step(struct host_efi *h)
{
    int err = ERR_BUSY;
    if (h->phase == HOST_EFI_IDLE) {
        return 0;
    }
    if (!h->calling) {
        err = look(h);
    } else if (go_on(h)) {
        err = end_call(h);
    }
    if (err != ERR_BUSY) {
        h->phase = HOST_EFI_IDLE;
    }
    return err;
}

// ---- Reading ----

bool host_efi_next(struct host_efi *h, uint32_t *cursor, uint32_t slots, void *buffer,
                   struct nv_item *item)
{
    if (!h->calling) {
        for (; slots > 0 && *cursor < HOST_EFI_SLOTS && !h->slots[*cursor].used; slots--) {
            ++*cursor;
        }
        if (*cursor == HOST_EFI_SLOTS) {
            *cursor = UINT32_MAX;
        }
        if (slots == 0 || *cursor == UINT32_MAX) {
            return false;
        }
        name_slot(h, *cursor);
        begin_get(h, buffer);
    }
    if (!go_on(h)) {
        return false;
    }
    ++*cursor;
    return read_record(h, buffer, item);
}
