// SPDX-License-Identifier: Apache-2.0
// Values in the variables of a firmware made here, which as EDK2 takes back no room before it
// starts anew, answers after some turns, and on request lies.
#include "lib/bits.h"
#include "lib/error.h"
#include "nvram/host_efi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEPT \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)
#define STORE   65536u
#define LARGEST 8192u
#define VARS    64u

struct variable {
    bool used;
    efi_char16 name[40];
    struct efi_guid vendor;
    uint32_t attributes;
    uint64_t size;
    uint8_t data[LARGEST];
};

static struct {
    struct variable var[VARS];
    uint64_t gone; // bytes of what was replaced or deleted
    unsigned turns, turn, sets;
    const struct efi_host_call *under_way;
    bool dead; // no set has an effect
    // What comes next instead of an answer.
    efi_status fail_set, fail_get, fail_next, fail_query;
    bool never_ends;
    uint64_t claim_size; // of data, 0: the truth
} fw;

static const struct efi_guid global = EFI_GLOBAL_VARIABLE_GUID;
static struct host_efi store;
static uint8_t buffer[NV_RECORD_MAX], read_buffer[NV_RECORD_MAX];

// ---- The firmware ----

static size_t name_bytes(const efi_char16 *name)
{
    size_t n = 0;
    while (name[n] != 0) {
        n++;
    }
    return 2 * (n + 1);
}

static uint64_t cost_of(const efi_char16 *name, uint64_t size)
{
    return 60 + ((name_bytes(name) + 3) & ~UINT64_C(3)) + ((size + 3) & ~UINT64_C(3));
}

static uint64_t fw_left(void)
{
    uint64_t used = fw.gone;
    for (unsigned i = 0; i < VARS; i++) {
        used += fw.var[i].used ? cost_of(fw.var[i].name, fw.var[i].size) : 0;
    }
    assert_true(used <= STORE);
    return STORE - used;
}

static struct variable *fw_find(const efi_char16 *name, const struct efi_guid *vendor)
{
    for (unsigned i = 0; i < VARS; i++) {
        struct variable *v = &fw.var[i];
        if (v->used && name_bytes(v->name) == name_bytes(name) &&
            memcmp(v->name, name, name_bytes(name)) == 0 &&
            memcmp(&v->vendor, vendor, sizeof(*vendor)) == 0) {
            return v;
        }
    }
    return NULL;
}

static struct variable *fw_free(void)
{
    for (unsigned i = 0; i < VARS; i++) {
        if (!fw.var[i].used) {
            return &fw.var[i];
        }
    }
    fail_msg("no room in the model");
    return NULL;
}

static efi_status fw_set(const efi_char16 *name, const struct efi_guid *vendor, uint32_t attributes,
                         uint64_t size, const void *data)
{
    struct variable *old = fw_find(name, vendor);
    if (size == 0) {
        if (old != NULL) {
            fw.gone += cost_of(name, old->size);
            old->used = false;
        }
        return old != NULL ? EFI_SUCCESS : EFI_NOT_FOUND;
    }
    if (size + name_bytes(name) > LARGEST || (old != NULL && old->attributes != attributes)) {
        return EFI_INVALID_PARAMETER;
    }
    if (cost_of(name, size) > fw_left()) {
        return EFI_OUT_OF_RESOURCES;
    }
    struct variable *v = old != NULL ? old : fw_free();
    fw.gone += old != NULL ? cost_of(name, old->size) : 0;
    *v = (struct variable){.used = true, .vendor = *vendor, .attributes = attributes, .size = size};
    memcpy(v->name, name, name_bytes(name));
    memcpy(v->data, data, size);
    return EFI_SUCCESS;
}

static efi_status fw_get(const efi_char16 *name, const struct efi_guid *vendor,
                         uint32_t *attributes, uint64_t *size, void *data)
{
    struct variable *v = fw_find(name, vendor);
    if (v == NULL) {
        return EFI_NOT_FOUND;
    }
    assert_true(*size >= v->size);
    *attributes = v->attributes;
    *size = fw.claim_size != 0 ? fw.claim_size : v->size;
    memcpy(data, v->data, v->size);
    return EFI_SUCCESS;
}

static efi_status fw_next(uint64_t *size, efi_char16 *name, struct efi_guid *vendor)
{
    struct variable *v = name[0] == 0 ? fw.var : fw_find(name, vendor) + 1;
    v = fw.never_ends && v > fw.var && v[-1].used ? v - 1 : v;
    while (v < fw.var + VARS && !v->used) {
        v++;
    }
    if (v == fw.var + VARS) {
        return EFI_NOT_FOUND;
    }
    assert_true(*size >= name_bytes(v->name));
    memcpy(name, v->name, name_bytes(v->name));
    *vendor = v->vendor;
    return EFI_SUCCESS;
}

static void *at(uint64_t argument)
{
    return (void *)(uintptr_t)argument;
}

static efi_status take_failure(efi_status *status)
{
    efi_status now = *status;
    *status = EFI_SUCCESS;
    return now;
}

static efi_status fw_answer(const struct efi_host_call *c)
{
    const uint64_t *a = c->argument;
    efi_status status;
    switch (c->service) {
    case EFI_GET_VARIABLE:
        status = take_failure(&fw.fail_get);
        return status ? status : fw_get(at(a[0]), at(a[1]), at(a[2]), at(a[3]), at(a[4]));
    case EFI_GET_NEXT_VARIABLE_NAME:
        status = take_failure(&fw.fail_next);
        return status ? status : fw_next(at(a[0]), at(a[1]), at(a[2]));
    case EFI_SET_VARIABLE:
        fw.sets++;
        status = take_failure(&fw.fail_set);
        return status || fw.dead ? status
                                 : fw_set(at(a[0]), at(a[1]), (uint32_t)a[2], a[3], at(a[4]));
    case EFI_QUERY_VARIABLE_INFO:
        assert_int_equal(a[0], KEPT);
        status = take_failure(&fw.fail_query);
        *(uint64_t *)at(a[1]) = STORE;
        *(uint64_t *)at(a[2]) = fw_left();
        *(uint64_t *)at(a[3]) = LARGEST;
        return status;
    default:
        fail_msg("service %d", c->service);
        return EFI_UNSUPPORTED;
    }
}

static bool run(struct efi_host_call *call)
{
    assert_true(fw.under_way == NULL || fw.under_way == call);
    fw.under_way = call;
    if (fw.turn++ < fw.turns) {
        return false;
    }
    fw.turn = 0;
    fw.under_way = NULL;
    call->status = fw_answer(call);
    return true;
}

// ---- The store ----

// The machine starts anew: the firmware takes its room back.
static int restart_for(unsigned owners)
{
    fw.gone = 0;
    fw.turn = 0;
    fw.under_way = NULL;
    fw.dead = false;
    return host_efi_mount(&store, run, buffer, owners);
}

static void restart(void)
{
    assert_int_equal(restart_for(2), 0);
}

static void add(const char *name, const struct efi_guid *vendor, uint32_t attributes,
                const void *data, size_t size)
{
    struct variable *v = fw_free();
    *v = (struct variable){.used = true, .vendor = *vendor, .attributes = attributes, .size = size};
    for (size_t i = 0; i <= strlen(name); i++) {
        v->name[i] = (unsigned char)name[i];
    }
    memcpy(v->data, data, size);
}

static int set_up(void **state)
{
    (void)state;
    memset(&fw, 0, sizeof(fw));
    add("Boot0000", &global, KEPT, "host", 4);
    add("Newel0000", &global, KEPT, "also the host's", 15);
    restart();
    return 0;
}

static int finish(void)
{
    int err;
    while ((err = host_efi_step(&store)) == ERR_BUSY) {
    }
    return err;
}

static int put_bytes(const char *owner, const char *key, const void *value, size_t size)
{
    const struct nv_item item = {owner, strlen(owner), key, strlen(key), value, size};
    int err = host_efi_put(&store, &item);
    return err ? err : finish();
}

static int put(const char *owner, const char *key, const char *value)
{
    return put_bytes(owner, key, value, value != NULL ? strlen(value) : 0);
}

// How many items there are of that name, the last one in item.
static unsigned get(const char *owner, const char *key, struct nv_item *item)
{
    static uint8_t kept[NV_RECORD_MAX];
    uint32_t cursor = 0;
    unsigned n = 0;
    struct nv_item i;
    while (cursor != UINT32_MAX) {
        if (host_efi_next(&store, &cursor, 7, read_buffer, &i) && i.owner_size == strlen(owner) &&
            memcmp(i.owner, owner, i.owner_size) == 0 && i.key_size == strlen(key) &&
            memcmp(i.key, key, i.key_size) == 0) {
            n++;
            *item = i;
            memcpy(kept, i.value, i.value_size);
            item->value = kept;
        }
    }
    return n;
}

static void expect(const char *owner, const char *key, const char *value)
{
    struct nv_item item;
    unsigned n = get(owner, key, &item);
    assert_int_equal(n, value != NULL);
    if (value != NULL) {
        assert_int_equal(item.value_size, strlen(value));
        assert_memory_equal(item.value, value, item.value_size);
    }
}

static unsigned fw_count(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < VARS; i++) {
        n += fw.var[i].used;
    }
    return n;
}

// The host's own are as they were.
static void expect_host(void)
{
    assert_true(fw.var[0].used && fw.var[1].used);
    assert_int_equal(fw.var[0].size, 4);
    assert_memory_equal(fw.var[0].data, "host", 4);
    assert_memory_equal(fw.var[1].data, "also the host's", 15);
}

// ---- Tests ----

static void survives_a_restart(void **state)
{
    (void)state;
    assert_int_equal(put("first", "A", "one"), 0);
    assert_int_equal(put("first", "B", "two"), 0);
    assert_int_equal(put("first2", "A", "other"), 0);
    assert_int_equal(put("first", "A", "three"), 0);
    assert_int_equal(put("first", "B", NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        expect("first", "A", "three");
        expect("first", "B", NULL);
        expect("first2", "A", "other");
        expect("firs", "t2A", NULL);
        assert_int_equal(fw_count(), 4);
        restart();
        assert_int_equal(store.used, 2);
        assert_int_equal(store.damaged, 0);
    }
    assert_int_equal(put("first", "B", NULL), 0); // not there
    expect_host();
}

static void takes_turns(void **state)
{
    (void)state;
    fw.turns = 5;
    assert_int_equal(put("vm", "A", "one"), 0);
    assert_int_equal(put("vm", "A", "two"), 0);
    expect("vm", "A", "two");
    restart();
    expect("vm", "A", "two");
    assert_int_equal(fw_count(), 3);
}

// Each record of the store is what it has cost at least; what the firmware has left then is at
// least what is to be left alone, whoever writes.
static void budget_ends(void **state)
{
    (void)state;
    char value[3000];
    unsigned n = 0;
    int err = 0;
    for (; err == 0 && n < 1000; n++) {
        memset(value, 'a' + (int)(n % 26), sizeof(value));
        err = put_bytes("greedy", "A", value, sizeof(value));
    }
    assert_int_equal(err, ERR_NOMEM);
    assert_in_range(n, 5, 12); // half of 48 KiB by 3 KiB
    unsigned sets = fw.sets;
    assert_int_equal(put_bytes("greedy", "A", value, sizeof(value)), ERR_NOMEM);
    assert_int_equal(fw.sets, sets); // the firmware is not asked to
    const struct nv_item more = {"greedy", 6, "A", 1, value, sizeof(value)};
    assert_int_equal(host_efi_put(&store, &more), ERR_NOMEM); // nor anything
    assert_int_equal(put("modest", "A", "one"), 0);
    while (put_bytes("modest", "A", value, sizeof(value)) == 0) {
        value[0]++;
    }
    assert_true(fw_left() >= STORE / HOST_EFI_RESERVE);
    assert_int_equal(put("greedy", "A", NULL), 0);
    expect("greedy", "A", NULL);
    restart();
    assert_int_equal(put_bytes("greedy", "A", value, sizeof(value)), 0);
    expect_host();
}

// The firmware's own writes count as well.
static void leaves_the_reserve(void **state)
{
    (void)state;
    fw.gone = STORE - STORE / HOST_EFI_RESERVE - 600;
    assert_int_equal(put("vm", "A", "one"), 0);
    fw.gone += 300;
    unsigned sets = fw.sets;
    assert_int_equal(put("vm", "A", "two"), ERR_NOMEM);
    assert_int_equal(put("vm", "A", "two"), ERR_NOMEM);
    assert_int_equal(fw.sets, sets + 1); // the note
    expect("vm", "A", "one");
    assert_int_equal(put("vm", "A", NULL), 0);
    assert_int_equal(host_efi_mount(&store, run, buffer, 1), 0);
    assert_int_equal(store.damaged, 0);
    assert_int_equal(put("vm", "A", "x"), ERR_NOMEM); // no budget at all
}

// For the start: the room that there was.
static void leaves_a_note(void **state)
{
    (void)state;
    static const efi_char16 name[] = HOST_EFI_NOTE;
    const struct efi_guid vendor = HOST_EFI_VENDOR;
    struct host_efi_note note;
    assert_null(fw_find(name, &vendor));
    fw.gone = STORE - STORE / HOST_EFI_RESERVE - 400;
    uint64_t left = fw_left();
    assert_int_equal(put_bytes("vm", "A", buffer, 500), ERR_NOMEM);
    const struct variable *v = fw_find(name, &vendor);
    assert_non_null(v);
    assert_int_equal(v->size, sizeof(note));
    assert_int_equal(v->attributes, KEPT);
    memcpy(&note, v->data, sizeof(note));
    assert_int_equal(note.left, left);
    unsigned sets = fw.sets;
    restart();
    fw.gone = STORE - STORE / HOST_EFI_RESERVE - 400;
    assert_int_equal(put_bytes("vm", "A", buffer, 500), ERR_NOMEM);
    assert_int_equal(fw.sets, sets); // there is one
    // What cannot be left is not tried again and again.
    fw_find(name, &vendor)->used = false;
    restart();
    fw.gone = STORE - STORE / HOST_EFI_RESERVE - 400;
    fw.fail_set = EFI_DEVICE_ERROR;
    assert_int_equal(put_bytes("vm", "A", buffer, 500), ERR_NOMEM);
    assert_int_equal(put_bytes("vm", "A", buffer, 500), ERR_NOMEM);
    assert_int_equal(fw.sets, sets + 1);
}

// What an owner has at a time is bounded through all restarts, and by its own alone.
static void share_ends(void **state)
{
    (void)state;
    char key[2] = "A";
    static char value[2000];
    unsigned n = 0;
    assert_int_equal(put_bytes("modest", "A", value, 1000), 0);
    for (; n < 20; n++, key[0]++) {
        restart();
        if (put_bytes("greedy", key, value, sizeof(value)) != 0) {
            break;
        }
    }
    assert_int_equal(n, STORE / HOST_EFI_SHARED / 2 / (2000 + 64 + 20 + 32 + 7));
    assert_false(store.has_note); // that would be of no use
    key[0]--;
    assert_int_equal(put_bytes("greedy", key, value, sizeof(value) - 1), 0); // in its own place
    assert_int_equal(put_bytes("modest", "B", value, sizeof(value)), 0);
    restart();
    assert_int_equal(put("greedy", "A", NULL), 0);
    assert_int_equal(put_bytes("greedy", "Z", value, sizeof(value)), 0);
}

static void too_large(void **state)
{
    (void)state;
    static char value[LARGEST];
    memset(value, 'x', sizeof(value));
    assert_int_equal(put_bytes("vm", "A", value, sizeof(value)), ERR_NOMEM);
    assert_int_equal(put_bytes("vm", "A", value, LARGEST - 100), 0);
    assert_int_equal(put_bytes("vm", "A", value, 0), 0); // of no bytes, and not deleted
    struct nv_item item;
    assert_int_equal(get("vm", "A", &item), 1);
    assert_int_equal(item.value_size, 0);
}

static void too_many_owners(void **state)
{
    (void)state;
    char name[8];
    for (unsigned i = 0; i <= HOST_EFI_OWNERS; i++) {
        snprintf(name, sizeof(name), "vm%u", i);
        assert_int_equal(put(name, "A", "x"), i < HOST_EFI_OWNERS ? 0 : ERR_NOMEM);
    }
}

static void firmware_fails(void **state)
{
    (void)state;
    assert_int_equal(put("vm", "A", "one"), 0);
    fw.fail_set = EFI_OUT_OF_RESOURCES;
    assert_int_equal(put("vm", "A", "two"), ERR_NOMEM);
    fw.fail_set = EFI_DEVICE_ERROR;
    assert_int_equal(put("vm", "A", "two"), ERR_IO);
    fw.fail_set = EFI_WRITE_PROTECTED;
    assert_int_equal(put("vm", "A", NULL), ERR_IO);
    fw.fail_get = EFI_DEVICE_ERROR;
    assert_int_equal(put("vm", "A", "two"), ERR_IO);
    fw.fail_query = EFI_DEVICE_ERROR;
    assert_int_equal(put("vm", "A", "two"), ERR_IO);
    expect("vm", "A", "one");
    fw.fail_get = EFI_DEVICE_ERROR;
    expect("vm", "A", NULL); // of this reading
    assert_int_equal(put("vm", "A", "two"), 0);
    expect("vm", "A", "two");
    assert_int_equal(fw_count(), 3);
}

static void firmware_without_services(void **state)
{
    (void)state;
    fw.fail_query = EFI_UNSUPPORTED;
    assert_int_equal(restart_for(1), ERR_UNSUPPORTED);
    fw.fail_query = EFI_DEVICE_ERROR;
    assert_int_equal(restart_for(1), ERR_IO);
    fw.fail_next = EFI_BUFFER_TOO_SMALL;
    assert_int_equal(restart_for(1), ERR_IO);
    fw.never_ends = true;
    assert_int_equal(restart_for(1), ERR_IO);
}

// Somebody else took it away.
static void variable_is_lost(void **state)
{
    (void)state;
    assert_int_equal(put("vm", "A", "one"), 0);
    fw.var[2].used = false;
    expect("vm", "A", NULL);
    assert_int_equal(put("vm", "A", NULL), 0);
    assert_int_equal(put("vm", "A", "two"), 0);
    expect("vm", "A", "two");
    // And after it was looked for.
    const struct nv_item gone = {"vm", 2, "A", 1, NULL, 0};
    assert_int_equal(host_efi_put(&store, &gone), 0);
    while (store.phase != HOST_EFI_SET) {
        assert_int_equal(host_efi_step(&store), ERR_BUSY);
    }
    fw.var[2].used = false;
    assert_int_equal(finish(), 0);
    expect("vm", "A", NULL);
}

// What is not whole is left as it is, and out.
static void broken_variables(void **state)
{
    (void)state;
    assert_int_equal(put("vm", "A", "one"), 0);
    assert_int_equal(put("vm", "B", "two"), 0);
    struct variable good = fw.var[2];
    const size_t marks[] = {0, 4, 6, 8, 16, 20, 24, 28, good.size - 1};
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        fw.var[2] = good;
        fw.var[2].data[marks[i]] ^= 1;
        struct variable bad = fw.var[2];
        restart();
        assert_int_equal(store.damaged, 1);
        assert_int_equal(store.used, 1);
        expect("vm", "A", NULL);
        expect("vm", "B", "two");
        assert_int_equal(put("vm", "C", "three"), 0);
        assert_memory_equal(&fw.var[2], &bad, sizeof(bad));
        assert_int_equal(put("vm", "C", NULL), 0);
    }
    const uint64_t sizes[] = {0, 1, 31, 32, good.size - 1, good.size + 1};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        fw.var[2] = good;
        fw.var[2].size = sizes[i];
        restart();
        assert_int_equal(store.damaged, 1);
    }
    fw.var[2] = good;
    fw.var[2].attributes = KEPT & ~EFI_VARIABLE_RUNTIME_ACCESS;
    restart();
    assert_int_equal(store.damaged, 1);
}

static void lies_about_sizes(void **state)
{
    (void)state;
    assert_int_equal(put("vm", "A", "one"), 0);
    const uint64_t sizes[] = {1, 33, NV_RECORD_MAX, NV_RECORD_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        fw.claim_size = sizes[i];
        expect("vm", "A", NULL);
        restart();
        assert_int_equal(store.damaged, 1);
    }
    fw.claim_size = 0;
    restart();
    expect("vm", "A", "one");
}

static void foreign_names(void **state)
{
    (void)state;
    assert_int_equal(put("vm", "A", "one"), 0);
    struct efi_guid vendor = fw.var[2].vendor;
    static const char *const names[] = {"Newel",     "newel0001",  "Newel00G0",
                                        "Newel0400", "Newel0001x", "NewelFFFF"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        add(names[i], &vendor, KEPT, fw.var[2].data, fw.var[2].size);
    }
    restart();
    assert_int_equal(store.damaged, ARRAY_SIZE(names));
    assert_int_equal(store.used, 1);
    expect("vm", "A", "one");
    // The same item again in a slot of its own: one counts.
    add("Newel03FF", &vendor, KEPT, fw.var[2].data, fw.var[2].size);
    restart();
    assert_int_equal(store.damaged, ARRAY_SIZE(names) + 1);
    expect("vm", "A", "one");
    assert_int_equal(put("vm", "A", NULL), 0);
    expect("vm", "A", NULL);
}

// Two items whose hashes are the same are two nevertheless.
static void hashes_that_meet(void **state)
{
    (void)state;
    assert_int_equal(put("vm", "A", "one"), 0);
    assert_int_equal(put("vm", "B", "two"), 0);
    store.slots[0].hash = store.slots[1].hash;
    assert_int_equal(put("vm", "B", "three"), 0);
    expect("vm", "A", "one");
    expect("vm", "B", "three");
    assert_int_equal(put("wm", "A", "four"), 0);
    store.slots[0].hash = store.slots[2].hash;
    assert_int_equal(put("wm", "A", "five"), 0);
    expect("vm", "A", "one");
    expect("wm", "A", "five");
}

static void full_of_slots(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < HOST_EFI_SLOTS; i++) {
        store.slots[i].foreign = true;
    }
    assert_int_equal(put("vm", "A", "one"), ERR_NOMEM);
    store.slots[HOST_EFI_SLOTS - 1].foreign = false;
    assert_int_equal(put("vm", "A", "one"), 0);
    expect("vm", "A", "one");
    assert_int_equal(put("vm", "B", "one"), ERR_NOMEM);
    assert_int_equal(put("vm", "A", "two"), 0);
    restart();
    expect("vm", "A", "two");
}

// Random changes, cut off after some calls of the firmware, against a model of what is there.
#define KEYS 6u
static void cuts(void **state)
{
    (void)state;
    static const char *const owners[] = {"first", "first2"};
    unsigned there[2][KEYS] = {{0}}; // the value's length and first character, 0: none
    srand(7);
    for (unsigned round = 0; round < 4000; round++) {
        unsigned o = (unsigned)rand() % 2, k = (unsigned)rand() % KEYS;
        unsigned value = rand() % 4 ? 1 + (unsigned)rand() % 200 : 0;
        char key[2] = {(char)('A' + k), 0}, bytes[200];
        memset(bytes, (int)value, sizeof(bytes));
        fw.turns = (unsigned)rand() % 3;
        const struct nv_item item = {owners[o], strlen(owners[o]),    key,
                                     1,         value ? bytes : NULL, value};
        int err = host_efi_put(&store, &item);
        unsigned steps = rand() % 3 ? 1000 : (unsigned)rand() % 8;
        for (err = err ? err : ERR_BUSY; err == ERR_BUSY && steps > 0; steps--) {
            err = host_efi_step(&store);
        }
        bool cut = err == ERR_BUSY;
        if (cut || err != 0) {
            restart();
        }
        struct nv_item found;
        unsigned n = get(owners[o], key, &found);
        assert_true(n <= 1);
        unsigned now = n ? (unsigned)found.value_size : 0;
        assert_true(now == value ? err != ERR_NOMEM || now == there[o][k]
                                 : err != 0 && now == there[o][k]);
        there[o][k] = now;
        for (unsigned i = 0; i < now; i++) {
            assert_int_equal(((const uint8_t *)found.value)[i], now);
        }
        if (round % 100 == 0) {
            for (unsigned j = 0; j < 2 * KEYS; j++) {
                key[0] = (char)('A' + j / 2);
                n = get(owners[j % 2], key, &found);
                assert_int_equal(n ? found.value_size : 0, there[j % 2][j / 2]);
            }
        }
    }
    expect_host();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(survives_a_restart, set_up),
        cmocka_unit_test_setup(takes_turns, set_up),
        cmocka_unit_test_setup(budget_ends, set_up),
        cmocka_unit_test_setup(leaves_the_reserve, set_up),
        cmocka_unit_test_setup(leaves_a_note, set_up),
        cmocka_unit_test_setup(share_ends, set_up),
        cmocka_unit_test_setup(too_large, set_up),
        cmocka_unit_test_setup(too_many_owners, set_up),
        cmocka_unit_test_setup(firmware_fails, set_up),
        cmocka_unit_test_setup(firmware_without_services, set_up),
        cmocka_unit_test_setup(variable_is_lost, set_up),
        cmocka_unit_test_setup(broken_variables, set_up),
        cmocka_unit_test_setup(lies_about_sizes, set_up),
        cmocka_unit_test_setup(foreign_names, set_up),
        cmocka_unit_test_setup(hashes_that_meet, set_up),
        cmocka_unit_test_setup(full_of_slots, set_up),
        cmocka_unit_test_setup(cuts, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
