// SPDX-License-Identifier: Apache-2.0
// The parts of the UEFI application that talk to firmware, with a firmware made here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/efi/loader.h"
#include "lib/bits.h"
#include "nvram/host_efi.h"

#include <stdio.h>
#include <string.h>

#define PAGES     2048u
#define MAX_LINES 8

// ---- memory: pages handed out from the top down, as EDK2 does ----

static uint8_t memory[(PAGES + 1) * PAGE_SIZE];
static bool taken[PAGES];

static uint64_t first_page(void)
{
    return align_up((uint64_t)(uintptr_t)memory, PAGE_SIZE);
}

static efi_status allocate_pages(enum efi_allocate_type how, enum efi_memory_type type,
                                 uint64_t pages, uint64_t *address)
{
    assert_int_equal(how, EFI_ALLOCATE_ANY_PAGES);
    assert_int_equal(type, EFI_LOADER_DATA);
    uint64_t run = 0;
    for (uint64_t n = PAGES; n-- > 0;) {
        run = taken[n] ? 0 : run + 1;
        if (run == pages) {
            memset(taken + n, true, pages);
            *address = first_page() + n * PAGE_SIZE;
            return EFI_SUCCESS;
        }
    }
    return EFI_OUT_OF_RESOURCES;
}

static efi_status free_pages(uint64_t address, uint64_t pages)
{
    assert_true(pages > 0);
    for (uint64_t n = (address - first_page()) / PAGE_SIZE; pages-- > 0; n++) {
        assert_true(taken[n]);
        taken[n] = false;
    }
    return EFI_SUCCESS;
}

static unsigned pages_taken(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        n += taken[i];
    }
    return n;
}

// ---- the memory map: grows, and its key goes stale, as often as a test says ----

static struct efi_memory_descriptor map_room[64];
static unsigned stale, exits, map_count;
static uint64_t key;

static efi_status get_memory_map(uint64_t *size, void *map, uint64_t *map_key, uint64_t *distance,
                                 uint32_t *version)
{
    uint64_t needed = map_count * sizeof(struct efi_memory_descriptor);
    bool fits = *size >= needed;
    *size = needed;
    *distance = sizeof(struct efi_memory_descriptor);
    *version = 1;
    *map_key = ++key;
    if (!fits) {
        return EFI_ERROR(5);
    }
    struct efi_memory_descriptor *d = map;
    for (unsigned i = 0; i < map_count; i++) {
        d[i] = (struct efi_memory_descriptor){EFI_CONVENTIONAL, 0, BIT(30) + i * BLOCK_SIZE, 0, 512,
                                              EFI_MEMORY_WB};
    }
    return EFI_SUCCESS;
}

static efi_status exit_boot_services(efi_handle image, uint64_t map_key)
{
    (void)image;
    exits++;
    assert_int_equal(map_key, key);
    if (stale > 0) {
        stale--;
        map_count++; // what made it stale
        return EFI_INVALID_PARAMETER;
    }
    return EFI_SUCCESS;
}

// ---- files: one volume, read a few bytes at a time ----

static const struct {
    const char *path, *text;
} files[] = {
    {"\\EFI\\BOOT\\newel.dtb", "the manifest, which is longer than one read"},
    {"\\EFI\\BOOT\\sub\\Image", "a kernel"},
    {"\\EFI\\BOOT\\empty", ""},
    {"newel.dtb", "in the root"},
};

static struct open_file {
    struct efi_file file;
    const char *text;
    uint64_t at;
} open_files[4];
static unsigned open_count;
static efi_status read_status;

static efi_status close_file(struct efi_file *f)
{
    (void)f;
    open_count--;
    return EFI_SUCCESS;
}

static efi_status read_file(struct efi_file *f, uint64_t *size, void *buffer)
{
    struct open_file *o = (void *)f;
    *size = MIN(MIN(*size, UINT64_C(7)), strlen(o->text) - o->at);
    memcpy(buffer, o->text + o->at, *size);
    o->at += *size;
    return read_status;
}

static efi_status get_position(struct efi_file *f, uint64_t *position)
{
    *position = ((struct open_file *)f)->at;
    return EFI_SUCCESS;
}

static efi_status set_position(struct efi_file *f, uint64_t position)
{
    struct open_file *o = (void *)f;
    o->at = position == EFI_FILE_END ? strlen(o->text) : position;
    return EFI_SUCCESS;
}

static efi_status open_path(struct efi_file *f, struct efi_file **out, const uint16_t *name,
                            uint64_t mode, uint64_t attributes)
{
    (void)f;
    assert_int_equal(mode, EFI_FILE_READ);
    assert_int_equal(attributes, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
        size_t n = 0;
        while (name[n] != 0 && name[n] == (uint8_t)files[i].path[n]) {
            n++;
        }
        if (name[n] == 0 && files[i].path[n] == '\0') {
            struct open_file *o = &open_files[open_count++];
            *o = (struct open_file){{.close = close_file,
                                     .read = read_file,
                                     .get_position = get_position,
                                     .set_position = set_position},
                                    files[i].text,
                                    0};
            *out = &o->file;
            return EFI_SUCCESS;
        }
    }
    return EFI_NOT_FOUND;
}

static efi_status open_volume(struct efi_file_system *fs, struct efi_file **root)
{
    static struct efi_file the_root = {.open = open_path, .close = close_file};
    (void)fs;
    open_count++;
    *root = &the_root;
    return EFI_SUCCESS;
}

static efi_status handle_protocol(efi_handle handle, const struct efi_guid *guid, void **interface)
{
    static struct efi_file_system fs = {.open_volume = open_volume};
    assert_int_equal(guid->a, 0x964e5b22);
    *interface = &fs;
    return handle != NULL ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

// ---- the console ----

static char lines[MAX_LINES][400];
static unsigned line_count;

static efi_status output_string(struct efi_text_output *out, const uint16_t *text)
{
    (void)out;
    char *line = lines[line_count++ % MAX_LINES];
    while (*text != 0 && *text != '\r') {
        *line++ = (char)*text++;
    }
    *line = '\0';
    assert_int_equal(text[0], '\r');
    assert_int_equal(text[1], '\n');
    assert_int_equal(text[2], 0);
    return EFI_SUCCESS;
}

// ---- variables: one, in a store that takes back what it has lost when it is full ----

#define STORE   1000u
#define LARGEST 300u

static struct {
    uint8_t data[LARGEST];
    uint64_t size; // 0: it is not there
    uint64_t lost; // bytes of the store
    unsigned sets, reclaims, fail_at;
    uint64_t never; // bytes that are not taken back
} var;

static void expect_name(const efi_char16 *name, const struct efi_guid *vendor)
{
    static const efi_char16 wanted[] = HOST_EFI_NOTE;
    static const struct efi_guid guid = HOST_EFI_VENDOR;
    assert_memory_equal(name, wanted, sizeof(wanted));
    assert_memory_equal(vendor, &guid, sizeof(guid));
}

static efi_status get_variable(const efi_char16 *name, const struct efi_guid *vendor,
                               uint32_t *attributes, uint64_t *size, void *data)
{
    expect_name(name, vendor);
    bool fits = *size >= var.size;
    *attributes = 7;
    *size = var.size;
    if (fits) {
        memcpy(data, var.data, var.size);
    }
    return var.size == 0 ? EFI_NOT_FOUND : fits ? EFI_SUCCESS : EFI_BUFFER_TOO_SMALL;
}

static efi_status set_variable(const efi_char16 *name, const struct efi_guid *vendor,
                               uint32_t attributes, uint64_t size, const void *data)
{
    expect_name(name, vendor);
    assert_int_equal(attributes, 7);
    if (++var.sets == var.fail_at) {
        return EFI_DEVICE_ERROR;
    }
    assert_true(size <= LARGEST - sizeof(u"NewelRoom"));
    if (size == var.size && memcmp(data, var.data, size) == 0) {
        return EFI_SUCCESS; // nothing is written
    }
    if (size > STORE - var.lost - var.size) {
        var.lost = var.never;
        var.reclaims++;
    }
    var.lost += var.size;
    var.size = size;
    memcpy(var.data, size != 0 ? data : "", size);
    return EFI_SUCCESS;
}

static efi_status query_variable_info(uint32_t attributes, uint64_t *all, uint64_t *left,
                                      uint64_t *largest)
{
    assert_int_equal(attributes, 7);
    *all = STORE;
    *left = STORE - var.never - var.size; // boot services: the rest can be taken back
    *largest = LARGEST;
    return EFI_SUCCESS;
}

// ---- the loader ----

static struct efi_boot_services boot = {.allocate_pages = allocate_pages,
                                        .free_pages = free_pages,
                                        .get_memory_map = get_memory_map,
                                        .handle_protocol = handle_protocol,
                                        .exit_boot_services = exit_boot_services};
static struct efi_text_output out = {.output_string = output_string};
static struct efi_runtime_services runtime;
static struct efi_system_table system_table = {.out = &out, .boot = &boot, .runtime = &runtime};
static struct efi_loaded_image loaded;
static struct loader l;
static _Alignas(8) uint8_t path[256];

// A device path: a node of hardware, then one file node for each string, then the end.
static void make_path(const char *const *names, unsigned count)
{
    static const uint8_t hardware[] = {1, 1, 6, 0, 0, 2}, end[] = {0x7f, 0xff, 4, 0};
    uint8_t *at = path;
    memcpy(at, hardware, sizeof(hardware));
    at += sizeof(hardware);
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(names[i]) + 1;
        at[0] = EFI_PATH_MEDIA;
        at[1] = EFI_PATH_MEDIA_FILE;
        at[2] = (uint8_t)(4 + 2 * len);
        at[3] = 0;
        for (size_t k = 0; k < len; k++) {
            at[4 + 2 * k] = (uint8_t)names[i][k];
            at[5 + 2 * k] = 0;
        }
        at += 4 + 2 * len;
    }
    memcpy(at, end, sizeof(end));
    loaded.path = (const struct efi_device_path *)(const void *)path;
}

static int setup(void **state)
{
    static const char *const name[] = {"\\EFI\\BOOT\\BOOTAA64.EFI"};
    (void)state;
    memset(taken, 0, sizeof(taken));
    line_count = open_count = exits = stale = 0;
    map_count = 4;
    memset(&var, 0, sizeof(var));
    runtime.function[EFI_GET_VARIABLE] = (uint64_t)(uintptr_t)get_variable;
    runtime.function[EFI_SET_VARIABLE] = (uint64_t)(uintptr_t)set_variable;
    runtime.function[EFI_QUERY_VARIABLE_INFO] = (uint64_t)(uintptr_t)query_variable_info;
    read_status = EFI_SUCCESS;
    loaded = (struct efi_loaded_image){.device = &loaded};
    l = (struct loader){.name = "newel", .system = &system_table, .loaded = &loaded};
    l.map.bytes = (uint8_t *)map_room;
    l.map_room = 8 * sizeof(map_room[0]);
    make_path(name, 1);
    return 0;
}

static void expect_text(const char *name, const char *text)
{
    struct mem_region at;
    assert_int_equal(efi_files_open(&l), EFI_SUCCESS);
    assert_int_equal(efi_file_read(&l, name, &at), EFI_SUCCESS);
    assert_int_equal(at.size, strlen(text));
    assert_memory_equal((const void *)(uintptr_t)at.base, text, at.size);
    efi_free(&l, &at);
    efi_files_close(&l);
    assert_int_equal(open_count, 0);
    assert_int_equal(pages_taken(), 0);
}

static void test_files(void **state)
{
    (void)state;
    expect_text("newel.dtb", "the manifest, which is longer than one read");
    expect_text("sub/Image", "a kernel");
    expect_text("empty", "");
}

// One name may be spread over several nodes; one without a folder means the root.
static void test_paths(void **state)
{
    (void)state;
    static const char *const parts[] = {"\\EFI", "BOOT\\", "\\x.efi"};
    static const char *const three[] = {"\\EFI", "BOOT", "x.efi"};
    static const char *const bare[] = {"newel.efi"};
    make_path(three, 3);
    expect_text("newel.dtb", "the manifest, which is longer than one read");
    make_path(parts, 1);
    expect_text("EFI/BOOT/newel.dtb", "the manifest, which is longer than one read");
    make_path(bare, 1);
    expect_text("newel.dtb", "in the root");
    make_path(NULL, 0);
    expect_text("newel.dtb", "in the root");
}

static void test_wrong_paths(void **state)
{
    (void)state;
    static char name[100];
    const char *const many[] = {name, name, name};
    path[6 + 2] = 3; // a node shorter than its own header
    assert_int_equal(efi_files_open(&l), EFI_UNSUPPORTED);
    memset(name, 'x', sizeof(name) - 1);
    make_path(many, 1);
    assert_int_equal(efi_files_open(&l), EFI_SUCCESS);
    loaded.device = NULL;
    assert_int_equal(efi_files_open(&l), EFI_UNSUPPORTED);
    assert_string_equal(lines[1], "newel: error: what Newel was started from has no files (status "
                                  "0x8000000000000003, unsupported)");
}

static void test_missing_and_unreadable_files(void **state)
{
    (void)state;
    struct mem_region at;
    char name[BOOT_NAME_MAX + 2];
    memset(name, 'x', sizeof(name) - 1);
    name[BOOT_NAME_MAX + 1] = '\0';
    assert_int_equal(efi_files_open(&l), EFI_SUCCESS);
    assert_int_equal(efi_file_read(&l, "Image", &at), EFI_NOT_FOUND);
    assert_int_equal(efi_file_read(&l, name, &at), EFI_NOT_FOUND);
    assert_int_equal(line_count, 0);
    read_status = EFI_DEVICE_ERROR;
    assert_int_equal(efi_file_read(&l, "newel.dtb", &at), EFI_DEVICE_ERROR);
    assert_string_equal(lines[0], "newel: error: newel.dtb cannot be read (status "
                                  "0x8000000000000007, device error)");
    memset(taken, true, sizeof(taken));
    assert_int_equal(efi_file_read(&l, "newel.dtb", &at), EFI_OUT_OF_RESOURCES);
    assert_string_equal(lines[1], "newel: error: no memory: 4 KiB were wanted (status "
                                  "0x8000000000000009, out of resources)");
    assert_int_equal(open_count, 1); // the root
    memset(taken, false, sizeof(taken));
}

static void test_aligned_pages(void **state)
{
    (void)state;
    struct mem_region a, b;
    assert_int_equal(efi_pages(&l, EFI_LOADER_DATA, 5 * PAGE_SIZE - 1, BLOCK_SIZE, &a),
                     EFI_SUCCESS);
    assert_int_equal(efi_pages(&l, EFI_LOADER_DATA, 1, PAGE_SIZE, &b), EFI_SUCCESS);
    assert_true(is_aligned(a.base, BLOCK_SIZE));
    assert_int_equal(a.size, 5 * PAGE_SIZE - 1);
    assert_int_equal(pages_taken(), 6);
    for (uint64_t n = 0; n < 5; n++) {
        assert_true(taken[(a.base - first_page()) / PAGE_SIZE + n]);
    }
    efi_free(&l, &a);
    efi_free(&l, &b);
    efi_free(&l, &b); // has none
    assert_int_equal(pages_taken(), 0);
}

// The map that counts is the one of the attempt that succeeded.
static void test_stale_map_keys(void **state)
{
    (void)state;
    assert_int_equal(efi_exit_boot_services(&l), EFI_SUCCESS);
    assert_int_equal(exits, 1);
    stale = 2;
    assert_int_equal(efi_exit_boot_services(&l), EFI_SUCCESS);
    assert_int_equal(exits, 4);
    assert_int_equal(l.map.size, 6 * sizeof(struct efi_memory_descriptor));
    stale = 100;
    map_count = 1;
    assert_int_equal(efi_exit_boot_services(&l), EFI_INVALID_PARAMETER);
    assert_int_equal(exits, 8);
    map_count = 9; // one more than there is room for
    stale = 0;
    assert_true(efi_exit_boot_services(&l) != EFI_SUCCESS);
    assert_int_equal(exits, 8);
}

static void test_long_lines(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(efi_fail(&l, EFI_LOAD_ERROR, "%s", text), EFI_LOAD_ERROR);
    assert_memory_equal(lines[0], "newel: error: xxx", 17);
    assert_non_null(strstr(lines[0], "x (status 0x8000000000000001, load error)"));
    assert_int_equal(line_count, 1);
}

static void leave_note(uint64_t lost, uint64_t left)
{
    var.lost = lost;
    var.size = sizeof(left);
    memcpy(var.data, &left, sizeof(left));
}

// As many writes as it takes, and the note is gone.
static void test_room(void **state)
{
    efi_make_room(&l);
    assert_int_equal(var.sets, 0); // no note
    for (uint64_t left = 0; left <= 600; left += 50) {
        setup(state);
        leave_note(STORE - left - sizeof(left), left);
        efi_make_room(&l);
        assert_int_equal(var.reclaims, 1);
        assert_int_equal(var.size, 0);
        assert_true(var.lost <= 2 * (LARGEST + sizeof(left)));
        assert_int_equal(pages_taken(), 0);
        assert_int_equal(line_count, 1);
    }
}

static void test_room_that_cannot_be_made(void **state)
{
    (void)state;
    var.never = STORE - 250; // it is in use
    leave_note(var.never, 242);
    efi_make_room(&l);
    assert_int_equal(var.sets, 1); // the note's removal
    assert_int_equal(var.size, 0);
    setup(state);
    var.never = STORE - 250; // and less than a variable's is not
    leave_note(var.never, 100);
    efi_make_room(&l);
    assert_int_equal(var.sets, 1);
    setup(state);
    var.size = LARGEST - 20; // what a start that was cut has left
    efi_make_room(&l);
    assert_int_equal(var.sets, 1);
    assert_int_equal(var.size, 0);
    assert_int_equal(line_count, 0);
    leave_note(500, 492);
    var.sets = 0;
    var.fail_at = 2;
    efi_make_room(&l);
    assert_int_equal(var.sets, 3);
    assert_int_equal(var.size, 0);
    assert_string_equal(lines[1],
                        "newel: error: the firmware's variables stay without room (status "
                        "0x8000000000000007, device error)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_files, setup),
        cmocka_unit_test_setup(test_paths, setup),
        cmocka_unit_test_setup(test_wrong_paths, setup),
        cmocka_unit_test_setup(test_missing_and_unreadable_files, setup),
        cmocka_unit_test_setup(test_aligned_pages, setup),
        cmocka_unit_test_setup(test_stale_map_keys, setup),
        cmocka_unit_test_setup(test_long_lines, setup),
        cmocka_unit_test_setup(test_room, setup),
        cmocka_unit_test_setup(test_room_that_cannot_be_made, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
