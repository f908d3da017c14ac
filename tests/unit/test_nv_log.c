// SPDX-License-Identifier: Apache-2.0
// The store on a NOR flash against a model, with the power cut at every operation of the flash, and
// at random ones of many more; and with what a flash should not hold.
#include "lib/bits.h"
#include "lib/crc32.h"
#include "nor_sim.h"
#include "nvram/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BLOCK 4096u
#define SIZE  (2 * 34 * BLOCK)
#define SLOTS 256u

#define OWNERS 3u
#define KEYS   20u

static struct nor_sim flash;
static struct nv_log store;
static struct nv_slot slots[SLOTS];

// What each key has: bytes that its seed gives, or nothing.
struct expected {
    bool is_there;
    size_t size;
    uint64_t seed;
};
static struct expected model[OWNERS][KEYS];

static uint64_t seed;

static uint64_t any(uint64_t below)
{
    return arena_random(&seed) % below;
}

// ---- Items ----

struct item_memory {
    char owner[NV_OWNER_MAX];
    uint8_t key[NV_KEY_MAX], value[NV_VALUE_MAX];
};
static struct item_memory memory;

static void fill(uint8_t *to, size_t size, uint64_t from)
{
    uint64_t state = from;
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)(arena_random(&state) >> 32);
    }
}

static size_t key_size(unsigned key)
{
    return key == 0 ? NV_KEY_MAX : 2 + key % 7;
}

static struct nv_item make_item(unsigned owner, unsigned key, const struct expected *e)
{
    memset(memory.owner, 'a' + (int)owner, sizeof(memory.owner));
    memset(memory.key, (int)key, sizeof(memory.key));
    if (e->is_there) {
        fill(memory.value, e->size, e->seed);
    }
    return (struct nv_item){memory.owner,  owner == 0 ? NV_OWNER_MAX : 1 + owner, memory.key,
                            key_size(key), e->is_there ? memory.value : NULL,     e->size};
}

static int mount(void)
{
    return nv_log_mount(&store, &flash.nor, slots, SLOTS);
}

// 0, an error, or ERR_BUSY when the power was cut.
static int put(unsigned owner, unsigned key, const struct expected *e)
{
    struct nv_item item = make_item(owner, key, e);
    int err = nv_log_put(&store, &item);
    if (err) {
        return err;
    }
    do {
        err = nv_log_step(&store);
    } while (err == ERR_BUSY && !flash.dead);
    return err;
}

// ---- The model ----

static bool matches(const struct nv_item *item, const struct expected *e)
{
    static uint8_t value[NV_VALUE_MAX];
    if (!e->is_there || item->value_size != e->size) {
        return false;
    }
    fill(value, e->size, e->seed);
    return memcmp(value, item->value, e->size) == 0;
}

static void find_which(const struct nv_item *item, unsigned *owner, unsigned *key)
{
    *owner = (unsigned)(item->owner[0] - 'a');
    *key = ((const uint8_t *)item->key)[0];
    assert_true(*owner < OWNERS && *key < KEYS);
    assert_int_equal(item->key_size, key_size(*key));
}

// The store has what the model has, but that one key may have its new value instead; then the model
// learns it.
static void compare(unsigned changed_owner, unsigned changed_key, const struct expected *new)
{
    static uint8_t buffer[NV_RECORD_MAX];
    bool seen[OWNERS][KEYS] = {{false}};
    uint32_t cursor = 0;
    struct nv_item item;
    unsigned owner, key;
    while (cursor != UINT32_MAX) {
        if (!nv_log_next(&store, &cursor, 10, buffer, &item)) {
            continue;
        }
        find_which(&item, &owner, &key);
        assert_false(seen[owner][key]);
        seen[owner][key] = true;
        if (new != NULL && owner == changed_owner &&key == changed_key &&matches(&item, new)) {
            model[owner][key] = *new;
        }
        assert_true(matches(&item, &model[owner][key]));
    }
    if (new != NULL && !new->is_there && !seen[changed_owner][changed_key]) {
        model[changed_owner][changed_key] = *new;
    }
    for (owner = 0; owner < OWNERS; owner++) {
        for (key = 0; key < KEYS; key++) {
            assert_int_equal(seen[owner][key], model[owner][key].is_there);
        }
    }
    assert_false(flash.programmed_twice);
}

static void remount(unsigned owner, unsigned key, const struct expected *new)
{
    nor_sim_power_up(&flash);
    assert_int_equal(mount(), 0);
    compare(owner, key, new);
}

// Of how many values one is of any size, and the others small.
static unsigned large_one_in;

static struct expected any_value(size_t largest)
{
    struct expected e = {any(4) != 0, 0, arena_random(&seed)};
    e.size = !e.is_there ? 0 : any(large_one_in) == 0 ? any(largest + 1) : any(200);
    return e;
}

// One random change; true if it came to an end.
static bool change(size_t largest)
{
    unsigned owner = (unsigned)any(OWNERS), key = (unsigned)any(KEYS);
    struct expected e = any_value(largest);
    int err = put(owner, key, &e);
    if (err == ERR_BUSY) {
        remount(owner, key, &e);
        return false;
    }
    if (err == 0) {
        model[owner][key] = e;
    } else {
        assert_int_equal(err, ERR_NOMEM);
    }
    return true;
}

static int set_up(void **state)
{
    (void)state;
    nor_sim_init(&flash, SIZE, BLOCK);
    memset(model, 0, sizeof(model));
    seed = 42;
    large_one_in = 20;
    return mount();
}

// ---- Tests ----

static void keeps_what_was_written(void **state)
{
    (void)state;
    compare(0, 0, NULL);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(change(2000));
        remount(0, 0, NULL);
    }
    assert_true(store.generation >= 1);
}

static void takes_the_largest_record(void **state)
{
    struct expected e = {true, NV_VALUE_MAX, 7};
    (void)state;
    assert_int_equal(put(0, 0, &e), 0);
    model[0][0] = e;
    remount(0, 0, NULL);
    assert_int_equal(store.damaged, 0);
}

// Each operation of the flash in turn is cut, and then each of the first ones of the next change.
static void survives_a_cut_at_every_write(void **state)
{
    bool done = false;
    uint64_t copies = 0;
    (void)state;
    for (uint64_t cut = 1; !done; cut++) {
        set_up(NULL);
        large_one_in = 4;
        flash.cut_at = cut;
        flash.random = cut * 77 + 1;
        done = true;
        for (unsigned i = 0; i < 150 && done; i++) {
            done = change(12000);
        }
        copies = MAX(copies, store.generation);
        flash.cut_at = flash.operations + 1 + any(20);
        (void)change(500);
        nor_sim_power_up(&flash);
        remount(0, 0, NULL);
        assert_true(change(500));
        remount(0, 0, NULL);
    }
    assert_true(copies >= 2); // the first one makes the first head
}

static void survives_random_cuts(void **state)
{
    unsigned operations = getenv("NEWEL_LONG") != NULL ? 1000000 : 100000, cuts = 0;
    (void)state;
    for (unsigned i = 0; i < operations; i++) {
        if (flash.cut_at == 0 && any(4) == 0) {
            flash.cut_at = flash.operations + 1 + any(any(10) == 0 ? 400 : 20);
        }
        cuts += !change(i % 64 == 0 ? NV_VALUE_MAX : 400);
    }
    compare(0, 0, NULL);
    assert_true(cuts > operations / 100);
    print_message("%u cuts in %u changes, generation %lu\n", cuts, operations,
                  (unsigned long)store.generation);
}

static void waits_for_a_slow_flash(void **state)
{
    (void)state;
    flash.delay = 3;
    for (unsigned i = 0; i < 300; i++) {
        assert_true(change(5000));
    }
    nor_sim_power_up(&flash);
    compare(0, 0, NULL);
}

// What cannot be programmed fails alone; between the areas it is the end, until the next start.
static void says_when_the_flash_fails(void **state)
{
    struct expected e = {true, 100, 1}, f = {true, 200, 2};
    (void)state;
    assert_int_equal(put(1, 1, &e), 0);
    model[1][1] = e;
    flash.fail_at = flash.operations + 1;
    assert_int_equal(put(1, 1, &f), ERR_IO);
    compare(0, 0, NULL);
    flash.fail_at = flash.operations + 1;
    assert_int_equal(put(1, 1, &f), ERR_IO); // it would have copied
    assert_int_equal(put(1, 1, &f), ERR_IO);
    compare(0, 0, NULL);
    remount(0, 0, NULL);
    assert_int_equal(put(1, 1, &f), 0);
    model[1][1] = f;
    remount(0, 0, NULL);
}

static void refuses_more_than_fits(void **state)
{
    struct expected e = {true, NV_VALUE_MAX, 3};
    unsigned n = 0;
    (void)state;
    while (put(1, n, &e) == 0) {
        model[1][n] = e;
        e.seed++;
        n++;
    }
    assert_int_equal(n, 3);
    remount(0, 0, NULL);
    assert_int_equal(put(1, n, &e), ERR_NOMEM);
    for (unsigned i = 0; i < n; i++) { // there is always room for these
        model[1][i] = (struct expected){.is_there = false};
        assert_int_equal(put(1, i, &model[1][i]), 0);
    }
    remount(0, 0, NULL);
    assert_int_equal(put(1, n, &e), 0);
}

static void leaves_others_flashes_alone(void **state)
{
    (void)state;
    flash.bytes[0x28] = '_';
    assert_int_equal(mount(), 0); // as a cut of its first head would look
    flash.bytes[0x60] = '_';
    assert_int_equal(mount(), ERR_EXISTS);
    flash.bytes[0x60] = 0xff;
    flash.bytes[SIZE / 2 + 0x60] = 0;
    assert_int_equal(mount(), ERR_EXISTS);
    nor_sim_init(&flash, 2 * 16 * BLOCK, BLOCK);
    assert_int_equal(mount(), ERR_RANGE);
}

// Any one line of the area in use is another one: what is not in it stays, or has an older value.
static void keeps_what_is_not_damaged(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        last = key == 0 ? NV_HEADS : store.end;
        struct expected e = {true, 50 + key, key + 1};
        assert_int_equal(put(1, key, &e), 0);
    }
    uint64_t end = store.end;
    assert_int_equal(store.area, 0);
    uint8_t *whole = malloc(SIZE);
    memcpy(whole, flash.bytes, SIZE);
    for (uint64_t at = 0; at < end; at += NV_LINE) {
        static uint8_t buffer[NV_RECORD_MAX];
        uint32_t cursor = 0;
        struct nv_item item;
        unsigned left = 0;
        memcpy(flash.bytes, whole, SIZE);
        for (unsigned i = 0; i < NV_LINE; i++) {
            flash.bytes[at + i] ^= 0x5a;
        }
        assert_int_equal(mount(), 0);
        while (cursor != UINT32_MAX) {
            left += nv_log_next(&store, &cursor, SLOTS, buffer, &item);
        }
        assert_int_equal(left, at < NV_HEADS ? KEYS : KEYS - 1);
        assert_int_equal(store.damaged, at < NV_HEADS || at == last ? 0 : 1);
    }
    free(whole);
}

// A value that holds a record of another owner's, to be found where a header is damaged.
static void takes_no_record_out_of_a_value(void **state)
{
    struct nv_item item = {"x", 1, "k", 1, memory.value, 512};
    static uint8_t buffer[NV_RECORD_MAX];
    uint32_t cursor = 0;
    (void)state;
    struct expected e = {true, 10, 1};
    assert_int_equal(put(1, 1, &e), 0);
    struct nv_item forged = {"b", 1, "k", 1, "v", 1};
    struct nv_record r;
    nv_record_make(&r, &forged, store.nonce ^ 1);
    memset(memory.value, 0, 512);
    for (size_t at = 32 - 2; at + 64 < 512; at += 64) {
        memcpy(memory.value + at, &r, sizeof(r));
        memcpy(memory.value + at + 32, "bkv", 3);
    }
    uint64_t at = store.end;
    assert_int_equal(nv_log_put(&store, &item), 0);
    while (nv_log_step(&store) == ERR_BUSY) {
    }
    memset(flash.bytes + at, 0, NV_LINE);
    assert_int_equal(mount(), 0);
    while (cursor != UINT32_MAX) {
        if (nv_log_next(&store, &cursor, SLOTS, buffer, &item)) {
            assert_int_equal(item.owner_size, 2);
        }
    }
}

static void reads_only_what_its_index_cannot_hold(void **state)
{
    struct expected e = {true, 4, 1};
    (void)state;
    for (unsigned key = 0; key < KEYS; key++) {
        assert_int_equal(put(1, key, &e), 0);
    }
    assert_int_equal(nv_log_mount(&store, &flash.nor, slots, 16), ERR_NOMEM);
    assert_int_equal(put(1, 1, &e), ERR_IO);
}

// Keys of one CRC are easily found, and would all have to be read when one is looked for.
static void hashes_as_no_guest_foresees(void **state)
{
    const uint64_t polynomial = UINT64_C(0xedb88320) << 1 | 1;
    uint8_t a[16] = {1, 2, 3}, b[16];
    (void)state;
    memcpy(b, a, sizeof(b));
    for (unsigned i = 0; i < 8; i++) {
        b[4 + i] ^= (uint8_t)(polynomial >> 8 * i);
    }
    const struct nv_item x = {"v", 1, a, sizeof(a), "", 0}, y = {"v", 1, b, sizeof(b), "", 0};
    assert_int_equal(crc32(0, a, sizeof(a)), crc32(0, b, sizeof(b)));
    assert_int_not_equal(nv_hash(12345, &x), nv_hash(12345, &y));
    assert_int_not_equal(nv_hash(12345, &x), nv_hash(UINT64_MAX, &x));
    assert_int_equal(nv_hash(UINT64_MAX, &x), nv_hash(UINT64_MAX, &x));
}

// The flash loses a header while Newel runs: it is not copied, whatever size it has now.
static void copies_no_record_that_was_lost(void **state)
{
    const struct nv_record wrong[] = {{.owner_size = UINT32_MAX, .value_size = UINT32_MAX},
                                      {.owner_size = NV_LINE, .value_size = 1u << 20}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        for (unsigned key = 0; key < KEYS; key++) {
            model[1][key] = (struct expected){true, 50 + key, key + 1};
            assert_int_equal(put(1, key, &model[1][key]), 0);
        }
        struct expected e = {true, 100, 7};
        uint64_t at = store.area * store.area_size + store.end;
        assert_int_equal(put(2, 1, &e), 0);
        memcpy(flash.bytes + at, &wrong[i], sizeof(wrong[i]));
        store.must_copy = true;
        assert_int_equal(put(1, 3, &model[1][3]), 0);
        assert_int_equal(store.damaged, 1);
        compare(0, 0, NULL);
        remount(0, 0, NULL);
        assert_int_equal(store.damaged, 0);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_was_written),
        TEST(takes_the_largest_record),
        TEST(survives_a_cut_at_every_write),
        TEST(survives_random_cuts),
        TEST(waits_for_a_slow_flash),
        TEST(says_when_the_flash_fails),
        TEST(refuses_more_than_fits),
        TEST(leaves_others_flashes_alone),
        TEST(keeps_what_is_not_damaged),
        TEST(takes_no_record_out_of_a_value),
        TEST(hashes_as_no_guest_foresees),
        TEST(copies_no_record_that_was_lost),
        TEST(reads_only_what_its_index_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
