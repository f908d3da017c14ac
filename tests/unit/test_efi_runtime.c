// SPDX-License-Identifier: Apache-2.0
// EFI's runtime services over a stand-in for the caller's memory: each call is begun anew after
// each of its accesses in turn, is refused each of them in turn, and what it reads changes as soon
// as it was read.
#include "arena.h"
#include "call/efi_runtime.h"
#include "call/efi_vars.h"
#include "lib/bits.h"
#include "mem/guest.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ALL     7u
#define BASE    UINT64_C(0x4fe00000)
#define COUNTER 100 // seconds that the machine's counter has

static struct vm *vm;
static struct vcpu vcpu = {.index = 1};
static int64_t clock_seconds;
static unsigned resets, offs;
static uint64_t armed;
static uint8_t tables[FIRMWARE_PART];

// ---- Stand-ins ----

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    (void)owner;
    (void)align_pages;
    *out = ptr_hpa(aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE));
    return 0;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    (void)owner;
    (void)pages;
    free(hpa_ptr(base));
}

void sched_work(struct work *work)
{
    (void)work;
    fail(); // there is no NVRAM here
}

void vm_reset(struct vm *which)
{
    assert_ptr_equal(which, vm);
    resets++;
}

void vm_power_off(struct vm *which)
{
    assert_ptr_equal(which, vm);
    offs++;
}

int64_t pl031_seconds(const struct pl031 *r)
{
    assert_ptr_equal(r, &vm->rtc);
    return clock_seconds;
}

void pl031_set(struct pl031 *r, int64_t seconds)
{
    assert_ptr_equal(r, &vm->rtc);
    wakeup_clock_moved(&vm->wakeup, seconds - clock_seconds);
    clock_seconds = seconds;
}

int64_t pl031_offset(const struct pl031 *r)
{
    assert_ptr_equal(r, &vm->rtc);
    return clock_seconds - COUNTER;
}

uint64_t timer_now(void)
{
    return COUNTER * timer_frequency() + 7;
}

uint64_t timer_frequency(void)
{
    return 10;
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    assert_ptr_equal(t, &vm->wakeup.timer);
    armed = deadline;
}

static void never_came(struct wakeup *w)
{
    (void)w;
    fail(); // the timer's interrupt is not there
}

int guest_write(struct stage2 *s2, gpa_t to, const void *from, size_t size)
{
    assert_ptr_equal(s2, &vm->space.s2);
    assert_int_equal(to.v, BASE + FIRMWARE_DATA);
    memcpy(tables, from, size);
    return 0;
}

// ---- The caller's memory: one array at some address ----

#define MEMORY UINT64_C(0x7000)
#define SIZE   0x4000u

static uint8_t memory[SIZE];
static unsigned accesses, again_at, fault_at; // 0: never
static bool spoil;                            // what was read

static enum port_end access_memory(uint64_t va, size_t size, uint8_t **at)
{
    assert_true(size > 0 && size <= PAGE_SIZE - (va & PAGE_MASK)); // in one page
    accesses++;
    if (accesses == again_at) {
        return PORT_AGAIN;
    }
    if (accesses == fault_at || va < MEMORY || va - MEMORY > SIZE - size) {
        return PORT_FAULT;
    }
    *at = memory + (va - MEMORY);
    return PORT_DONE;
}

static enum port_end memory_read(struct port_memory *m, uint64_t va, void *to, size_t size)
{
    uint8_t *at = NULL;
    (void)m;
    enum port_end end = access_memory(va, size, &at);
    if (end == PORT_DONE) {
        memcpy(to, at, size);
        memset(at, 0xee, spoil ? size : 0);
    }
    return end;
}

static enum port_end memory_write(struct port_memory *m, uint64_t va, const void *from, size_t size)
{
    uint8_t *at = NULL;
    (void)m;
    enum port_end end = access_memory(va, size, &at);
    if (end == PORT_DONE) {
        memcpy(at, from, size);
    }
    return end;
}

static enum port_end memory_writable(struct port_memory *m, uint64_t va, size_t size)
{
    uint8_t *at = NULL;
    (void)m;
    return access_memory(va, size, &at);
}

static struct port_memory face = {memory_read, memory_write, memory_writable};

static enum port_end invoke(enum efi_service n, const uint64_t *arguments)
{
    memcpy(vcpu.regs.x, arguments, 5 * sizeof(*arguments));
    vcpu.regs.x[9] = n;
    accesses = 0;
    enum port_end end = efi_runtime_call(&vcpu, &face);
    assert_false(vm->efi.busy);
    assert_memory_equal(vcpu.regs.x + 1, arguments + 1, 4 * sizeof(*arguments));
    return end;
}

static efi_status call(enum efi_service n, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                       uint64_t e)
{
    const uint64_t arguments[5] = {a, b, c, d, e};
    assert_int_equal(invoke(n, arguments), PORT_DONE);
    return vcpu.regs.x[0];
}

static int begin(void **state)
{
    static const struct vm_config config = {.name = "unit"};
    static struct guest_efi_data data;
    (void)state;
    vm = calloc(1, sizeof(*vm));
    vm->config = &config;
    vm->vars = efi_vars_create(&config, 5);
    efi_vars_reset(vm->vars, true);
    guest_efi_relocate(&data, BASE + FIRMWARE_DATA, BASE + FIRMWARE_CODE);
    guest_efi_reset(&vm->efi, BASE, &data);
    wakeup_init(&vm->wakeup, never_came);
    vcpu.vm = vm;
    memset(memory, 0, sizeof(memory));
    again_at = fault_at = 0;
    spoil = false;
    resets = offs = 0;
    clock_seconds = 1795788748; // 2026-11-27 14:12:28
    return 0;
}

static int end(void **state)
{
    (void)state;
    efi_vars_destroy(vm->vars);
    free(vm);
    return 0;
}

// Where things lie: all but the clock's answer go over a page's end.
#define NAME   (MEMORY + 0xffd)
#define VENDOR (MEMORY + 0x1ff8)
#define LENGTH (MEMORY + 0x2ffc)
#define DATA   (MEMORY + 0x1100)

static void put(uint64_t va, const void *bytes, size_t size)
{
    memcpy(memory + (va - MEMORY), bytes, size);
}

static void put_number(uint64_t va, uint64_t n)
{
    put(va, &n, sizeof(n));
}

static const struct efi_guid vendor = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};

static void arrange(const char *name, const void *data, size_t size)
{
    memset(memory, 0x55, sizeof(memory));
    for (size_t i = 0; i <= strlen(name); i++) {
        put(NAME + 2 * i, &(efi_char16){(unsigned char)name[i]}, 2);
    }
    put(VENDOR, &vendor, sizeof(vendor));
    put_number(LENGTH, 16);
    put(DATA, data, size);
}

// One call of each service: what it does to memory and state, undisturbed, is in a copy.
static const struct {
    enum efi_service service;
    const char *name;
    uint64_t x[5];
} calls[] = {
    {EFI_GET_TIME, "", {DATA, LENGTH, 0, 0, 0}},
    {EFI_SET_TIME, "", {DATA, 0, 0, 0, 0}},
    {EFI_GET_WAKEUP_TIME, "", {DATA, LENGTH, VENDOR, 0, 0}},
    {EFI_SET_WAKEUP_TIME, "", {1, DATA, 0, 0, 0}},
    {EFI_GET_VARIABLE, "Old", {NAME, VENDOR, DATA + 64, LENGTH, DATA}},
    {EFI_GET_VARIABLE, "None", {NAME, VENDOR, DATA + 64, LENGTH, DATA}},
    {EFI_GET_VARIABLE, "Long", {NAME, VENDOR, DATA + 64, LENGTH, DATA}},
    {EFI_SET_VARIABLE, "New", {NAME, VENDOR, ALL, 16, DATA}},
    {EFI_SET_VARIABLE, "Old", {NAME, VENDOR, ALL | EFI_VARIABLE_APPEND_WRITE, 16, DATA}},
    {EFI_GET_NEXT_VARIABLE_NAME, "", {LENGTH, NAME, VENDOR, 0, 0}},
    {EFI_GET_NEXT_VARIABLE_NAME, "Old", {LENGTH, NAME, VENDOR, 0, 0}},
    {EFI_QUERY_VARIABLE_INFO, "", {ALL, DATA, NAME, LENGTH, 0}},
    {EFI_GET_NEXT_HIGH_MONOTONIC_COUNT, "", {LENGTH, 0, 0, 0, 0}},
};

static const struct efi_time valid = {2000, 2, 29, 23, 59, 30, 0, 0, -60, 1, 0};

static void prepare(size_t which)
{
    void *none = NULL;
    end(&none);
    begin(&none);
    static const char text[64] = "long, longer than there is room";
    const char *names[] = {"Old", "Long"};
    for (size_t i = 0; i < 2; i++) {
        arrange(names[i], text, sizeof(text));
        assert_int_equal(call(EFI_SET_VARIABLE, NAME, VENDOR, ALL, i == 0 ? 10 : 60, DATA), 0);
    }
    arrange(calls[which].name, &valid, sizeof(valid));
}

struct outcome {
    efi_status status;
    uint8_t memory[SIZE];
    int64_t seconds, wakeup;
    struct efi_var var;
    uint8_t value[64];
    uint32_t count;
};

static void look(struct outcome *o)
{
    static const efi_char16 old[] = {'O', 'l', 'd', 0}, new[] = {'N', 'e', 'w', 0};
    struct efi_var var = {0};
    memset(o, 0, sizeof(*o));
    o->status = vcpu.regs.x[0];
    memcpy(o->memory, memory, SIZE);
    o->seconds = clock_seconds;
    o->wakeup = vm->wakeup.setting.at + vm->wakeup.setting.enabled;
    o->count = vm->vars->high_count;
    (void)efi_vars_get(vm->vars, &(struct efi_var_name){vendor, new, sizeof(new)}, &var);
    o->var.size = var.size;
    (void)efi_vars_get(vm->vars, &(struct efi_var_name){vendor, old, sizeof(old)}, &var);
    o->var.attributes = var.attributes + (uint32_t)var.size;
    memcpy(o->value, var.data, var.size);
}

static struct outcome wanted, got;

static void test_begun_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        prepare(i);
        assert_int_equal(invoke(calls[i].service, calls[i].x), PORT_DONE);
        unsigned all = accesses;
        assert_true(all >= 1);
        look(&wanted);
        for (unsigned n = 1; n <= all; n++) {
            prepare(i);
            again_at = n;
            if (invoke(calls[i].service, calls[i].x) == PORT_DONE) {
                // What was given is already overwritten, so it cannot be begun anew.
                assert_int_equal(vcpu.regs.x[0], EFI_DEVICE_ERROR);
                assert_true(n > all / 2);
                continue;
            }
            again_at = 0;
            assert_int_equal(invoke(calls[i].service, calls[i].x), PORT_DONE);
            look(&got);
            assert_memory_equal(&got, &wanted, sizeof(got));
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        prepare(i);
        assert_int_equal(invoke(calls[i].service, calls[i].x), PORT_DONE);
        unsigned all = accesses;
        for (unsigned n = 1; n <= all; n++) {
            prepare(i);
            look(&wanted);
            fault_at = n;
            assert_int_equal(invoke(calls[i].service, calls[i].x), PORT_DONE);
            assert_int_equal(vcpu.regs.x[0], EFI_INVALID_PARAMETER);
            look(&got); // and nothing was changed but the caller's memory
            assert_int_equal(got.seconds, wanted.seconds);
            assert_int_equal(got.wakeup, wanted.wakeup);
            assert_memory_equal(got.value, wanted.value, sizeof(got.value));
            assert_int_equal(got.var.attributes, wanted.var.attributes);
            assert_int_equal(got.var.size, wanted.var.size);
        }
    }
}

static void test_read_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        prepare(i);
        assert_int_equal(invoke(calls[i].service, calls[i].x), PORT_DONE);
        look(&wanted);
        prepare(i);
        spoil = true;
        assert_int_equal(invoke(calls[i].service, calls[i].x), PORT_DONE);
        look(&got);
        assert_int_equal(got.status, wanted.status);
        assert_int_equal(got.seconds, wanted.seconds);
        assert_int_equal(got.wakeup, wanted.wakeup);
        assert_memory_equal(got.value, wanted.value, sizeof(got.value));
        assert_int_equal(got.var.size, wanted.var.size);
    }
}

// Every day of four centuries there and back.
static void test_dates(void **state)
{
    (void)state;
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = -25567; // 1900-01-01
    for (unsigned year = 1900; year < 2310; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (unsigned month = 1; month <= 12; month++) {
            unsigned last = days[month - 1] + (month == 2 && leap);
            for (unsigned d = 1; d <= last; d++, day++) {
                struct efi_time t = {(uint16_t)year,
                                     (uint8_t)month,
                                     (uint8_t)d,
                                     12,
                                     0,
                                     7,
                                     0,
                                     0,
                                     EFI_UNSPECIFIED_TIMEZONE,
                                     0,
                                     0};
                put(DATA, &t, sizeof(t));
                assert_int_equal(call(EFI_SET_TIME, DATA, 0, 0, 0, 0), 0);
                assert_int_equal(clock_seconds, day * 86400 + 43207);
                memset(memory, 0, sizeof(memory));
                assert_int_equal(call(EFI_GET_TIME, DATA, 0, 0, 0, 0), 0);
                assert_memory_equal(memory + (DATA - MEMORY), &t, sizeof(t));
            }
        }
    }
}

static void expect_libc_time(int16_t zone)
{
    int64_t local = clock_seconds - (zone == EFI_UNSPECIFIED_TIMEZONE ? 0 : zone * 60);
    struct tm tm;
    assert_non_null(gmtime_r(&local, &tm));
    struct efi_time t = {(uint16_t)(tm.tm_year + 1900),
                         (uint8_t)(tm.tm_mon + 1),
                         (uint8_t)tm.tm_mday,
                         (uint8_t)tm.tm_hour,
                         (uint8_t)tm.tm_min,
                         (uint8_t)tm.tm_sec,
                         0,
                         0,
                         zone,
                         1,
                         0};
    assert_int_equal(call(EFI_GET_TIME, DATA, 0, 0, 0, 0), 0);
    assert_memory_equal(memory + (DATA - MEMORY), &t, sizeof(t));
}

// The clock goes on by seconds and by years, and back, and over 1970, as it does when a VM was
// stopped or its guest writes the PL031.
static void test_time_goes_on(void **state)
{
    static const int16_t zones[] = {EFI_UNSPECIFIED_TIMEZONE, 0, -1440, 1440, 61, -339};
    static const int64_t steps[] = {1, 1, 1, 59, 60, 61, -1, -59, -60, -61, 86400, -86399, 1 << 28};
    uint64_t rng = 1;
    (void)state;
    for (size_t z = 0; z < ARRAY_SIZE(zones); z++) {
        struct efi_time t = valid;
        t.time_zone = zones[z];
        put(DATA, &t, sizeof(t));
        int64_t before = clock_seconds;
        assert_int_equal(call(EFI_GET_TIME, DATA + 64, 0, 0, 0, 0), 0);
        assert_int_equal(call(EFI_SET_TIME, DATA, 0, 0, 0, 0), 0);
        clock_seconds = before; // in the minute just told, in another zone
        for (unsigned i = 0; i < 2000; i++) {
            expect_libc_time(zones[z]);
            clock_seconds += steps[arena_random(&rng) % ARRAY_SIZE(steps)];
            clock_seconds = i % 200 == 0 ? (int64_t)i - 100 : clock_seconds;
        }
    }
}

// ---- the alarm ----

static efi_status set_alarm(uint64_t enable, const struct efi_time *t)
{
    put(DATA, t, sizeof(*t));
    return call(EFI_SET_WAKEUP_TIME, enable, DATA, 0, 0, 0);
}

static void expect_alarm(bool enabled, bool pending, const struct efi_time *t)
{
    memset(memory, 0x55, sizeof(memory));
    assert_int_equal(call(EFI_GET_WAKEUP_TIME, NAME, LENGTH, VENDOR, 0, 0), 0);
    assert_int_equal(memory[NAME - MEMORY], enabled);
    assert_int_equal(memory[NAME + 1 - MEMORY], 0x55);
    assert_int_equal(memory[LENGTH - MEMORY], pending);
    assert_int_equal(memory[LENGTH + 1 - MEMORY], 0x55);
    assert_memory_equal(memory + (VENDOR - MEMORY), t, sizeof(*t));
    assert_int_equal(memory[VENDOR + sizeof(*t) - MEMORY], 0x55);
}

// 14:12:28 by the clock, which is UTC; the counter has COUNTER seconds then.
static void test_wakeup_time(void **state)
{
    static const int16_t zones[] = {EFI_UNSPECIFIED_TIMEZONE, 0, -60, 60, 1440, -1440};
    struct efi_time first = {1970, 1, 1, 0, 0, 0, 0, 0, EFI_UNSPECIFIED_TIMEZONE, 0, 0};
    (void)state;
    clock_seconds = COUNTER;
    expect_alarm(false, false, &first); // none was ever set: it is a time nevertheless
    clock_seconds = 1795788748;
    for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
        struct efi_time t = {2026, 11, 27, 14, 13, 0, 0, 0, zones[i], 3, 0};
        int64_t zone = zones[i] == EFI_UNSPECIFIED_TIMEZONE ? 0 : zones[i] * 60;
        armed = 0;
        assert_int_equal(set_alarm(1, &t), 0);
        expect_alarm(true, zone < 0, &t); // one that has passed has come
        assert_int_equal(armed, zone < 0 ? 0 : 10 * (COUNTER + 32 + zone));
        assert_int_equal(wakeup_take(&vm->wakeup), zone < 0);
        // Disabled by whatever is no BOOLEAN's, with a pointer that nobody looks at.
        assert_int_equal(call(EFI_SET_WAKEUP_TIME, ~UINT64_C(0xff), 8, 0, 0, 0), 0);
        expect_alarm(false, false, &t);
    }
    struct efi_time far = {9999, 12, 31, 23, 59, 59, 0, 0, 1440, 0, 0};
    assert_int_equal(set_alarm(0x1234500000000002, &far), 0);
    expect_alarm(true, false, &far);
    struct efi_time early = {1900, 1, 1, 0, 0, 0, 0, 0, -1440, 0, 0};
    assert_int_equal(set_alarm(1, &early), 0);
    expect_alarm(true, true, &early);
}

static void test_wrong_wakeup_times(void **state)
{
    struct efi_time good = {2026, 11, 27, 15, 0, 0, 0, 0, EFI_UNSPECIFIED_TIMEZONE, 0, 0};
    struct efi_time wrong[] = {good, good, good, good, good, good};
    (void)state;
    wrong[0].month = 13;
    wrong[1].hour = 24;
    wrong[2].time_zone = 1441;
    wrong[3].nanosecond = 1000000000;
    wrong[4].daylight = 4;
    wrong[5].year = 1899;
    assert_int_equal(set_alarm(1, &good), 0);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(set_alarm(1, &wrong[i]), EFI_INVALID_PARAMETER);
        expect_alarm(true, false, &good);
    }
    assert_int_equal(call(EFI_SET_WAKEUP_TIME, 1, 0, 0, 0, 0), EFI_INVALID_PARAMETER);
    assert_int_equal(call(EFI_SET_WAKEUP_TIME, 1, 8, 0, 0, 0), EFI_INVALID_PARAMETER);
    assert_int_equal(call(EFI_GET_WAKEUP_TIME, 0, DATA, DATA, 0, 0), EFI_INVALID_PARAMETER);
    assert_int_equal(call(EFI_GET_WAKEUP_TIME, DATA, 0, DATA, 0, 0), EFI_INVALID_PARAMETER);
    assert_int_equal(call(EFI_GET_WAKEUP_TIME, DATA, DATA, 0, 0, 0), EFI_INVALID_PARAMETER);
    expect_alarm(true, false, &good);
    struct efi_time rounded = good;
    rounded.nanosecond = 999999999; // rounded down to the alarm's resolution
    assert_int_equal(set_alarm(1, &rounded), 0);
    expect_alarm(true, false, &good);
}

// The guest's setting the clock moves it; the clock's starting anew, with the VM, does not.
static void test_wakeup_goes_by_the_clock(void **state)
{
    struct efi_time t = {2026, 11, 27, 14, 13, 28, 0, 0, EFI_UNSPECIFIED_TIMEZONE, 0, 0};
    struct efi_time now = {2026, 11, 27, 14, 13, 18, 0, 0, -90, 0, 0};
    (void)state;
    assert_int_equal(set_alarm(1, &t), 0);
    assert_int_equal(armed, 10 * (COUNTER + 60));
    clock_seconds += 600; // anew
    t.hour = 14, t.minute = 23;
    expect_alarm(true, false, &t);
    put(DATA, &now, sizeof(now));
    assert_int_equal(call(EFI_SET_TIME, DATA, 0, 0, 0, 0), 0); // 12:43:18 UTC
    assert_int_equal(armed, 10 * (COUNTER + 90 * 60 + 600 + 10));
    t.hour = 15, t.minute = 53; // 14:23:28 UTC in the clock's zone, which is 90 minutes behind
    expect_alarm(true, false, &t);
    t.hour = 14, t.minute = 13;
    assert_int_equal(set_alarm(1, &t), 0);
    assert_int_equal(armed, 10 * (COUNTER + 10));
    expect_alarm(true, false, &t);
    now.minute = 14;
    put(DATA, &now, sizeof(now));
    assert_int_equal(call(EFI_SET_TIME, DATA, 0, 0, 0, 0), 0); // over it
    expect_alarm(true, true, &t);
    assert_true(wakeup_take(&vm->wakeup));
    assert_false(wakeup_take(&vm->wakeup));
    clock_seconds = INT64_C(253402300799); // beyond all years
    vm->wakeup.setting.at += INT64_C(1) << 37;
    assert_int_equal(call(EFI_GET_WAKEUP_TIME, NAME, LENGTH, DATA, 0, 0), 0);
    assert_int_equal(memory[DATA - MEMORY] | memory[DATA + 1 - MEMORY] << 8, 9999);
}

static void test_resets(void **state)
{
    (void)state;
    assert_int_equal(call(EFI_RESET_SYSTEM, EFI_RESET_COLD, 0, 0, 0, 0), 0);
    assert_int_equal(call(EFI_RESET_SYSTEM, EFI_RESET_WARM, 0, 12, NAME, 0), 0);
    assert_int_equal(call(EFI_RESET_SYSTEM, EFI_RESET_PLATFORM, 1, ~UINT64_C(0), 8, 0), 0);
    assert_int_equal(resets, 3);
    assert_int_equal(call(EFI_RESET_SYSTEM, EFI_RESET_SHUTDOWN, 0, 0, 0, 0), 0);
    assert_int_equal(offs, 1);
    assert_int_equal(call(EFI_RESET_SYSTEM, 4, 0, 0, 0, 0), EFI_INVALID_PARAMETER);
    assert_int_equal(resets + offs, 4);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    const uint64_t x[5] = {DATA};
    vm->efi.busy = true;
    memcpy(vcpu.regs.x, x, sizeof(x));
    vcpu.regs.x[9] = EFI_GET_TIME;
    assert_int_equal(efi_runtime_call(&vcpu, &face), PORT_AGAIN);
    assert_true(vm->efi.busy);
    assert_int_equal(vcpu.regs.x[0], DATA);
    vm->efi.busy = false;
}

static void test_unknown(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {EFI_SERVICES, 1ull << 32, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        vcpu.regs.x[9] = numbers[i];
        assert_int_equal(efi_runtime_call(&vcpu, &face), PORT_DONE);
        assert_int_equal(vcpu.regs.x[0], EFI_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_begun_anew, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_read_once, begin, end),
        cmocka_unit_test_setup_teardown(test_dates, begin, end),
        cmocka_unit_test_setup_teardown(test_time_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(test_wakeup_time, begin, end),
        cmocka_unit_test_setup_teardown(test_wrong_wakeup_times, begin, end),
        cmocka_unit_test_setup_teardown(test_wakeup_goes_by_the_clock, begin, end),
        cmocka_unit_test_setup_teardown(test_resets, begin, end),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(test_unknown, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
