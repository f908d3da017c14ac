// SPDX-License-Identifier: Apache-2.0
// Variables of VMs on a flash: when a call has its answer, what is there after a restart, and who
// does not disturb whom. The work is done by the test, step by step.
#include "call/efi_vars.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "log_kept.h"
#include "nor_sim.h"
#include "vm/flash_keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BLOCK (64u * 1024)
#define ALL \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)
#define VMS 2u

static const struct efi_guid ours = {0x12345678, 1, 2, {3, 4, 5, 6, 7, 8, 9, 10}};
static const struct vm_config configs[VMS] = {{.name = "first"}, {.name = "first2"}};
static struct efi_vars *vars[VMS];
static struct nor_sim flash;
static struct work *work;

// ---- Stand-ins ----

static hpa_t kept[2]; // NVRAM's own, for good
static unsigned kept_count;

static void free_kept(void)
{
    while (kept_count > 0) {
        free(hpa_ptr(kept[--kept_count]));
    }
}

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    (void)align_pages;
    *out = ptr_hpa(aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE));
    if (owner == OWNER_NEWEL) {
        assert_true(kept_count < ARRAY_SIZE(kept));
        kept[kept_count++] = *out;
    }
    return 0;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    (void)owner;
    (void)pages;
    free(hpa_ptr(base));
}

void sched_work(struct work *w)
{
    assert_null(work);
    work = w;
}

static uint64_t now; // in milliseconds

uint64_t timer_now(void)
{
    return now;
}

uint64_t timer_frequency(void)
{
    return 1000;
}

// One step; false if there is nothing to do.
static bool step(void)
{
    struct work *w = work;
    if (w != NULL && !w->step(w)) {
        work = NULL;
    }
    return work != NULL;
}

static void work_off(void)
{
    while (step()) {
        assert_false(flash.dead);
    }
}

// ---- VMs ----

static void make(unsigned vm)
{
    vars[vm] = efi_vars_create(&configs[vm], 5);
    assert_false(efi_vars_load(vars[vm]));
    work_off();
    assert_true(efi_vars_load(vars[vm]));
    efi_vars_reset(vars[vm], true);
}

static void make_all(void)
{
    free_kept();
    nvram_use_flash(&flash.nor);
    assert_true(nvram_is_there());
    for (unsigned i = 0; i < VMS; i++) {
        make(i);
    }
}

// Newel is there anew, with what the flash has.
static void restart(void)
{
    while (work != NULL && !flash.dead) {
        step();
    }
    for (unsigned i = 0; i < VMS; i++) {
        efi_vars_destroy(vars[i]);
    }
    work = NULL;
    nor_sim_power_up(&flash);
    make_all();
}

static int set_up(void **state)
{
    (void)state;
    nor_sim_init(&flash, 8 * BLOCK, BLOCK);
    logged[0] = '\0';
    make_all();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VMS; i++) {
        efi_vars_destroy(vars[i]);
    }
    free_kept();
    free(flash.bytes);
    flash.bytes = NULL;
    return 0;
}

static struct efi_var_name make_name(const char *text)
{
    static efi_char16 memory[4][64];
    static unsigned turn;
    efi_char16 *m = memory[turn++ % ARRAY_SIZE(memory)];
    for (size_t i = 0; i <= strlen(text); i++) {
        m[i] = (unsigned char)text[i];
    }
    return (struct efi_var_name){ours, m, 2 * (strlen(text) + 1)};
}

// One call, and whatever is its answer.
static efi_status call(unsigned vm, unsigned cpu, const char *name, uint32_t attributes,
                       const char *data)
{
    struct efi_var_name n = make_name(name);
    return efi_vars_set(vars[vm], cpu, &n, attributes, data, strlen(data));
}

// The call until it has its answer, as the trap's retries make it.
static efi_status set(unsigned vm, const char *name, const char *data)
{
    efi_status status;
    do {
        status = call(vm, 0, name, ALL, data);
        step();
    } while (status == EFI_NOT_READY && !flash.dead);
    return status;
}

static void expect(unsigned vm, const char *name, const char *data)
{
    struct efi_var v;
    struct efi_var_name n = make_name(name);
    efi_status status = efi_vars_get(vars[vm], &n, &v);
    assert_int_equal(status, data != NULL ? EFI_SUCCESS : EFI_NOT_FOUND);
    if (data != NULL) {
        assert_int_equal(v.size, strlen(data));
        assert_memory_equal(v.data, data, v.size);
        assert_int_equal(v.attributes, ALL);
    }
}

// ---- Tests ----

static void answers_when_it_is_on_the_flash(void **state)
{
    (void)state;
    uint64_t before = flash.operations;
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_NOT_READY);
    expect(0, "A", NULL);
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_NOT_READY);
    work_off();
    assert_true(flash.operations > before);
    expect(0, "A", "one");
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_SUCCESS);
    before = flash.operations;
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_SUCCESS); // nothing changes
    assert_int_equal(call(0, 0, "B", ALL, ""), EFI_NOT_FOUND);
    assert_int_equal(flash.operations, before);
    assert_null(work);
}

static void survives_a_restart(void **state)
{
    (void)state;
    assert_int_equal(set(0, "A", "one"), EFI_SUCCESS);
    assert_int_equal(set(0, "B", "two"), EFI_SUCCESS);
    assert_int_equal(set(1, "A", "other"), EFI_SUCCESS);
    assert_int_equal(set(0, "A", "three"), EFI_SUCCESS);
    assert_int_equal(set(0, "B", ""), EFI_SUCCESS);
    restart();
    expect(0, "A", "three");
    expect(0, "B", NULL);
    expect(1, "A", "other");
    expect(1, "B", NULL);
    assert_non_null(strstr(logged, "NVRAM: flash of 512 KiB, 2 values"));
    efi_vars_destroy(vars[1]);
    make(1);
    expect(1, "A", "other");
}

static void appends_once(void **state)
{
    (void)state;
    assert_int_equal(set(0, "A", "x"), EFI_SUCCESS);
    assert_int_equal(call(0, 0, "A", ALL | EFI_VARIABLE_APPEND_WRITE, "y"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 0, "A", ALL | EFI_VARIABLE_APPEND_WRITE, "y"), EFI_SUCCESS);
    expect(0, "A", "xy");
    // Another vCPU that asks the same is another call, whichever of them comes first for its answer
    assert_int_equal(call(0, 1, "A", ALL | EFI_VARIABLE_APPEND_WRITE, "y"), EFI_NOT_READY);
    assert_int_equal(call(0, 0, "A", ALL | EFI_VARIABLE_APPEND_WRITE, "y"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 0, "A", ALL | EFI_VARIABLE_APPEND_WRITE, "y"), EFI_SUCCESS);
    assert_int_equal(call(0, 1, "A", ALL | EFI_VARIABLE_APPEND_WRITE, "y"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 1, "A", ALL | EFI_VARIABLE_APPEND_WRITE, "y"), EFI_SUCCESS);
    expect(0, "A", "xyyy");
    restart();
    expect(0, "A", "xyyy");
}

// A kernel's task may make its next try on another vCPU.
static void appends_and_deletes_once_for_who_moves(void **state)
{
    const uint32_t append = ALL | EFI_VARIABLE_APPEND_WRITE;
    uint32_t count, next;
    (void)state;
    assert_int_equal(call(0, 0, "A", append, "x"), EFI_NOT_READY);
    assert_int_equal(call(0, 3, "A", append, "x"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 2, "A", append, "x"), EFI_SUCCESS);
    expect(0, "A", "x");
    assert_int_equal(call(0, 1, "A", ALL, ""), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 0, "A", ALL, ""), EFI_SUCCESS);
    assert_int_equal(call(0, 1, "A", ALL, ""), EFI_NOT_FOUND);
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &count), EFI_NOT_READY);
    work_off();
    assert_int_equal(efi_vars_next_high_count(vars[0], 1, &count), EFI_SUCCESS);
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &next), EFI_NOT_READY);
    work_off();
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &next), EFI_SUCCESS);
    assert_int_equal(next, count + 1);
}

static void gives_an_answer_to_who_asked(void **state)
{
    (void)state;
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 1, "A", ALL, "two"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 1, "A", ALL, "two"), EFI_SUCCESS);
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_SUCCESS); // it was, before the other
    expect(0, "A", "two");
    // What a vCPU does not ask again, nobody waits for
    assert_int_equal(call(0, 0, "B", ALL, "one"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 0, "C", ALL, "one"), EFI_NOT_READY);
    work_off();
    assert_int_equal(call(0, 0, "C", ALL, "one"), EFI_SUCCESS);
    expect(0, "B", "one");
}

static void lets_vms_write_side_by_side(void **state)
{
    (void)state;
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_NOT_READY);
    assert_int_equal(call(1, 0, "A", ALL, "two"), EFI_NOT_READY);
    assert_false(efi_vars_is_idle(vars[1]));
    work_off();
    assert_true(efi_vars_is_idle(vars[1]));
    assert_int_equal(call(1, 0, "A", ALL, "two"), EFI_SUCCESS);
    assert_int_equal(call(0, 0, "A", ALL, "one"), EFI_SUCCESS);
}

static void counts_on(void **state)
{
    uint32_t a, b;
    (void)state;
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &a), EFI_NOT_READY);
    work_off();
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &a), EFI_SUCCESS);
    restart();
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &b), EFI_NOT_READY);
    work_off();
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &b), EFI_SUCCESS);
    assert_int_equal(b, a + 1);
}

static void says_when_the_flash_fails(void **state)
{
    (void)state;
    assert_int_equal(set(0, "A", "one"), EFI_SUCCESS);
    flash.fail_at = flash.operations + 1;
    assert_int_equal(set(0, "A", "two"), EFI_DEVICE_ERROR);
    expect(0, "A", "one");
    restart();
    expect(0, "A", "one");
}

// A guest that fills its quota, again and again; the other one has its own.
static void a_guest_exhausts_only_itself(void **state)
{
    static char data[20001];
    char name[8];
    unsigned n = 0;
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        memset(data, 'a' + (int)round, sizeof(data) - 1);
        for (n = 0; n < 100; n++) {
            snprintf(name, sizeof(name), "V%u", n);
            if (set(0, name, data) != EFI_SUCCESS) {
                break;
            }
        }
        assert_int_equal(n, EFI_VARS_QUOTA / 20060);
    }
    assert_int_equal(set(1, "A", "fits"), EFI_SUCCESS);
    data[10000] = '\0';
    assert_int_equal(set(1, "B", data), EFI_SUCCESS);
    restart();
    expect(1, "A", "fits");
    data[10000] = data[0];
    expect(0, "V0", data);
}

// Writes until it has to wait; how many bytes of data that were.
static size_t write_on(unsigned vm)
{
    static char data[20001];
    static unsigned round;
    size_t bytes = 0;
    for (;;) {
        memset(data, 'a' + (int)(round++ % 26), sizeof(data) - 1);
        efi_status status = call(vm, 0, "W", ALL, data);
        if (status == EFI_NOT_READY && work == NULL) {
            return bytes;
        }
        work_off();
        assert_int_equal(call(vm, 0, "W", ALL, data), EFI_SUCCESS);
        bytes += sizeof(data) - 1;
    }
}

// It may write much at once, and then no more than that so soon again; nobody else is affected.
static void a_guest_wears_so_much_and_no_more(void **state)
{
    (void)state;
    now = 1;
    assert_in_range(write_on(0), WEAR_BURST - 100000, WEAR_BURST + 20000);
    assert_int_equal(write_on(0), 0);
    expect(1, "A", NULL);
    assert_int_equal(set(1, "A", "one"), EFI_SUCCESS);
    now += 100000;
    assert_in_range(write_on(0), 100 * WEAR_PER_SECOND - 25000, 100 * WEAR_PER_SECOND + 20000);
    uint32_t count;
    assert_int_equal(efi_vars_next_high_count(vars[0], 0, &count), EFI_NOT_READY);
    assert_null(work);
    efi_vars_reset(vars[0], true); // a guest's reset does not give it more
    assert_int_equal(write_on(0), 0);
    assert_true(efi_vars_is_idle(vars[0]));
    now += UINT64_C(1) << 40;
    assert_in_range(write_on(0), WEAR_BURST - 100000, WEAR_BURST + 20000);
}

static void survives_cuts_of_power(void **state)
{
    static char value[VMS][4][200];
    bool there[VMS][4] = {{false}};
    uint64_t random = 7;
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        unsigned vm = (unsigned)arena_random(&random) % VMS, k = arena_random(&random) % 4;
        char name[2] = {(char)('A' + k), 0}, new[200] = "";
        size_t size = arena_random(&random) % 199;
        memset(new, 'a' + (int)(i % 26), size);
        if (i % 3 == 0) {
            flash.cut_at = flash.operations + 1 + arena_random(&random) % 6;
        }
        efi_status status = set(vm, name, new);
        if (flash.dead) {
            struct efi_var v;
            restart();
            struct efi_var_name n = make_name(name);
            bool is_new = efi_vars_get(vars[vm], &n, &v) == EFI_SUCCESS
                              ? v.size == size && memcmp(v.data, new, size) == 0
                              : size == 0;
            status = is_new ? EFI_SUCCESS : EFI_DEVICE_ERROR;
        }
        if (status == EFI_SUCCESS) {
            memcpy(value[vm][k], new, sizeof(new));
            there[vm][k] = size != 0;
        }
        expect(vm, name, there[vm][k] ? value[vm][k] : NULL);
    }
}

static void ignore(struct nvram_request *r, int err)
{
    (void)r;
    assert_true(err == 0 || err == ERR_NOMEM);
}

static void takes_nothing_that_is_no_variable(void **state)
{
    static uint32_t junk[400] = {EFI_VARS_VARIABLE, 1, 2, 3, 4};
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct nvram_request r = {.item = {"first", 5, junk, 4 + 5 * i, junk + 5, 7 * i % 1600},
                                  .done = ignore};
        junk[0] = i % 4;
        junk[5] = i % 2 ? ALL : i;
        nvram_submit(&r);
        work_off();
    }
    restart();
    static const efi_char16 empty = 0;
    struct efi_var_name name = {ours, &empty, 2};
    assert_int_equal(efi_vars_next(vars[0], &name, &name), EFI_NOT_FOUND);
}

// ---- A flash that a VM's firmware programs ----

static uint8_t cells[FLASH_CELLS];
static struct flash emulated;
static struct flash_keeper keeper;

static void make_flash(void)
{
    memset(cells, 0xff, sizeof(cells));
    memset(&emulated, 0, sizeof(emulated));
    flash_keeper_init(&keeper, &emulated, "fw");
    assert_false(flash_keeper_load(&keeper));
    emulated.cells = cells;
    work_off();
    assert_true(flash_keeper_load(&keeper));
    flash_init(&emulated, cells, flash_keeper_allows, flash_keeper_changed, &keeper);
}

static void command(uint64_t at, uint8_t which, uint32_t value)
{
    emulated.dev.ops->write(&emulated.dev, NULL, FLASH_BANK + at, 4, which);
    emulated.dev.ops->write(&emulated.dev, NULL, FLASH_BANK + at, 4, value);
}

static uint64_t status_of_flash(void)
{
    return emulated.dev.ops->read(&emulated.dev, NULL, FLASH_BANK, 4) & 0xff;
}

static void keeps_what_firmware_programs(void **state)
{
    uint32_t word = 0;
    (void)state;
    make_flash();
    command(FLASH_CELLS - 4, 0x40, 0x12345678);
    command(FLASH_BLOCK, 0x40, 0x9abcdef0);
    assert_int_equal(status_of_flash(), 0);
    assert_false(flash_keeper_is_idle(&keeper));
    work_off();
    assert_int_equal(status_of_flash(), 0x80);
    assert_true(flash_keeper_is_idle(&keeper));
    restart();
    make_flash();
    memcpy(&word, cells + FLASH_CELLS - 4, 4);
    assert_int_equal(word, 0x12345678);
    command(FLASH_BLOCK, 0x20, 0xd0);
    work_off();
    assert_int_equal(status_of_flash(), 0x80);
    restart();
    make_flash();
    memcpy(&word, cells + FLASH_CELLS - 4, 4);
    assert_int_equal(word, 0x12345678);
    memcpy(&word, cells + FLASH_BLOCK, 4);
    assert_int_equal(word, UINT32_MAX);
}

static void firmware_wears_so_much_and_no_more(void **state)
{
    unsigned n = 0;
    (void)state;
    make_flash();
    command(0, 0x40, 0x0ffffff0);
    do {
        work_off();
        command(0, 0x40, n++ % 2 == 0 ? 0x0fffff00 : 0x0ffff000);
    } while (status_of_flash() == 0);
    assert_int_equal(status_of_flash(), 0xb0); // and the cells are as they were
    assert_in_range(n, WEAR_BURST / (FLASH_PAGE + WEAR_RECORD) - 1,
                    WEAR_BURST / (FLASH_PAGE + WEAR_RECORD) + 10);
    assert_true(flash_keeper_is_idle(&keeper));
    command(0, 0x20, 0xd0);
    assert_int_equal(status_of_flash(), 0xb0);
    assert_int_not_equal(cells[0], 0xff);
    now += 1000;
    command(0, 0x50, 0x70);
    command(0, 0x20, 0xd0);
    assert_int_equal(status_of_flash(), 0);
    work_off();
    assert_int_equal(status_of_flash(), 0x80);
    assert_int_equal(cells[0], 0xff);
}

// EDK2 erases its store again and again before it writes to it.
static void erased_pages_wear_little(void **state)
{
    (void)state;
    make_flash();
    for (unsigned n = 0; n < 2 * WEAR_BURST / FLASH_BLOCK; n++) {
        command(0, 0x20, 0xd0);
        work_off();
        assert_int_equal(status_of_flash(), 0x80);
    }
}

static void tells_firmware_of_a_failure(void **state)
{
    (void)state;
    make_flash();
    flash.fail_at = flash.operations + 1;
    command(0, 0x40, 0x12345678);
    work_off();
    assert_int_equal(status_of_flash(), 0xb0);
    assert_true(flash_keeper_is_idle(&keeper));
}

// Where there is room for variables alone, a VM's flash starts blank and is ready at once.
static void no_room_for_flashes(void **state)
{
    (void)state;
    static const struct nvram_backend small = {.is_small = true, .only_on = 3};
    static struct flash_keeper blank;
    assert_true(nvram_keeps_flash());
    flash_keeper_init(&blank, NULL, "vm");
    assert_false(blank.loaded);
    free_kept();
    nvram_use(&small);
    assert_true(nvram_is_there());
    assert_false(nvram_keeps_flash());
    flash_keeper_init(&blank, NULL, "vm");
    assert_true(blank.loaded);
    struct nvram_request r = {.each = NULL};
    nvram_submit(&r);
    assert_int_equal(work->only_on, 3);
    work = NULL;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answers_when_it_is_on_the_flash),
        TEST(survives_a_restart),
        TEST(appends_once),
        TEST(appends_and_deletes_once_for_who_moves),
        TEST(gives_an_answer_to_who_asked),
        TEST(lets_vms_write_side_by_side),
        TEST(counts_on),
        TEST(says_when_the_flash_fails),
        TEST(a_guest_exhausts_only_itself),
        TEST(a_guest_wears_so_much_and_no_more),
        TEST(survives_cuts_of_power),
        TEST(keeps_what_firmware_programs),
        TEST(tells_firmware_of_a_failure),
        TEST(firmware_wears_so_much_and_no_more),
        TEST(erased_pages_wear_little),
        TEST(takes_nothing_that_is_no_variable),
        TEST(no_room_for_flashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
