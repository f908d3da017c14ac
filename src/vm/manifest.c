// SPDX-License-Identifier: Apache-2.0
#include "vm/manifest.h"

#include "dev/flash.h"
#include "dev/port.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/print.h"
#include "vm/load.h"

#include <libfdt.h>
#include <stdarg.h>
#include <string.h>

#define MIB UINT64_C(0x100000)

// RAM ends at most where virt puts its PCIe windows, at 256 GiB.
#define MAX_MIB UINT64_C(261120)

// What a property's value looks like, and so what its field in the C struct is.
enum kind {
    KIND_U32,    // one cell, into an unsigned field of any width
    KIND_U64,    // one or two cells, likewise
    KIND_MIB,    // one cell of MiB, into a field of bytes
    KIND_STRING, // one string of at most max bytes, into a const char *
    KIND_CHOICE, // one of words, whose index goes into the field
    KIND_CPUS,   // a list of CPU numbers, into a mask
    KIND_BLOB,   // any bytes, at least one, into a struct blob
    KIND_FILE,   // a file's name, its bytes into a struct blob
};

// One row for each property: all that its reading takes.
struct property {
    const char *name;
    enum kind kind;
    bool required;
    uint16_t offset, width;      // of the field; width 0: checked and not kept
    uint64_t min, max, multiple; // numbers: both ends included; multiple 0 is any
    const char *words[4];
    bool test; // known to the tests' image alone
};

#define FIELD(type, member) .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)

static const struct property root_properties[] = {
    {"compatible", KIND_CHOICE, .required = true, .words = {"newel,manifest-1"}},
    {"on-last-exit", KIND_CHOICE, FIELD(struct manifest, stay_in_monitor),
     .words = {"poweroff", "monitor"}},
};

static const struct property vm_properties[] = {
    {"memory-mib", KIND_MIB, .required = true, FIELD(struct vm_config, memory), .min = 4,
     .max = MAX_MIB, .multiple = 2},
    {"cpus", KIND_U32, .required = true, FIELD(struct vm_config, cpus), .min = 1,
     .max = VM_MAX_VCPUS},
    {"kernel", KIND_BLOB, FIELD(struct vm_config, kernel)},
    {"kernel-file", KIND_FILE, FIELD(struct vm_config, kernel)},
    {"ramdisk", KIND_BLOB, FIELD(struct vm_config, ramdisk)},
    {"ramdisk-file", KIND_FILE, FIELD(struct vm_config, ramdisk)},
    {"bootargs", KIND_STRING, FIELD(struct vm_config, bootargs), .max = VM_BOOTARGS_MAX},
    {"load-offset", KIND_U64, FIELD(struct vm_config, load_offset), .max = MAX_MIB * MIB,
     .multiple = PAGE_SIZE},
    {"device-tree-offset", KIND_U64, FIELD(struct vm_config, dtb_offset), .max = MAX_MIB * MIB,
     .multiple = PAGE_SIZE},
    {"cpu-affinity", KIND_CPUS, FIELD(struct vm_config, affinity)},
    {"weight", KIND_U32, FIELD(struct vm_config, weight), .min = 1, .max = 10000},
    {"autostart", KIND_CHOICE, FIELD(struct vm_config, autostart), .words = {"no", "yes"}},
    {"detect-hardening", KIND_CHOICE, FIELD(struct vm_config, hardened), .words = {"off", "on"}},
    {"pmu", KIND_CHOICE, FIELD(struct vm_config, pmu), .words = {"off", "on"}},
    {"populate", KIND_CHOICE, FIELD(struct vm_config, lazy), .words = {"eager", "lazy"}},
    {"populate-granule", KIND_CHOICE, FIELD(struct vm_config, small_pages), .words = {"2m", "4k"}},
    {"firmware", KIND_CHOICE, FIELD(struct vm_config, firmware),
     .words = {"none", "efi-runtime", "uefi"}},
    {"firmware-image", KIND_BLOB, FIELD(struct vm_config, firmware_image)},
    {"firmware-image-file", KIND_FILE, FIELD(struct vm_config, firmware_image)},
    {"tables", KIND_CHOICE, FIELD(struct vm_config, tables), .words = {"dt", "acpi", "both"}},
    {"cpu-boot", KIND_CHOICE, FIELD(struct vm_config, cpu_boot),
     .words = {"psci", "parking", "spin-table"}},
    {"guest-tools", KIND_CHOICE, FIELD(struct vm_config, guest_tools), .words = {"none", "vmware"}},
    {"backdoor-brk", KIND_CHOICE, FIELD(struct vm_config, backdoor_brk), .words = {"no", "yes"}},
    {"test-ports", KIND_CHOICE, FIELD(struct vm_config, test_ports), .words = {"no", "yes"},
     .test = true},
    {"sve", KIND_CHOICE, FIELD(struct vm_config, sve), .words = {"off", "on"}},
};

static const struct vm_config vm_defaults = {
    .bootargs = "",
    .load_offset = 0x80000,
    .dtb_offset = DTB_ANYWHERE,
    .affinity = ~UINT32_C(0),
    .weight = 100,
    .autostart = true,
    .sve = true,
};

struct reader {
    const void *fdt;
    unsigned cpu_count;
    const struct manifest_files *files;
    const char *node; // path without the VM's name
    const char *vm;   // its name, "" outside of a VM
    char *message;
    size_t message_size;
};

struct value {
    const char *bytes; // 4-byte aligned
    size_t size;
};

// The message is one line whatever names and values the blob holds.
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < 0x20 || *text > 0x7e) {
            *text = '?';
        }
    }
}

// property is NULL where the node itself is wrong.
static int __attribute__((format(printf, 3, 4)))
fail(struct reader *r, const char *property, const char *fmt, ...)
{
    if (r->message_size == 0) {
        return ERR_INVALID;
    }
    size_t len = format(r->message, r->message_size, "manifest: %s%.40s: ", r->node, r->vm);
    len = MIN(len, r->message_size - 1);
    if (property != NULL) {
        len += format(r->message + len, r->message_size - len, "property \"%.40s\": ", property);
        len = MIN(len, r->message_size - 1);
    }
    va_list args;
    va_start(args, fmt);
    vformat(r->message + len, r->message_size - len, fmt, args);
    va_end(args);
    make_printable(r->message);
    return ERR_INVALID;
}

static void store(const struct property *p, void *object, uint64_t v)
{
    char *field = (char *)object + p->offset;
    switch (p->width) {
    case 1:
        *(uint8_t *)field = (uint8_t)v;
        break;
    case 4:
        *(uint32_t *)(void *)field = (uint32_t)v;
        break;
    case 8:
        *(uint64_t *)(void *)field = v;
        break;
    default:
        break;
    }
}

static uint64_t cell(const struct value *v, size_t index)
{
    return fdt32_ld((const fdt32_t *)(const void *)(v->bytes + 4 * index));
}

static int read_number(struct reader *r, const struct property *p, const struct value *v,
                       void *object)
{
    bool two = p->kind == KIND_U64 && v->size == 8;
    if (v->size != 4 && !two) {
        return fail(r, p->name, "is %zu bytes long (it has to be one number of 32%s bits: <N>)",
                    v->size, p->kind == KIND_U64 ? " or 64" : "");
    }
    uint64_t n = two ? cell(v, 0) << 32 | cell(v, 1) : cell(v, 0);
    if (n < p->min || n > p->max) {
        return fail(r, p->name, "is %lu (it has to be %lu to %lu)", (unsigned long)n,
                    (unsigned long)p->min, (unsigned long)p->max);
    }
    if (p->multiple != 0 && n % p->multiple != 0) {
        return fail(r, p->name, "is %lu (it has to be a multiple of %lu)", (unsigned long)n,
                    (unsigned long)p->multiple);
    }
    store(p, object, p->kind == KIND_MIB ? n * MIB : n);
    return 0;
}

// A single string: one NUL, at the end.
static bool is_string(const struct value *v)
{
    return v->size > 0 && memchr(v->bytes, '\0', v->size) == v->bytes + v->size - 1;
}

static int read_string(struct reader *r, const struct property *p, const struct value *v,
                       void *object)
{
    if (!is_string(v)) {
        return fail(r, p->name, "is no string (it has to be one string: \"...\")");
    }
    if (v->size - 1 > p->max) {
        return fail(r, p->name, "is %zu characters long (it has to be at most %lu)", v->size - 1,
                    (unsigned long)p->max);
    }
    *(const char **)(void *)((char *)object + p->offset) = v->bytes;
    return 0;
}

static int fail_choice(struct reader *r, const struct property *p, const struct value *v)
{
    char allowed[80];
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_SIZE(p->words) && p->words[i] != NULL; i++) {
        len += format(allowed + len, sizeof(allowed) - len, "%s\"%s\"", i > 0 ? " or " : "",
                      p->words[i]);
        len = MIN(len, sizeof(allowed) - 1);
    }
    if (!is_string(v)) {
        return fail(r, p->name, "is no string (it has to be %s)", allowed);
    }
    return fail(r, p->name, "is \"%.40s\" (it has to be %s)", v->bytes, allowed);
}

static int read_choice(struct reader *r, const struct property *p, const struct value *v,
                       void *object)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->words) && p->words[i] != NULL; i++) {
        if (is_string(v) && strcmp(v->bytes, p->words[i]) == 0) {
            store(p, object, i);
            return 0;
        }
    }
    return fail_choice(r, p, v);
}

static int read_cpus(struct reader *r, const struct property *p, const struct value *v,
                     void *object)
{
    uint64_t mask = 0;
    if (v->size == 0 || v->size % 4 != 0) {
        return fail(r, p->name, "is no list of numbers (it has to be CPU numbers: <0 1>)");
    }
    for (size_t i = 0; i < v->size / 4; i++) {
        uint64_t n = cell(v, i);
        if (n >= r->cpu_count) {
            return fail(r, p->name, "names CPU %lu (it has to be one of this machine's, 0 to %u)",
                        (unsigned long)n, r->cpu_count - 1);
        }
        if ((mask & BIT(n)) != 0) {
            return fail(r, p->name, "names CPU %lu twice (each CPU at most once)",
                        (unsigned long)n);
        }
        mask |= BIT(n);
    }
    store(p, object, mask);
    return 0;
}

static int read_blob(struct reader *r, const struct property *p, const struct value *v,
                     void *object)
{
    if (v->size == 0) {
        return fail(r, p->name, "is empty (it has to be a file: /incbin/(\"FILE\"))");
    }
    struct blob *blob = (void *)((char *)object + p->offset);
    if (blob->data != NULL) {
        return fail(r, p->name, "is there, and %s-file too (it has to be one of the two)", p->name);
    }
    *blob = (struct blob){v->bytes, v->size};
    return 0;
}

static int read_file(struct reader *r, const struct property *p, const struct value *v,
                     void *object)
{
    struct blob *file = (void *)((char *)object + p->offset);
    if (!is_string(v) || v->size == 1) {
        return fail(r, p->name, "is no file's name (it has to be one string: \"...\")");
    }
    if (file->data != NULL) {
        return fail(r, p->name, "is there, and %.*s too (it has to be one of the two)",
                    (int)(strlen(p->name) - strlen("-file")), p->name);
    }
    if (r->files == NULL) {
        return fail(r, p->name,
                    "is \"%.40s\", but this machine's boot loader gives no files (it has "
                    "to be %.*s = /incbin/)",
                    v->bytes, (int)(strlen(p->name) - strlen("-file")), p->name);
    }
    if (r->files->find(r->files->context, v->bytes, file) != 0) {
        return fail(r, p->name, "there is no file \"%.40s\" (it has to be beside the manifest)",
                    v->bytes);
    }
    return file->size != 0 ? 0 : fail(r, p->name, "\"%.40s\" is empty", v->bytes);
}

static int (*const read_kind[])(struct reader *, const struct property *, const struct value *,
                                void *) = {
    [KIND_U32] = read_number,    [KIND_U64] = read_number,    [KIND_MIB] = read_number,
    [KIND_STRING] = read_string, [KIND_CHOICE] = read_choice, [KIND_CPUS] = read_cpus,
    [KIND_BLOB] = read_blob,     [KIND_FILE] = read_file,
};

// A node's rows and what has been found of them.
struct table {
    const struct property *rows;
    size_t count;
    uint32_t seen; // bit n: row n
};

static bool is_known(const struct property *p)
{
    return !p->test || port_test_devices;
}

static int fail_unknown(struct reader *r, const struct table *t, const char *name)
{
    char known[400] = "";
    size_t len = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (is_known(&t->rows[i])) {
            len += format(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
                          t->rows[i].name);
            len = MIN(len, sizeof(known) - 1);
        }
    }
    if (t->count == 0) {
        return fail(r, name, "is unknown (this node has no properties)");
    }
    return fail(r, name, "is unknown (it has to be one of %s)", known);
}

static int read_property(struct reader *r, struct table *t, int offset, void *object)
{
    int size;
    const char *name;
    const void *bytes = fdt_getprop_by_offset(r->fdt, offset, &name, &size);
    if (bytes == NULL || size < 0) {
        return fail(r, NULL, "a property cannot be read: %s", fdt_strerror(size));
    }
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(name, t->rows[i].name) != 0 || !is_known(&t->rows[i])) {
            continue;
        }
        if ((t->seen & BIT(i)) != 0) {
            return fail(r, name, "is there twice (it has to be there once)");
        }
        t->seen |= (uint32_t)BIT(i);
        struct value v = {bytes, (size_t)size};
        return read_kind[t->rows[i].kind](r, &t->rows[i], &v, object);
    }
    return fail_unknown(r, t, name);
}

static int read_properties(struct reader *r, struct table *t, int node, void *object)
{
    int offset;
    fdt_for_each_property_offset(offset, r->fdt, node)
    {
        int err = read_property(r, t, offset, object);
        if (err != 0) {
            return err;
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].required && (t->seen & BIT(i)) == 0) {
            return fail(r, t->rows[i].name, "is missing (it has to be there)");
        }
    }
    return 0;
}

static bool table_has(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->rows[i].name, name) == 0) {
            return (t->seen & BIT(i)) != 0;
        }
    }
    return false;
}

static uint64_t little_endian(const struct blob *b, size_t offset, size_t bytes)
{
    const uint8_t *p = (const uint8_t *)b->data + offset;
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;) {
        v = v << 8 | p[i];
    }
    return v;
}

static bool starts_with(const struct blob *b, const char *bytes, size_t count)
{
    return b->size >= count && memcmp(b->data, bytes, count) == 0;
}

// What people put there by mistake and what is no raw binary either; NULL for anything else.
static const char *wrong_kernel_format(const struct blob *b)
{
    if (starts_with(b, "\x1f\x8b", 2)) {
        return "is compressed with gzip (it has to be unpacked: gunzip)";
    }
    if (starts_with(b,
                    "\xfd"
                    "7zXZ",
                    5) ||
        starts_with(b, "\x28\xb5\x2f\xfd", 4)) {
        return "is compressed with xz or zstd (it has to be unpacked)";
    }
    if (starts_with(b,
                    "\x7f"
                    "ELF",
                    4)) {
        return "is an ELF file (it has to be an arm64 Image or a raw binary: objcopy -O binary)";
    }
    if (starts_with(b, "MZ\0\0zimg", 8)) {
        return "is a self-extracting EFI image (it has to be the plain arm64 Image)";
    }
    if (starts_with(b, "MZ", 2)) {
        return "begins like an Image, but the magic at byte 56 is not ARM\\x64 "
               "(it has to be an arm64 Image or a raw binary)";
    }
    return NULL;
}

// Linux, Documentation/arch/arm64/booting.rst: the 64-byte header of an Image.
static bool has_image_header(const struct blob *b)
{
    return b->size >= 64 && little_endian(b, 56, 4) == 0x644d5241;
}

static int check_image(struct reader *r, struct vm_config *c)
{
    c->kernel_is_image = true;
    c->image_text_offset = little_endian(&c->kernel, 8, 8);
    c->image_size = little_endian(&c->kernel, 16, 8);
    if ((little_endian(&c->kernel, 24, 8) & 1) != 0) {
        return fail(r, "kernel", "is a big-endian Image (it has to be little-endian)");
    }
    if (c->image_size == 0) {
        return fail(r, "kernel",
                    "has image_size 0 in its Image header (it has to be Linux 3.17 "
                    "or later)");
    }
    if (c->image_size < c->kernel.size) {
        return fail(r, "kernel",
                    "has image_size %lu in its Image header (it has to be the file's %zu bytes or "
                    "more)",
                    (unsigned long)c->image_size, c->kernel.size);
    }
    return 0;
}

// What firmware loads is its own business.
static int check_firmware_image(struct reader *r, const struct vm_config *c)
{
    if (c->firmware_image.size == 0 || c->firmware_image.size > FLASH_BANK) {
        return fail(r, "firmware-image", "is %zu KiB long (it has to be there, at most %lu KiB)",
                    c->firmware_image.size / 1024, (unsigned long)(FLASH_BANK / 1024));
    }
    if (c->kernel.size != 0 || c->ramdisk.size != 0) {
        return fail(r, c->kernel.size != 0 ? "kernel" : "ramdisk",
                    "is there, but the firmware would not load it (it has to be left out)");
    }
    if (c->cpu_boot != CPU_BOOT_PSCI) {
        return fail(r, "cpu-boot",
                    "is \"%s\", by which the firmware finds no CPUs (it has to be \"psci\")",
                    c->cpu_boot == CPU_BOOT_PARKING ? "parking" : "spin-table");
    }
    return 0;
}

static int check_kernel(struct reader *r, const struct table *t, struct vm_config *c)
{
    if (c->firmware == FIRMWARE_UEFI) {
        return check_firmware_image(r, c);
    }
    if (c->firmware_image.size != 0) {
        return fail(r, "firmware-image",
                    "is there, but nothing runs it (firmware has to be \"uefi\")");
    }
    if (c->kernel.size == 0) {
        return fail(r, "kernel", "is missing (it has to be there, or kernel-file)");
    }
    if (!has_image_header(&c->kernel)) {
        const char *wrong = wrong_kernel_format(&c->kernel);
        return wrong != NULL ? fail(r, "kernel", "%s", wrong) : 0;
    }
    if (table_has(t, "load-offset")) {
        return fail(r, "load-offset",
                    "is there, but the kernel has an Image header, which says "
                    "where it goes (it has to be left out)");
    }
    return check_image(r, c);
}

// What belongs to guest-tools has no meaning without them.
static int check_tools(struct reader *r, const struct table *t, const struct vm_config *c)
{
    static const char *const names[] = {"backdoor-brk", "test-ports"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (table_has(t, names[i]) && !c->guest_tools) {
            return fail(r, names[i], "is there without tools (guest-tools has to be \"vmware\")");
        }
    }
    if (c->hardened && c->guest_tools) {
        return fail(
            r, "detect-hardening",
            "is \"on\", and the calls of guest-tools are traps (it has to be one of the two)");
    }
    return 0;
}

// ACPI's tables are found by way of EFI's; each way of starting CPUs but PSCI is told in one kind
// of tables alone.
static int check_firmware(struct reader *r, const struct vm_config *c)
{
    if (c->tables != TABLES_DT && c->firmware != FIRMWARE_EFI_RUNTIME) {
        return fail(r, "tables",
                    "asks for ACPI, but there is no firmware to find it by "
                    "(firmware has to be \"efi-runtime\")");
    }
    if (c->cpu_boot == CPU_BOOT_PARKING && c->tables != TABLES_ACPI) {
        return fail(r, "cpu-boot",
                    "is \"parking\", which only ACPI can tell the guest "
                    "(tables has to be \"acpi\")");
    }
    if (c->cpu_boot == CPU_BOOT_SPIN_TABLE && c->tables != TABLES_DT) {
        return fail(r, "cpu-boot",
                    "is \"spin-table\", which only a device tree can tell the guest "
                    "(tables has to be \"dt\")");
    }
    return 0;
}

static int check_layout(struct reader *r, const struct vm_config *c)
{
    struct load_plan plan;
    int err = load_plan(c, &plan);
    if (err == 0) {
        return 0;
    }
    if (c->firmware == FIRMWARE_UEFI) {
        return fail(r, "memory-mib",
                    "is %lu, too little for UEFI firmware (it has to be 128 or more)",
                    (unsigned long)(c->memory / MIB));
    }
    if (err == ERR_EXISTS) {
        return fail(
            r, "device-tree-offset",
            "is 0x%lx, where kernel, ramdisk or firmware lies (%lu KiB there have to be free)",
            (unsigned long)c->dtb_offset, (unsigned long)(DTB_SIZE / 1024));
    }
    return fail(r, "memory-mib",
                "is %lu, too little for kernel (%lu KiB at 0x%lx), ramdisk (%zu KiB) and device "
                "tree (it has to be more)",
                (unsigned long)(c->memory / MIB),
                (unsigned long)((c->kernel_is_image ? c->image_size : c->kernel.size) / 1024),
                (unsigned long)(c->kernel_is_image ? c->image_text_offset : c->load_offset),
                c->ramdisk.size / 1024);
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static int read_name(struct reader *r, const struct manifest *m, struct vm_config *c)
{
    size_t len = strlen(r->vm);
    if (len == 0 || len > VM_NAME_MAX) {
        return fail(r, NULL, "the VM's name is %zu characters long (it has to be 1 to %d)", len,
                    VM_NAME_MAX);
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_name_character(r->vm[i])) {
            return fail(r, NULL,
                        "the VM's name has '%c' in it (it has to be letters, digits, "
                        "'.', '_' and '-')",
                        r->vm[i]);
        }
    }
    for (size_t i = 0; i < m->vm_count; i++) {
        if (strcmp(m->vm[i].name, r->vm) == 0) {
            return fail(r, NULL, "there are two VMs of this name (it has to be unique)");
        }
    }
    memcpy(c->name, r->vm, len + 1);
    return 0;
}

// ---- guestinfo: any names, which the guest finds with "guestinfo." before them ----

static bool is_guestinfo_name(const char *name)
{
    size_t len = 0;
    for (; name[len] != '\0'; len++) {
        if (name[len] <= ' ' || name[len] > '~') {
            return false;
        }
    }
    return len >= 1 && len <= GUESTINFO_NAME_MAX;
}

static int read_pair(struct reader *r, int offset, struct vm_config *c, size_t *bytes)
{
    int size;
    const char *name;
    const char *value = fdt_getprop_by_offset(r->fdt, offset, &name, &size);
    if (value == NULL || !is_guestinfo_name(name)) {
        return fail(r, "guestinfo", "has a name that is none (it has to be 1 to %d characters)",
                    GUESTINFO_NAME_MAX);
    }
    struct blob b = {value, (size_t)size};
    b.size -= size > 0 && value[size - 1] == '\0';
    if (b.size == 0 || b.size > GUESTINFO_PAIR_MAX) {
        return fail(r, name, "is %zu bytes long (it has to be 1 to %d)", b.size,
                    GUESTINFO_PAIR_MAX);
    }
    *bytes += b.size;
    if (c->guestinfo_count == MANIFEST_MAX_GUESTINFO || *bytes > GUESTINFO_BYTES_MAX) {
        return fail(r, name, "is too much (guestinfo has to be at most %d values and %d bytes)",
                    MANIFEST_MAX_GUESTINFO, GUESTINFO_BYTES_MAX);
    }
    c->guestinfo[c->guestinfo_count++] = (struct guestinfo_pair){name, b};
    return 0;
}

static int read_guestinfo(struct reader *r, int node, struct vm_config *c)
{
    int offset;
    size_t bytes = 0;
    if (!c->guest_tools) {
        return fail(r, NULL,
                    "node \"guestinfo\" is there without tools "
                    "(guest-tools has to be \"vmware\")");
    }
    fdt_for_each_property_offset(offset, r->fdt, node)
    {
        int err = read_pair(r, offset, c, &bytes);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static int fail_subnode(struct reader *r, int node)
{
    const char *name = fdt_get_name(r->fdt, node, NULL);
    return fail(r, NULL, "node \"%.40s\" is unknown (it has to be \"guestinfo\", once)",
                name != NULL ? name : "?");
}

// A VM's node has one child at most.
static int read_children(struct reader *r, int vm, struct vm_config *c)
{
    bool seen = false;
    int node;
    fdt_for_each_subnode(node, r->fdt, vm)
    {
        const char *name = fdt_get_name(r->fdt, node, NULL);
        if (seen || name == NULL || strcmp(name, "guestinfo") != 0) {
            return fail_subnode(r, node);
        }
        seen = true;
        int err = read_guestinfo(r, node, c);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static int read_vm(struct reader *r, int node, struct manifest *m)
{
    r->vm = fdt_get_name(r->fdt, node, NULL);
    if (r->vm == NULL) {
        r->vm = "";
        return fail(r, NULL, "a node's name cannot be read");
    }
    if (m->vm_count == MANIFEST_MAX_VMS) {
        return fail(r, NULL, "is one VM too many (there have to be at most %d)", MANIFEST_MAX_VMS);
    }
    struct vm_config *c = &m->vm[m->vm_count];
    struct table t = {vm_properties, ARRAY_SIZE(vm_properties), 0};
    *c = vm_defaults;
    int err = read_name(r, m, c);
    err = err != 0 ? err : read_properties(r, &t, node, c);
    err = err != 0 ? err : read_children(r, node, c);
    err = err != 0 ? err : check_kernel(r, &t, c);
    err = err != 0 ? err : check_tools(r, &t, c);
    err = err != 0 ? err : check_firmware(r, c);
    err = err != 0 ? err : check_layout(r, c);
    m->vm_count += err == 0;
    return err;
}

static int read_vms(struct reader *r, int vms, struct manifest *m)
{
    struct table none = {NULL, 0, 0};
    r->node = "/vms";
    int err = read_properties(r, &none, vms, NULL);
    if (err != 0) {
        return err;
    }
    r->node = "/vms/";
    int node;
    fdt_for_each_subnode(node, r->fdt, vms)
    {
        err = read_vm(r, node, m);
        if (err != 0) {
            return err;
        }
    }
    if (m->vm_count == 0) {
        r->node = "/vms";
        return fail(r, NULL, "there is no VM (there has to be one child for each)");
    }
    return 0;
}

// The one child of the root; negative with a message.
static int find_vms(struct reader *r)
{
    int vms = -1, node;
    fdt_for_each_subnode(node, r->fdt, 0)
    {
        const char *name = fdt_get_name(r->fdt, node, NULL);
        if (name == NULL || strcmp(name, "vms") != 0) {
            return fail(r, NULL, "node \"%.40s\" is unknown (it has to be \"vms\")",
                        name != NULL ? name : "?");
        }
        if (vms >= 0) {
            return fail(r, NULL, "node \"vms\" is there twice (it has to be there once)");
        }
        vms = node;
    }
    return vms >= 0 ? vms : fail(r, NULL, "node \"vms\" is missing (it has to be there)");
}

static int check_blob(struct reader *r, size_t size)
{
    if (((uintptr_t)r->fdt & 7) != 0) {
        return fail(r, NULL, "the blob is not 8-byte aligned");
    }
    // fdt_check_full() looks into the header before it looks at the size.
    int err = size < sizeof(struct fdt_header) ? -FDT_ERR_TRUNCATED : fdt_check_full(r->fdt, size);
    if (err != 0) {
        return fail(r, NULL, "is no device tree blob: %s (it has to be made by dtc)",
                    fdt_strerror(err));
    }
    if (fdt_node_check_compatible(r->fdt, 0, "newel,manifest-1") != 0) {
        return fail(r, "compatible", "this is no manifest (it has to be \"newel,manifest-1\")");
    }
    return 0;
}

int manifest_parse(const void *fdt, size_t size, unsigned cpu_count,
                   const struct manifest_files *files, struct manifest *out, char *message,
                   size_t message_size)
{
    struct reader r = {fdt, MIN(cpu_count, 32u), files, "/", "", message, message_size};
    struct table t = {root_properties, ARRAY_SIZE(root_properties), 0};
    out->vm_count = 0;
    out->stay_in_monitor = false;
    if (message_size > 0) {
        message[0] = '\0';
    }
    int err = check_blob(&r, size);
    err = err != 0 ? err : read_properties(&r, &t, 0, out);
    if (err != 0) {
        return err;
    }
    int vms = find_vms(&r);
    return vms < 0 ? vms : read_vms(&r, vms, out);
}
