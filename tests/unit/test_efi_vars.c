// SPDX-License-Identifier: Apache-2.0
// The rules of UEFI's variable services, and random calls against a model.
#include "arena.h"
#include "call/efi_vars.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NV     EFI_VARIABLE_NON_VOLATILE
#define BS     EFI_VARIABLE_BOOTSERVICE_ACCESS
#define RT     EFI_VARIABLE_RUNTIME_ACCESS
#define APPEND EFI_VARIABLE_APPEND_WRITE
#define ALL    (NV | BS | RT)

static struct efi_vars *vars;
static const struct efi_guid ours = {0x12345678, 1, 2, {3, 4, 5, 6, 7, 8, 9, 10}};
static const struct efi_guid global = EFI_GLOBAL_VARIABLE_GUID;
static const struct efi_guid security = EFI_IMAGE_SECURITY_DATABASE_GUID;
static size_t frame_pages;

// ---- Stand-ins ----

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    assert_int_equal(owner, 5);
    assert_int_equal(align_pages, 1);
    frame_pages = pages;
    *out = ptr_hpa(aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE));
    return 0;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    assert_int_equal(owner, 5);
    assert_int_equal(pages, frame_pages);
    free(hpa_ptr(base));
}

void sched_work(struct work *work)
{
    (void)work;
    fail(); // there is no NVRAM here
}

uint64_t timer_now(void)
{
    fail();
    return 0;
}

uint64_t timer_frequency(void)
{
    fail();
    return 1;
}

static int set_up(void **state)
{
    static const struct vm_config config = {.name = "v"};
    (void)state;
    vars = efi_vars_create(&config, 5);
    efi_vars_reset(vars, true);
    return vars == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    efi_vars_destroy(vars);
    return 0;
}

// ---- Calls ----

// In memory of their own, so that a byte beyond them is noticed.
static struct efi_var_name make_name(const struct efi_guid *vendor, const char *text)
{
    static efi_char16 *memory[4];
    static unsigned turn;
    size_t chars = strlen(text) + 1;
    efi_char16 **m = &memory[turn++ % ARRAY_SIZE(memory)];
    *m = realloc(*m, 2 * chars);
    for (size_t i = 0; i < chars; i++) {
        (*m)[i] = (unsigned char)text[i];
    }
    return (struct efi_var_name){*vendor, *m, 2 * chars};
}

static efi_status set_of(const struct efi_guid *vendor, const char *text, uint32_t attributes,
                         const void *data, size_t size)
{
    struct efi_var_name name = make_name(vendor, text);
    return efi_vars_set(vars, 0, &name, attributes, data, size);
}

static efi_status set(const char *text, uint32_t attributes, const char *data)
{
    return set_of(&ours, text, attributes, data, strlen(data));
}

static efi_status get(const char *text, struct efi_var *out)
{
    struct efi_var_name name = make_name(&ours, text);
    return efi_vars_get(vars, &name, out);
}

static void expect_var(const char *text, uint32_t attributes, const char *data)
{
    struct efi_var v;
    assert_int_equal(get(text, &v), EFI_SUCCESS);
    assert_int_equal(v.attributes, attributes);
    assert_int_equal(v.size, strlen(data));
    assert_memory_equal(v.data, data, v.size);
}

static void expect_none(const char *text)
{
    struct efi_var v;
    assert_int_equal(get(text, &v), EFI_NOT_FOUND);
}

// The names in their order, each with a space after it.
static void list(char *out)
{
    static const efi_char16 empty = 0;
    struct efi_var_name name = {ours, &empty, 2};
    while (efi_vars_next(vars, &name, &name) == EFI_SUCCESS) {
        for (size_t i = 0; i < name.bytes / 2 - 1; i++) {
            *out++ = (char)name.text[i];
        }
        *out++ = ' ';
    }
    *out = '\0';
}

static void expect_list(const char *expected)
{
    char names[256];
    list(names);
    assert_string_equal(names, expected);
}

// ---- Tests ----

static void sets_replaces_appends_deletes(void **state)
{
    (void)state;
    expect_none("A");
    assert_int_equal(set("A", ALL, "one"), EFI_SUCCESS);
    expect_var("A", ALL, "one");
    assert_int_equal(set("A", ALL, "longer than it was"), EFI_SUCCESS);
    expect_var("A", ALL, "longer than it was");
    assert_int_equal(set("A", ALL, "x"), EFI_SUCCESS);
    assert_int_equal(set("A", ALL | APPEND, "yz"), EFI_SUCCESS);
    expect_var("A", ALL, "xyz");
    assert_int_equal(set("B", ALL | APPEND, "new"), EFI_SUCCESS);
    expect_var("B", ALL, "new");
    assert_int_equal(set("B", ALL | APPEND, ""), EFI_SUCCESS);
    expect_var("B", ALL, "new");
    assert_int_equal(set("C", ALL | APPEND, ""), EFI_SUCCESS);
    expect_none("C");
    assert_int_equal(set("A", ALL, ""), EFI_SUCCESS);
    expect_none("A");
    assert_int_equal(set("A", ALL, ""), EFI_NOT_FOUND);
    assert_int_equal(set("B", 0, "ignored"), EFI_SUCCESS);
    expect_none("B");
    assert_int_equal(set("B", 0, "ignored"), EFI_NOT_FOUND);
}

static void tells_vendors_apart(void **state)
{
    struct efi_var v;
    (void)state;
    assert_int_equal(set("A", ALL, "mine"), EFI_SUCCESS);
    assert_int_equal(set_of(&security, "A", ALL, "theirs", 6), EFI_SUCCESS);
    expect_var("A", ALL, "mine");
    struct efi_var_name name = make_name(&security, "A");
    assert_int_equal(efi_vars_get(vars, &name, &v), EFI_SUCCESS);
    assert_memory_equal(v.data, "theirs", 6);
    name = make_name(&global, "A");
    assert_int_equal(efi_vars_get(vars, &name, &v), EFI_NOT_FOUND);
}

static void lists_in_order_and_hides_what_is_for_boot_services(void **state)
{
    (void)state;
    efi_vars_reset(vars, false);
    expect_list("");
    assert_int_equal(set("A", NV | BS, "1"), EFI_SUCCESS);
    assert_int_equal(set("B", ALL, "2"), EFI_SUCCESS);
    assert_int_equal(set("V", BS | RT, "3"), EFI_SUCCESS);
    assert_int_equal(set("C", ALL, "4"), EFI_SUCCESS);
    assert_int_equal(set("W", BS, "5"), EFI_SUCCESS);
    expect_list("A B C V W ");
    vars->at_runtime = true;
    expect_list("B C V ");
    expect_none("A");
    expect_none("W");
    struct efi_var_name hidden = make_name(&ours, "A"), missing = make_name(&ours, "Z"), next;
    assert_int_equal(efi_vars_next(vars, &hidden, &next), EFI_INVALID_PARAMETER);
    assert_int_equal(efi_vars_next(vars, &missing, &next), EFI_INVALID_PARAMETER);
    efi_vars_reset(vars, true);
    expect_list("B C ");
}

static void keeps_attributes(void **state)
{
    (void)state;
    efi_vars_reset(vars, false);
    assert_int_equal(set("A", NV | BS, "1"), EFI_SUCCESS);
    assert_int_equal(set("A", ALL, "2"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("A", BS, "2"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("A", ALL, ""), EFI_INVALID_PARAMETER);
    assert_int_equal(set("A", ALL | APPEND, "2"), EFI_INVALID_PARAMETER);
    expect_var("A", NV | BS, "1");
    assert_int_equal(set("A", NV | BS | APPEND, "2"), EFI_SUCCESS);
    expect_var("A", NV | BS, "12");
    // NV alone gives no access, so it deletes
    assert_int_equal(set("A", NV, "2"), EFI_SUCCESS);
    expect_none("A");
    assert_int_equal(set("A", RT, "1"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("A", NV | RT, "1"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("A", ALL | 0x100, "1"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("A", ALL | 0x80000000, "1"), EFI_INVALID_PARAMETER);
}

static void refuses_at_runtime_what_does_not_last(void **state)
{
    (void)state;
    efi_vars_reset(vars, false);
    assert_int_equal(set("V", BS | RT, "1"), EFI_SUCCESS);
    assert_int_equal(set("H", NV | BS, "1"), EFI_SUCCESS);
    vars->at_runtime = true;
    assert_int_equal(set("V", BS | RT, "2"), EFI_WRITE_PROTECTED);
    assert_int_equal(set("V", BS | RT, ""), EFI_WRITE_PROTECTED);
    assert_int_equal(set("V", 0, ""), EFI_WRITE_PROTECTED);
    expect_var("V", BS | RT, "1");
    assert_int_equal(set("N", BS | RT, "1"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("N", NV | BS, "1"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("N", BS, "1"), EFI_INVALID_PARAMETER);
    assert_int_equal(set("H", 0, ""), EFI_NOT_FOUND);
    assert_int_equal(set("H", ALL, "2"), EFI_INVALID_PARAMETER);
    vars->at_runtime = false;
    expect_var("H", NV | BS, "1");
}

static void refuses_authenticated_and_read_only_ones(void **state)
{
    static const char *const secure[] = {"db", "dbx", "dbt"};
    static const uint32_t auth[] = {EFI_VARIABLE_AUTHENTICATED, EFI_VARIABLE_TIME_AUTHENTICATED,
                                    EFI_VARIABLE_ENHANCED_AUTHENTICATED,
                                    EFI_VARIABLE_HARDWARE_ERROR};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(auth); i++) {
        assert_int_equal(set("A", ALL | auth[i], "1"), EFI_UNSUPPORTED);
        assert_int_equal(set_of(&global, "PK", ALL | auth[i], "1", 1), EFI_UNSUPPORTED);
    }
    assert_int_equal(set_of(&global, "PK", ALL, "1", 1), EFI_INVALID_PARAMETER);
    assert_int_equal(set_of(&global, "KEK", ALL, "1", 1), EFI_INVALID_PARAMETER);
    for (size_t i = 0; i < ARRAY_SIZE(secure); i++) {
        assert_int_equal(set_of(&security, secure[i], ALL, "1", 1), EFI_INVALID_PARAMETER);
        assert_int_equal(set(secure[i], ALL, "1"), EFI_SUCCESS);
    }
    assert_int_equal(set_of(&global, "SecureBoot", ALL, "1", 1), EFI_WRITE_PROTECTED);
    assert_int_equal(set_of(&global, "SetupMode", 0, NULL, 0), EFI_WRITE_PROTECTED);
    assert_int_equal(set_of(&global, "SecureBootx", ALL, "1", 1), EFI_SUCCESS);
    assert_int_equal(set_of(&global, "BootOrder", ALL, "1", 1), EFI_SUCCESS);
}

static void refuses_names_that_are_none(void **state)
{
    static const efi_char16 inner[] = {'a', 0, 'b', 0}, open[] = {'a', 'b'}, empty[] = {0};
    static efi_char16 longest[EFI_VAR_NAME_MAX / 2 + 1];
    const struct efi_var_name wrong[] = {{ours, inner, sizeof(inner)},
                                         {ours, open, sizeof(open)},
                                         {ours, empty, 2},
                                         {ours, empty, 0},
                                         {ours, inner, 3},
                                         {ours, longest, sizeof(longest)}};
    struct efi_var v;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(longest) - 1; i++) {
        longest[i] = 'n';
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(efi_vars_set(vars, 0, &wrong[i], ALL, "1", 1), EFI_INVALID_PARAMETER);
        assert_int_equal(efi_vars_get(vars, &wrong[i], &v), EFI_NOT_FOUND);
    }
    struct efi_var_name right = {ours, longest + 1, sizeof(longest) - 2};
    assert_int_equal(efi_vars_set(vars, 0, &right, ALL, "1", 1), EFI_SUCCESS);
    assert_int_equal(efi_vars_get(vars, &right, &v), EFI_SUCCESS);
}

static void bounds_data_and_what_is_taken(void **state)
{
    static char data[EFI_VAR_DATA_MAX + 1];
    struct efi_vars_info info;
    char name[8];
    unsigned n = 0;
    (void)state;
    assert_int_equal(set_of(&ours, "A", ALL, data, sizeof(data)), EFI_INVALID_PARAMETER);
    assert_int_equal(set_of(&ours, "A", ALL, data, EFI_VAR_DATA_MAX), EFI_SUCCESS);
    assert_int_equal(set("A", ALL | APPEND, "1"), EFI_OUT_OF_RESOURCES);
    efi_status status;
    do {
        snprintf(name, sizeof(name), "V%u", n++);
        status = set_of(&ours, name, ALL, data, 5000);
    } while (status == EFI_SUCCESS);
    assert_int_equal(status, EFI_OUT_OF_RESOURCES);
    assert_in_range(n, 18, 21);
    expect_none(name);
    assert_int_equal(efi_vars_query(vars, ALL, &info), EFI_SUCCESS);
    assert_int_equal(info.storage, EFI_VARS_QUOTA);
    assert_true(info.remaining < 5100);
    assert_int_equal(info.largest, EFI_VAR_DATA_MAX);
    assert_int_equal(set_of(&ours, "V0", ALL, data, 5000 + info.remaining + 8),
                     EFI_OUT_OF_RESOURCES);
    assert_int_equal(set_of(&ours, "V0", ALL, data, 4999), EFI_SUCCESS);
    assert_int_equal(set("A", ALL, ""), EFI_SUCCESS);
    assert_int_equal(set_of(&ours, name, ALL, data, 5000), EFI_SUCCESS);
}

static void bounds_their_number(void **state)
{
    char name[8];
    (void)state;
    for (unsigned i = 0; i < EFI_VARS_MAX; i++) {
        snprintf(name, sizeof(name), "V%u", i);
        assert_int_equal(set(name, ALL, "1"), EFI_SUCCESS);
    }
    assert_int_equal(set("Z", ALL, "1"), EFI_OUT_OF_RESOURCES);
    assert_int_equal(set("V7", ALL, "22"), EFI_SUCCESS);
    assert_int_equal(set("V7", ALL, ""), EFI_SUCCESS);
    assert_int_equal(set("Z", ALL, "1"), EFI_SUCCESS);
}

static void tells_what_is_left(void **state)
{
    struct efi_vars_info info;
    (void)state;
    assert_int_equal(efi_vars_query(vars, 0, &info), EFI_INVALID_PARAMETER);
    assert_int_equal(efi_vars_query(vars, NV, &info), EFI_INVALID_PARAMETER);
    assert_int_equal(efi_vars_query(vars, RT | NV, &info), EFI_INVALID_PARAMETER);
    assert_int_equal(efi_vars_query(vars, NV | BS, &info), EFI_INVALID_PARAMETER); // at runtime
    assert_int_equal(efi_vars_query(vars, ALL | APPEND, &info), EFI_INVALID_PARAMETER);
    assert_int_equal(efi_vars_query(vars, ALL | EFI_VARIABLE_TIME_AUTHENTICATED, &info),
                     EFI_UNSUPPORTED);
    assert_int_equal(efi_vars_query(vars, BS | RT, &info), EFI_SUCCESS);
    assert_int_equal(info.storage, EFI_VARS_VOLATILE_QUOTA);
    assert_int_equal(info.remaining, EFI_VARS_VOLATILE_QUOTA);
    efi_vars_reset(vars, false);
    assert_int_equal(efi_vars_query(vars, NV | BS, &info), EFI_SUCCESS);
    assert_int_equal(info.remaining, EFI_VARS_QUOTA);
}

static void counts_on(void **state)
{
    uint32_t a, b;
    (void)state;
    assert_int_equal(efi_vars_next_high_count(vars, 0, &a), EFI_SUCCESS);
    efi_vars_reset(vars, true);
    assert_int_equal(efi_vars_next_high_count(vars, 0, &b), EFI_SUCCESS);
    assert_int_equal(b, a + 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sets_replaces_appends_deletes),
        TEST(tells_vendors_apart),
        TEST(lists_in_order_and_hides_what_is_for_boot_services),
        TEST(keeps_attributes),
        TEST(refuses_at_runtime_what_does_not_last),
        TEST(refuses_authenticated_and_read_only_ones),
        TEST(refuses_names_that_are_none),
        TEST(bounds_data_and_what_is_taken),
        TEST(bounds_their_number),
        TEST(tells_what_is_left),
        TEST(counts_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
