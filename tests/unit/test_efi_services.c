// SPDX-License-Identifier: Apache-2.0
// Calling the firmware's services: which tables are believed, turns, and faults. The functions are
// made here, and firmware_run() calls them as often as it is told that an interrupt comes.
#include "arch/firmware.h"
#include "arch/fp.h"
#include "arch/sysreg.h"
#include "arch/timer.h"
#include "boot/efi/efi.h"
#include "boot/efi_services.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "irq/gic.h"
#include "lib/error.h"
#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char data[4 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct efi_system_table *const system_table = (void *)(data + 64);
static struct efi_runtime_services *const runtime = (void *)(data + PAGE_SIZE);
static struct platform p;
static char logged[512];
static unsigned mapped, guards, interrupts, pending, ended, prepared;
static uint64_t stack_end, now, turn_start, turn_end = TIMER_NEVER;
static unsigned served;
static int map_error;
static bool faults, was_interruptible, borrowed;
static struct efi_host_call seen, waiting;
static struct percpu cpus[2] = {{.id = 0}, {.id = 1}};
static unsigned playing;
static void (*other)(void);
static efi_host_call_fn *run_waiting;
static struct fp_regs fp_now;

// ---- Stand-ins ----

struct percpu *cpu_local(void)
{
    return &cpus[playing];
}

int el2_map_range(hpa_t base, uint64_t size, enum el2_attrs attrs)
{
    assert_true(base.v == p.efi.part[mapped].base && size == p.efi.part[mapped].size);
    assert_int_equal(attrs, p.efi.part[mapped].attrs);
    mapped++;
    return map_error;
}

int el2_unmap_page(hpa_t page)
{
    guards++;
    stack_end = page.v;
    return 0;
}

void timer_set_slice(uint64_t deadline)
{
    turn_end = deadline;
}

void timer_set_turn(uint64_t earliest, uint64_t latest)
{
    turn_start = earliest;
    turn_end = latest;
}

// What has expired already is to be served before a turn.
void machine_interrupts(void)
{
    served++;
}

// Whoever waits by it: meanwhile the other CPU goes on.
uint64_t timer_now(void)
{
    void (*meanwhile)(void) = other;
    other = NULL;
    if (meanwhile != NULL) {
        now += 1000;
        meanwhile();
    }
    return now;
}

uint64_t timer_frequency(void)
{
    return 1000000;
}

uint64_t timer_ticks_from_us(uint64_t us)
{
    return us;
}

void fp_borrow(void)
{
    borrowed = true;
}

void log_warn(const char *fmt, ...)
{
    va_list args;
    size_t len = strlen(logged);
    va_start(args, fmt);
    vsnprintf(logged + len, sizeof(logged) - len, fmt, args);
    va_end(args);
}

const struct gic_config *gic_config(void)
{
    static const struct gic_config config = {.version = 3, .ppi = {.el2_timer = 26}};
    return &config;
}

// Those that are pending, one after the other.
uint32_t gic_ack(bool v2)
{
    (void)v2;
    return pending > 0 ? 30 + --pending : GIC_SPURIOUS;
}

void gic_eoi(bool v2, uint32_t ack)
{
    (void)v2;
    assert_int_equal(ack, 30 + pending);
    ended++;
}

void gic_deactivate(bool v2, uint32_t ack)
{
    (void)v2;
    assert_int_equal(ack, 26);
}

void firmware_prepare(struct firmware_context *c, uint64_t function, uint64_t sp,
                      bool interruptible)
{
    prepared++;
    c->pc = function;
    c->sp = sp;
    was_interruptible = interruptible;
    assert_true(sp > stack_end + 0x10000 && sp % 16 == 0);
}

enum firmware_left firmware_run(struct firmware_context *c)
{
    struct fp_regs fp;
    assert_true(borrowed);
    assert_true(!was_interruptible || (fake_sysregs.hcr_el2 & HCR_IMO));
    assert_true(!was_interruptible || (turn_end == now + 1000 && turn_start == now + 200) ||
                (fake_timer.armed && fake_timer.deadline == now + 1000));
    fake_timer.armed = false;
    borrowed = false;
    fp_save(&fp);
    assert_memory_equal(&fp, &fp_now, sizeof(fp)); // its own from turn to turn
    memset(&fp_now, 0x40 + (int)(interrupts & 31), sizeof(fp_now));
    fp_restore(&fp_now);
    if (interrupts > 0 || pending > 0) {
        interrupts -= pending == 0;
        return FIRMWARE_INTERRUPTED;
    }
    memset(&fp_now, 0, sizeof(fp_now));
    if (faults) {
        c->esr = 0x96000045;
        c->far = 0xbad;
        return FIRMWARE_FAULTED;
    }
    seen.service = (enum efi_service)((c->pc - (p.efi.part[0].base + 0x100)) / 4);
    memcpy(seen.argument, c->x, sizeof(seen.argument));
    c->x[0] = EFI_NOT_FOUND;
    return FIRMWARE_RETURNED;
}

// ---- Tests ----

static int set_up(void **state)
{
    (void)state;
    memset(&p, 0, sizeof(p));
    memset(data, 0, sizeof(data));
    memset(&fp_now, 0, sizeof(fp_now));
    logged[0] = '\0';
    pending = 0;
    mapped = guards = prepared = interrupts = 0;
    map_error = 0;
    faults = false;
    uint64_t base = (uint64_t)(uintptr_t)data;
    p.efi.part[0] = (struct efi_part){base + 2 * PAGE_SIZE, 2 * PAGE_SIZE, EL2_TEXT_RX};
    p.efi.part[1] = (struct efi_part){base, PAGE_SIZE, EL2_NORMAL_RW};
    p.efi.part[2] = (struct efi_part){base + PAGE_SIZE, PAGE_SIZE, EL2_NORMAL_RO};
    p.efi.part_count = 3;
    p.efi.system_table = ptr_hpa(system_table);
    system_table->header.signature = EFI_SYSTEM_TABLE_SIGNATURE;
    system_table->runtime = runtime;
    runtime->header.signature = EFI_RUNTIME_SERVICES_SIGNATURE;
    for (uint64_t i = 0; i < EFI_SERVICES; i++) {
        runtime->function[i] = p.efi.part[0].base + 0x100 + 4 * i;
    }
    return 0;
}

static efi_host_call_fn *init(void)
{
    const char *why = NULL;
    mapped = 0;
    efi_host_call_fn *call = efi_services_init(&p, &why);
    assert_true((call == NULL) == (why != NULL));
    return call;
}

// What lies where it must not, or is not what it says.
static void tables_that_are_not_believed(void **state)
{
    (void)state;
    assert_non_null(init());
    assert_int_equal(mapped, 3);
    assert_int_equal(guards, 1);
    uint64_t *const words[] = {&p.efi.system_table.v,
                               &system_table->header.signature,
                               &runtime->header.signature,
                               (uint64_t *)(void *)&system_table->runtime,
                               &runtime->function[EFI_GET_VARIABLE],
                               &runtime->function[EFI_SET_VARIABLE],
                               &runtime->function[EFI_GET_NEXT_VARIABLE_NAME],
                               &runtime->function[EFI_QUERY_VARIABLE_INFO]};
    uint64_t base = (uint64_t)(uintptr_t)data;
    const uint64_t wrong[] = {0,
                              4,
                              base + 1,
                              base + 0x101,
                              base + PAGE_SIZE - 16,     // goes on into constants
                              base + 2 * PAGE_SIZE - 16, // into code
                              base - 8,
                              base + sizeof(data),
                              UINT64_MAX,
                              UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
            uint64_t right = *words[i];
            *words[i] = wrong[k];
            assert_null(init());
            *words[i] = right;
        }
    }
    // What would be right, but goes on into another piece.
    system_table->runtime = (void *)(data + 2 * PAGE_SIZE - 48);
    memcpy(system_table->runtime, runtime, sizeof(*runtime));
    assert_null(init());
    system_table->runtime = runtime;
    runtime->function[EFI_SET_VARIABLE] = base + 256; // data
    assert_null(init());
    runtime->function[EFI_SET_VARIABLE] = base + 3 * PAGE_SIZE;
    runtime->function[0] = 0; // not called
    assert_non_null(init());
    map_error = ERR_EXISTS;
    assert_null(init());
    map_error = 0;
    p.efi.part_count = 0;
    assert_null(init());
}

static void calls(void **state)
{
    (void)state;
    efi_host_call_fn *run = init();
    struct efi_host_call c = {.service = EFI_SET_VARIABLE, .argument = {1, 2, 3, 4, 5}};
    assert_true(run(&c));
    assert_false(was_interruptible);
    assert_int_equal(c.status, EFI_NOT_FOUND);
    assert_int_equal(seen.service, EFI_SET_VARIABLE);
    assert_memory_equal(seen.argument, c.argument, sizeof(c.argument));

    efi_services_in_turns();
    c = (struct efi_host_call){.service = EFI_QUERY_VARIABLE_INFO, .argument = {6, 7, 8, 9, 10}};
    interrupts = 3;
    prepared = served = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_false(run(&c));
        assert_true(turn_end == TIMER_NEVER);
    }
    assert_true(run(&c));
    assert_true(was_interruptible);
    assert_int_equal(prepared, 1);
    assert_int_equal(served, 4); // before each turn
    assert_int_equal(seen.service, EFI_QUERY_VARIABLE_INFO);
    assert_memory_equal(seen.argument, c.argument, sizeof(c.argument));
    assert_string_equal(logged, "");
}

static void takes_long(void **state)
{
    (void)state;
    efi_host_call_fn *run = init();
    struct efi_host_call c = {.service = EFI_SET_VARIABLE};
    efi_services_in_turns();
    interrupts = 9;
    for (unsigned i = 0; i < 9; i++) {
        assert_false(run(&c));
        assert_true((strstr(logged, "SetVariable takes more than 10 s") != NULL) == (i >= 6));
        now += 2 * timer_frequency() - (i == 0);
    }
    assert_ptr_equal(strstr(strstr(logged, "more than") + 1, "more than"), NULL); // once
    assert_true(run(&c));
}

static void fault(void **state)
{
    (void)state;
    efi_host_call_fn *run = init();
    struct efi_host_call c = {.service = EFI_SET_VARIABLE};
    faults = true;
    assert_true(run(&c));
    assert_int_equal(c.status, EFI_DEVICE_ERROR);
    assert_non_null(strstr(logged, "SetVariable made an exception"));
    assert_non_null(strstr(logged, "96000045"));
    faults = false;
    seen.service = 0;
    c.status = 0;
    assert_true(run(&c));
    assert_int_equal(c.status, EFI_DEVICE_ERROR);
    assert_int_equal(seen.service, 0); // not called
}

// ---- The machine goes off ----

static void begin_one(unsigned turns)
{
    run_waiting = init();
    efi_services_in_turns();
    playing = 0;
    waiting = (struct efi_host_call){.service = EFI_SET_VARIABLE};
    interrupts = turns;
    seen.service = 0;
    assert_false(run_waiting(&waiting));
}

static void expect_closed(void)
{
    struct efi_host_call c = {.service = EFI_GET_VARIABLE};
    assert_true(run_waiting(&c));
    assert_int_equal(c.status, EFI_DEVICE_ERROR);
    assert_true(seen.service != EFI_GET_VARIABLE);
}

static void finishes_on_its_cpu(void **state)
{
    (void)state;
    begin_one(5);
    pending = 3; // nobody serves them any more
    efi_services_finish();
    assert_int_equal(pending, 0);
    assert_int_equal(ended, 3);
    assert_int_equal(seen.service, EFI_SET_VARIABLE);
    assert_int_equal(interrupts, 0);
    expect_closed();
    efi_services_finish();
}

static void goes_on(void)
{
    playing = 0;
    other = run_waiting(&waiting) ? NULL : goes_on;
    playing = 1;
}

static void waits_for_another_cpu(void **state)
{
    (void)state;
    begin_one(3);
    uint64_t began = now;
    playing = 1;
    other = goes_on;
    efi_services_finish();
    assert_int_equal(waiting.status, EFI_NOT_FOUND);
    assert_in_range(now - began, 3000, 4000);
    playing = 0;
    expect_closed();
}

static void hangs_here(void)
{
    now += 1000;
    other = hangs_here;
}

static void hangs(void)
{
    now += 1000000;
    other = hangs;
}

static void waits_not_for_ever(void **state)
{
    (void)state;
    begin_one(20000); // on its own CPU
    uint64_t began = now;
    other = hangs_here;
    efi_services_finish();
    other = NULL;
    assert_in_range(now - began, 10000000, 10004000);
    assert_non_null(strstr(logged, "does not come to an end"));
    logged[0] = '\0';
    memset(&fp_now, 0, sizeof(fp_now));
    begin_one(1);
    began = now;
    playing = 1;
    other = hangs;
    efi_services_finish();
    other = NULL;
    playing = 0;
    assert_in_range(now - began, 10000000, 13000000);
    assert_non_null(strstr(logged, "does not come to an end"));
    efi_services_abandon();
    other = hangs;
    began = now;
    efi_services_finish();
    other = NULL;
    assert_in_range(now - began, 0, 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tables_that_are_not_believed, set_up),
        cmocka_unit_test_setup(calls, set_up),
        cmocka_unit_test_setup(takes_long, set_up),
        cmocka_unit_test_setup(fault, set_up),
        cmocka_unit_test_setup(finishes_on_its_cpu, set_up),
        cmocka_unit_test_setup(waits_for_another_cpu, set_up),
        cmocka_unit_test_setup(waits_not_for_ever, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
