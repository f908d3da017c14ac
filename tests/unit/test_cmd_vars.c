// SPDX-License-Identifier: Apache-2.0
// The monitor's list of a VM's variables, its steps done by the test.
#include "call/efi_vars.h"
#include "con/console.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "mon/monitor.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL \
    (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

static const struct efi_guid ours = {0x12345678, 0xabc, 2, {3, 4, 5, 6, 7, 8, 9, 0xfa}};
static struct vm_config config = {.name = "web", .firmware = FIRMWARE_EFI_RUNTIME};
static struct vm vm;
static struct work *work;
static char said[1 << 18];
static unsigned lines;

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

uint64_t timer_now(void)
{
    return 0;
}

uint64_t timer_frequency(void)
{
    return 1;
}

void sched_work(struct work *w)
{
    assert_null(work);
    work = w;
}

static void say(const char *fmt, va_list args)
{
    size_t len = strlen(said);
    vsnprintf(said + len, sizeof(said) - len, fmt, args);
}

void console_printf(const char *fmt, ...)
{
    va_list args;
    // Nobody waits for the line with the VM's or its variables' lock.
    assert_int_equal(vm.lock.next, vm.lock.owner);
    assert_true(vm.vars == NULL || vm.vars->lock.next == vm.vars->lock.owner);
    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    lines++;
}

void monitor_error(const struct invocation *in, unsigned argument, const char *fmt, ...)
{
    va_list args;
    (void)in;
    assert_int_equal(argument, 0);
    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
}

struct vm *monitor_arg_vm(const struct invocation *in, unsigned argument)
{
    (void)in;
    assert_int_equal(argument, 0);
    return &vm;
}

const char *vm_state_name(enum vm_state state)
{
    return state == VM_DESTROYED ? "destroyed" : "?";
}

// ---- Calls ----

static int begin(void **state)
{
    (void)state;
    config.firmware = FIRMWARE_EFI_RUNTIME;
    vm = (struct vm){.config = &config};
    vm.vars = efi_vars_create(&config, 5);
    efi_vars_reset(vm.vars, false);
    said[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (vm.vars != NULL) {
        efi_vars_destroy(vm.vars);
    }
    return 0;
}

static void set(const efi_char16 *text, size_t chars, uint32_t attributes, size_t size)
{
    static const char data[100];
    struct efi_var_name name = {ours, text, 2 * chars};
    assert_int_equal(efi_vars_set(vm.vars, 0, &name, attributes, data, size), EFI_SUCCESS);
}

static void run(void)
{
    static const struct invocation in = {0};
    said[0] = '\0';
    vars_commands[0].run(&in);
}

static bool step(void)
{
    struct work *w = work;
    lines = 0;
    if (!w->step(w)) {
        work = NULL;
    }
    assert_in_range(lines, 1, 8);
    return work != NULL;
}

static void list(void)
{
    run();
    assert_string_equal(said, "");
    while (step()) {
    }
}

// ---- Tests ----

static void test_lines(void **state)
{
    static const efi_char16 boot[] = {'B', 'o', 'o', 't', 0},
                            odd[] = {'a', 7, 0x2603, 0x7f, 'z', 0};
    static efi_char16 longest[512];
    (void)state;
    list();
    assert_string_equal(said, "vm vars web: 0, 0 of 131072 bytes; 0 others, 0 of 32768 bytes\n");
    for (size_t i = 0; i < 511; i++) {
        longest[i] = 'n';
    }
    set(boot, 5, ALL, 62);
    set(odd, 6, EFI_VARIABLE_BOOTSERVICE_ACCESS, 3);
    set(longest, 512, EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS, 1);
    vm.vars->at_runtime = true; // the operator sees what the guest does not
    list();
    const char *at = said;
    const char *first = "nv bs rt     62 12345678-0abc-0002-0304-05060708"
                        "09fa Boot\n";
    assert_memory_equal(at, first, strlen(first));
    at += strlen(first);
    assert_memory_equal(at, "nv bs -       1 ", 16);
    assert_memory_equal(strchr(at, '\n') - 5, "nn...\n", 6);
    at = strchr(at, '\n') + 1;
    assert_memory_equal(at, "-  bs -       3 ", 16);
    assert_memory_equal(strchr(at, '\n') - 6, " a???z\n", 7);
    assert_memory_equal(strchr(at, '\n') + 1, "vm vars web: 2, ", 16);
}

static void test_names_of_all_lengths(void **state)
{
    static efi_char16 name[512];
    (void)state;
    for (size_t n = 1; n <= 120; n++) {
        name[n - 1] = 'n';
        set(name, n + 1, ALL, 1);
    }
    list();
    const char *at = said;
    for (size_t n = 1; n <= 120; n++, at = strchr(at, '\n') + 1) {
        const char *shown = strchr(at, 'n') == at ? at + 53 : NULL;
        assert_non_null(shown);
        size_t length = (size_t)(strchr(at, '\n') - shown);
        assert_int_equal(length, n <= 96 ? n : 96);
        assert_int_equal(memcmp(shown + length - 3, "...", 3) == 0, n > 96);
    }
}

static void test_who_has_none(void **state)
{
    (void)state;
    config.firmware = FIRMWARE_UEFI;
    run();
    assert_string_equal(said, "web has no firmware = \"efi-runtime\" in the manifest");
    config.firmware = FIRMWARE_EFI_RUNTIME;
    efi_vars_destroy(vm.vars);
    vm.vars = NULL;
    vm.state = VM_DESTROYED;
    run();
    assert_string_equal(said, "web is destroyed");
    assert_null(work);
}

// What changes between two steps may be missed or shown twice; a VM that goes ends the list.
static void test_changed_meanwhile(void **state)
{
    efi_char16 name[] = {'a', 'a', 0};
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        name[0] = (efi_char16)('a' + i % 10);
        name[1] = (efi_char16)('a' + i / 10);
        set(name, 3, ALL, 1);
    }
    run();
    assert_true(step());
    run();
    assert_string_equal(said, "another list goes on");
    for (unsigned i = 0; i < 99; i++) {
        name[0] = (efi_char16)('a' + i % 10);
        name[1] = (efi_char16)('a' + i / 10);
        set(name, 3, 0, 0);
    }
    said[0] = '\0';
    assert_false(step());
    assert_memory_equal(said, "vm vars web: 1, ", 16);
    run();
    efi_vars_destroy(vm.vars);
    vm.vars = NULL;
    assert_false(step());
    assert_string_equal(said, "vm vars web: it was destroyed meanwhile\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_names_of_all_lengths, begin, end),
        cmocka_unit_test_setup_teardown(test_who_has_none, begin, end),
        cmocka_unit_test_setup_teardown(test_changed_meanwhile, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
