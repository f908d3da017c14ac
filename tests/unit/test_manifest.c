// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dts.h"
#include "lib/addr.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "vm/load.h"
#include "vm/manifest.h"

#define CPUS 4

static struct manifest manifest;
static char message[512];

// Bytes of kernels that the sources below include, written into a directory by setup().
static char directory[] = "/tmp/newel-manifest-XXXXXX";

static void put_le(uint8_t *p, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static void write_file(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    write_whole_file(path, data, size);
}

static void write_image(const char *name, uint64_t text_offset, uint64_t image_size, uint64_t flags)
{
    uint8_t image[4096] = {'M', 'Z', 0x40, 0xfa};
    put_le(image + 8, text_offset, 8);
    put_le(image + 16, image_size, 8);
    put_le(image + 24, flags, 8);
    memcpy(image + 56, "ARM\x64", 4);
    write_file(name, image, sizeof(image));
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    write_image("image", 0, 0x300000, 0xa);
    write_image("image-offset", 0x80000, 0x300000, 0xa);
    write_image("image-old", 0x80000, 0, 0);
    write_image("image-small", 0, 4095, 0xa);
    write_image("image-huge", 0, UINT64_MAX - 4096, 0xa);
    write_image("image-far", UINT64_MAX - 8192, 0x300000, 0xa);
    write_image("image-be", 0, 0x300000, 0xb);
    write_file("raw", "\x1f\x20\x03\xd5", 4);
    write_file("pe", "MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff", 14);
    write_file("zimg", "MZ\0\0zimg\0\0\1\0", 12);
    write_file("gz", "\x1f\x8b\x08\0", 4);
    write_file("xz",
               "\xfd"
               "7zXZ\0",
               6);
    write_file("zst", "\x28\xb5\x2f\xfd", 4);
    write_file("elf",
               "\x7f"
               "ELF\2\1\1",
               7);
    static uint8_t ramdisk[0x180000];
    memset(ramdisk, 7, sizeof(ramdisk));
    write_file("ramdisk", ramdisk, sizeof(ramdisk));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[80];
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

// A source in which every @ before a name stands for the directory.
static void *compile(const char *source, size_t *size)
{
    char *text = strdup(source);
    while (strstr(text, "@") != NULL) {
        char path[64];
        snprintf(path, sizeof(path), "%s/", directory);
        char *next = replace(text, "@", path);
        free(text);
        text = next;
    }
    void *blob = compile_dts(text, size);
    free(text);
    return blob;
}

static const struct manifest_files *files;

// The blob that a test's result points into is freed by the next parse().
static int parse(const char *source)
{
    static void *blob;
    size_t size;
    free(blob);
    blob = compile(source, &size);
    memset(&manifest, 0xa5, sizeof(manifest));
    memset(message, 0, sizeof(message));
    return manifest_parse(blob, size, CPUS, files, &manifest, message, sizeof(message));
}

#define ROOT  "/dts-v1/; / { compatible = \"newel,manifest-1\"; "
#define VM    "memory-mib = <64>; cpus = <2>; kernel = /incbin/(\"@image\"); "
#define TOOLS "guest-tools = \"vmware\"; "

#define IN_VM(text) ROOT "vms { web { " text " }; }; };"
#define WEB         "manifest: /vms/web: property "

static void test_least_that_is_needed(void **state)
{
    (void)state;
    int err = parse(ROOT "vms { a { " VM "}; }; };");
    assert_string_equal(message, "");
    assert_int_equal(err, 0);
    assert_int_equal(manifest.vm_count, 1);
    assert_false(manifest.stay_in_monitor);
    const struct vm_config *c = &manifest.vm[0];
    assert_string_equal(c->name, "a");
    assert_int_equal(c->memory, 64 << 20);
    assert_int_equal(c->cpus, 2);
    assert_int_equal(c->kernel.size, 4096);
    assert_memory_equal((const char *)c->kernel.data + 56, "ARM\x64", 4);
    assert_true(c->kernel_is_image);
    assert_int_equal(c->image_size, 0x300000);
    assert_int_equal(c->image_text_offset, 0);
    assert_int_equal(c->ramdisk.size, 0);
    assert_string_equal(c->bootargs, "");
    assert_int_equal(c->affinity, UINT32_MAX);
    assert_int_equal(c->weight, 100);
    assert_true(c->autostart);
    assert_true(c->sve);
    assert_false(c->guest_tools);
    assert_false(c->backdoor_brk);
}

static void test_all_properties(void **state)
{
    (void)state;
    int err = parse(ROOT "on-last-exit = \"monitor\"; vms { first.vm { " VM "};"
                         "A_b-9 { memory-mib = <128>; cpus = <16>; kernel = /incbin/(\"@raw\");"
                         "ramdisk = /incbin/(\"@ramdisk\"); bootargs = \"console=ttyAMA0 quiet\";"
                         "load-offset = <0x0 0x200000>; device-tree-offset = <0>; "
                         "cpu-affinity = <3 1>; weight = <10000>;"
                         "autostart = \"no\"; sve = \"off\"; pmu = \"on\"; "
                         "guest-tools = \"vmware\"; backdoor-brk = \"yes\"; }; }; };");
    assert_string_equal(message, "");
    assert_int_equal(err, 0);
    assert_int_equal(manifest.vm_count, 2);
    assert_true(manifest.stay_in_monitor);
    const struct vm_config *c = &manifest.vm[1];
    assert_string_equal(manifest.vm[0].name, "first.vm");
    assert_string_equal(c->name, "A_b-9");
    assert_false(c->kernel_is_image);
    assert_int_equal(c->kernel.size, 4);
    assert_int_equal(c->ramdisk.size, 0x180000);
    assert_int_equal(((const uint8_t *)c->ramdisk.data)[0x17ffff], 7);
    assert_string_equal(c->bootargs, "console=ttyAMA0 quiet");
    assert_int_equal(c->load_offset, 0x200000);
    assert_int_equal(c->dtb_offset, 0);
    assert_int_equal(c->affinity, 0xa);
    assert_int_equal(c->weight, 10000);
    assert_false(c->autostart);
    assert_false(c->sve);
    assert_true(c->guest_tools);
    assert_true(c->backdoor_brk);
    assert_true(c->pmu);
    assert_false(manifest.vm[0].pmu);
    assert_false(c->hardened);
    assert_int_equal(parse(IN_VM(VM "detect-hardening = \"on\";")), 0);
    assert_true(manifest.vm[0].hardened);
}

static void test_firmware(void **state)
{
    (void)state;
    const struct vm_config *c = &manifest.vm[0];
    assert_int_equal(parse(IN_VM(VM "firmware = \"efi-runtime\"; tables = \"acpi\"; "
                                    "cpu-boot = \"parking\";")),
                     0);
    assert_int_equal(c->firmware, FIRMWARE_EFI_RUNTIME);
    assert_int_equal(c->tables, TABLES_ACPI);
    assert_int_equal(c->cpu_boot, CPU_BOOT_PARKING);
    assert_int_equal(parse(IN_VM(VM "cpu-boot = \"spin-table\"; tables = \"dt\";")), 0);
    assert_int_equal(c->tables, TABLES_DT);
    assert_int_equal(c->cpu_boot, CPU_BOOT_SPIN_TABLE);
    assert_int_equal(parse(IN_VM(VM "firmware = \"efi-runtime\"; tables = \"both\";")), 0);
    assert_int_equal(c->tables, TABLES_BOTH);
    assert_int_equal(c->cpu_boot, CPU_BOOT_PSCI);
    assert_int_equal(parse(IN_VM(VM "")), 0);
    assert_int_equal(c->firmware, FIRMWARE_NONE);
    assert_int_equal(c->tables, TABLES_DT);
    assert_int_equal(c->cpu_boot, CPU_BOOT_PSCI);
}

static void test_guestinfo(void **state)
{
    (void)state;
    char many[4096] = IN_VM(VM TOOLS "guestinfo { a = \"one two\"; b.c = [00 01 00]; MORE}; ");
    char *full = replace(many, "MORE", "");
    assert_int_equal(parse(full), 0);
    const struct vm_config *c = &manifest.vm[0];
    assert_int_equal(c->guestinfo_count, 2);
    assert_string_equal(c->guestinfo[0].name, "a");
    assert_int_equal(c->guestinfo[0].value.size, 7);
    assert_memory_equal(c->guestinfo[0].value.data, "one two", 7);
    assert_string_equal(c->guestinfo[1].name, "b.c");
    assert_int_equal(c->guestinfo[1].value.size, 2);
    free(full);
    char pairs[1024] = "";
    for (unsigned i = 0; i < MANIFEST_MAX_GUESTINFO - 1; i++) {
        snprintf(pairs + strlen(pairs), 32, "k%u = \"v\"; ", i);
    }
    full = replace(many, "MORE", pairs);
    assert_int_not_equal(parse(full), 0);
    assert_string_equal(message, WEB "\"k30\": is too much (guestinfo has to be at most 32 values "
                                     "and 131072 bytes)");
    free(full);
}

static void test_choices_and_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(ROOT "on-last-exit = \"poweroff\"; vms { a { " VM
                                "autostart = \"yes\"; }; b { memory-mib = <4>; cpus = <1>;"
                                "kernel = /incbin/(\"@raw\"); }; }; };"),
                     0);
    assert_false(manifest.stay_in_monitor);
    assert_true(manifest.vm[0].autostart);
    assert_true(manifest.vm[1].dtb_offset == DTB_ANYWHERE);
    assert_int_equal(manifest.vm[1].load_offset, 0x80000);
    assert_int_equal(parse(ROOT "vms { a { memory-mib = <64>; cpus = <2>;"
                                "kernel = /incbin/(\"@image-offset\"); }; }; };"),
                     0);
    assert_int_equal(manifest.vm[0].image_text_offset, 0x80000);
}

struct wrong {
    const char *source, *line;
};

static void check_wrong(const struct wrong *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int err = parse(cases[i].source);
        assert_string_equal(message, cases[i].line);
        assert_true(err < 0);
    }
}

static void test_wrong_roots(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"/dts-v1/; / { };", "manifest: /: property \"compatible\": this is no manifest "
                             "(it has to be \"newel,manifest-1\")"},
        {"/dts-v1/; / { compatible = \"linux,dummy-virt\"; };",
         "manifest: /: property \"compatible\": this is no manifest "
         "(it has to be \"newel,manifest-1\")"},
        {"/dts-v1/; / { compatible = \"newel,manifest-1\", \"newel,manifest-2\"; };",
         "manifest: /: property \"compatible\": is no string (it has to be \"newel,manifest-1\")"},
        {ROOT "};", "manifest: /: node \"vms\" is missing (it has to be there)"},
        {ROOT "vms { }; };", "manifest: /vms: there is no VM (there has to be one child for each)"},
        {ROOT "vms { a = <1>; }; };",
         "manifest: /vms: property \"a\": is unknown (this node has no properties)"},
        {ROOT "on-last-exit = \"halt\"; vms { }; };",
         "manifest: /: property \"on-last-exit\": is \"halt\" (it has to be \"poweroff\" or "
         "\"monitor\")"},
        {ROOT "on-last-exit = <1>; vms { }; };",
         "manifest: /: property \"on-last-exit\": is no string (it has to be \"poweroff\" or "
         "\"monitor\")"},
        {ROOT "on-exit = <1>; vms { }; };",
         "manifest: /: property \"on-exit\": is unknown (it has to be one of compatible, "
         "on-last-exit)"},
        {ROOT "vm { }; };", "manifest: /: node \"vm\" is unknown (it has to be \"vms\")"},
    };
    check_wrong(cases, ARRAY_SIZE(cases));
}

static void test_wrong_numbers(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {IN_VM("memory-mib = <64>; kernel = /incbin/(\"@image\");"),
         WEB "\"cpus\": is missing (it has to be there)"},
        {IN_VM("cpus = <1>; kernel = /incbin/(\"@image\");"),
         WEB "\"memory-mib\": is missing (it has to be there)"},
        {IN_VM("memory-mib = <64>; cpus = <0>; kernel = /incbin/(\"@image\");"),
         WEB "\"cpus\": is 0 (it has to be 1 to 16)"},
        {IN_VM("memory-mib = <64>; cpus = <17>; kernel = /incbin/(\"@image\");"),
         WEB "\"cpus\": is 17 (it has to be 1 to 16)"},
        {IN_VM("memory-mib = <64>; cpus = \"two\"; kernel = /incbin/(\"@image\");"),
         WEB "\"cpus\": is 1953984256 (it has to be 1 to 16)"},
        {IN_VM("memory-mib = <64>; cpus = <1 2>; kernel = /incbin/(\"@image\");"),
         WEB "\"cpus\": is 8 bytes long (it has to be one number of 32 bits: <N>)"},
        {IN_VM("memory-mib = <64>; cpus; kernel = /incbin/(\"@image\");"),
         WEB "\"cpus\": is 0 bytes long (it has to be one number of 32 bits: <N>)"},
        {IN_VM("memory-mib = <0>; cpus = <1>; kernel = /incbin/(\"@image\");"),
         WEB "\"memory-mib\": is 0 (it has to be 4 to 261120)"},
        {IN_VM("memory-mib = <65>; cpus = <1>; kernel = /incbin/(\"@image\");"),
         WEB "\"memory-mib\": is 65 (it has to be a multiple of 2)"},
        {IN_VM("memory-mib = <0xfffffffe>; cpus = <1>; kernel = /incbin/(\"@image\");"),
         WEB "\"memory-mib\": is 4294967294 (it has to be 4 to 261120)"},
        {IN_VM(VM "weight = <0>;"), WEB "\"weight\": is 0 (it has to be 1 to 10000)"},
        {IN_VM(VM "weight = <10001>;"), WEB "\"weight\": is 10001 (it has to be 1 to 10000)"},
        {IN_VM(VM "load-offset = <1>;"),
         WEB "\"load-offset\": is 1 (it has to be a multiple of 4096)"},
        {IN_VM(VM "load-offset = <1 2 3>;"),
         WEB "\"load-offset\": is 12 bytes long (it has to be one number of 32 or 64 bits: <N>)"},
        {IN_VM(VM "load-offset = <0x1000 0>;"),
         WEB "\"load-offset\": is 17592186044416 (it has to be 0 to 273804165120)"},
    };
    check_wrong(cases, ARRAY_SIZE(cases));
}

static void test_wrong_values(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {IN_VM(VM "cpu-affinity = <0 4>;"),
         WEB "\"cpu-affinity\": names CPU 4 (it has to be one of this machine's, 0 to 3)"},
        {IN_VM(VM "cpu-affinity = <0xffffffff>;"),
         WEB "\"cpu-affinity\": names CPU 4294967295 (it has to be one of this machine's, 0 to 3)"},
        {IN_VM(VM "cpu-affinity = <1 1>;"),
         WEB "\"cpu-affinity\": names CPU 1 twice (each CPU at most once)"},
        {IN_VM(VM "cpu-affinity;"),
         WEB "\"cpu-affinity\": is no list of numbers (it has to be CPU numbers: <0 1>)"},
        {IN_VM(VM "cpu-affinity = [00 01];"),
         WEB "\"cpu-affinity\": is no list of numbers (it has to be CPU numbers: <0 1>)"},
        {IN_VM(VM "autostart;"),
         WEB "\"autostart\": is no string (it has to be \"no\" or \"yes\")"},
        {IN_VM(VM "autostart = \"never\";"),
         WEB "\"autostart\": is \"never\" (it has to be \"no\" or \"yes\")"},
        {IN_VM(VM "bootargs = <1>;"),
         WEB "\"bootargs\": is no string (it has to be one string: \"...\")"},
        {IN_VM(VM "bootargs = \"a\", \"b\";"),
         WEB "\"bootargs\": is no string (it has to be one string: \"...\")"},
        {IN_VM(VM "bootargs = \"a\", \"\\r\\n\";"),
         WEB "\"bootargs\": is no string (it has to be one string: \"...\")"},
        {IN_VM(VM "ramdisk;"),
         WEB "\"ramdisk\": is empty (it has to be a file: /incbin/(\"FILE\"))"},
        {IN_VM(VM "cpu = <1>;"),
         WEB "\"cpu\": is unknown (it has to be one of memory-mib, cpus, kernel, kernel-file, "
             "ramdisk, ramdisk-file, bootargs, load-offset, device-tree-offset, cpu-affinity, "
             "weight, autostart, detect-hardening, pmu, "
             "populate, populate-granule, firmware, firmware-image, firmware-image-file, tables, "
             "cpu-boot, guest-tools, backdoor-brk, "
             "sve)"},
        {IN_VM(VM "autostart = \"a\\nb\\e[2J\";"),
         WEB "\"autostart\": is \"a?be[2J\" (it has to be \"no\" or \"yes\")"},
    };
    check_wrong(cases, ARRAY_SIZE(cases));
}

static void test_wrong_firmware(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {IN_VM(VM "tables = \"fdt\";"),
         WEB "\"tables\": is \"fdt\" (it has to be \"dt\" or \"acpi\" or \"both\")"},
        {IN_VM(VM "tables = \"acpi\";"),
         WEB "\"tables\": asks for ACPI, but there is no firmware to find it by "
             "(firmware has to be \"efi-runtime\")"},
        {IN_VM(VM "tables = \"both\"; firmware = \"none\";"),
         WEB "\"tables\": asks for ACPI, but there is no firmware to find it by "
             "(firmware has to be \"efi-runtime\")"},
        {IN_VM(VM "cpu-boot = \"sgi\";"),
         WEB "\"cpu-boot\": is \"sgi\" (it has to be \"psci\" or \"parking\" or "
             "\"spin-table\")"},
        {IN_VM(VM "cpu-boot = \"parking\"; firmware = \"efi-runtime\"; tables = \"both\";"),
         WEB "\"cpu-boot\": is \"parking\", which only ACPI can tell the guest "
             "(tables has to be \"acpi\")"},
        {IN_VM(VM "cpu-boot = \"spin-table\"; firmware = \"efi-runtime\"; tables = \"acpi\";"),
         WEB "\"cpu-boot\": is \"spin-table\", which only a device tree can tell the guest "
             "(tables has to be \"dt\")"},
        {IN_VM(VM "firmware = \"bios\";"),
         WEB "\"firmware\": is \"bios\" (it has to be \"none\" or \"efi-runtime\" or \"uefi\")"},
        {IN_VM(VM "firmware = \"uefi\";"),
         WEB "\"firmware-image\": is 0 KiB long (it has to be there, at most 65536 KiB)"},
        {IN_VM(VM "firmware-image = [00];"),
         WEB "\"firmware-image\": is there, but nothing runs it (firmware has to be \"uefi\")"},
        {IN_VM(VM "firmware = \"uefi\"; firmware-image = [00];"),
         WEB "\"kernel\": is there, but the firmware would not load it (it has to be left out)"},
        {IN_VM("memory-mib = <128>; cpus = <1>; firmware = \"uefi\"; firmware-image = [00]; "
               "ramdisk = [00];"),
         WEB "\"ramdisk\": is there, but the firmware would not load it (it has to be left out)"},
        {IN_VM("memory-mib = <128>; cpus = <1>; firmware = \"uefi\"; firmware-image = [00]; "
               "cpu-boot = \"spin-table\";"),
         WEB "\"cpu-boot\": is \"spin-table\", by which the firmware finds no CPUs (it has to be "
             "\"psci\")"},
        {IN_VM("memory-mib = <126>; cpus = <1>; firmware = \"uefi\"; firmware-image = [00];"),
         WEB "\"memory-mib\": is 126, too little for UEFI firmware (it has to be 128 or more)"},
    };
    check_wrong(cases, ARRAY_SIZE(cases));
}

static void test_wrong_tools(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {IN_VM(VM "guest-tools = \"kvm\";"),
         WEB "\"guest-tools\": is \"kvm\" (it has to be \"none\" or \"vmware\")"},
        {IN_VM(VM "backdoor-brk = \"yes\";"),
         WEB "\"backdoor-brk\": is there without tools (guest-tools has to be \"vmware\")"},
        {IN_VM(VM TOOLS "detect-hardening = \"on\";"),
         WEB "\"detect-hardening\": is \"on\", and the calls of guest-tools are traps (it has to "
             "be one of the two)"},
        {IN_VM(VM "detect-hardening = \"yes\";"),
         WEB "\"detect-hardening\": is \"yes\" (it has to be \"off\" or \"on\")"},
        {IN_VM(VM "guestinfo { };"),
         "manifest: /vms/web: node \"guestinfo\" is there without tools "
         "(guest-tools has to be \"vmware\")"},
        {IN_VM(VM TOOLS "guestinfo { a; };"),
         WEB "\"a\": is 0 bytes long (it has to be 1 to 65534)"},
        {IN_VM(VM TOOLS "guestinfo { a = \"1\"; }; guestinf { };"),
         "manifest: /vms/web: node \"guestinf\" is unknown (it has to be \"guestinfo\", once)"},
        {IN_VM(VM "disk { };"),
         "manifest: /vms/web: node \"disk\" is unknown (it has to be \"guestinfo\", once)"},
    };
    check_wrong(cases, ARRAY_SIZE(cases));
}

#define WITH_KERNEL(name, text) \
    IN_VM("memory-mib = <8>; cpus = <1>; kernel = /incbin/(\"@" name "\"); " text)

static void test_wrong_kernels(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {IN_VM("memory-mib = <64>; cpus = <1>;"),
         WEB "\"kernel\": is missing (it has to be there, or kernel-file)"},
        {WITH_KERNEL("gz", ""),
         WEB "\"kernel\": is compressed with gzip (it has to be unpacked: gunzip)"},
        {WITH_KERNEL("xz", ""),
         WEB "\"kernel\": is compressed with xz or zstd (it has to be unpacked)"},
        {WITH_KERNEL("zst", ""),
         WEB "\"kernel\": is compressed with xz or zstd (it has to be unpacked)"},
        {WITH_KERNEL("elf", ""), WEB "\"kernel\": is an ELF file (it has to be an arm64 Image or a "
                                     "raw binary: objcopy -O binary)"},
        {WITH_KERNEL("zimg", ""), WEB "\"kernel\": is a self-extracting EFI image (it has to be "
                                      "the plain arm64 Image)"},
        {WITH_KERNEL("pe", ""),
         WEB "\"kernel\": begins like an Image, but the magic at byte 56 is not ARM\\x64 (it has "
             "to be an arm64 Image or a raw binary)"},
        {WITH_KERNEL("image-old", ""), WEB "\"kernel\": has image_size 0 in its Image header (it "
                                           "has to be Linux 3.17 or later)"},
        {WITH_KERNEL("image-small", ""),
         WEB "\"kernel\": has image_size 4095 in its Image header (it has to be the file's 4096 "
             "bytes or more)"},
        {WITH_KERNEL("image-be", ""),
         WEB "\"kernel\": is a big-endian Image (it has to be little-endian)"},
        {WITH_KERNEL("image", "load-offset = <0x80000>;"),
         WEB "\"load-offset\": is there, but the kernel has an Image header, which says where it "
             "goes (it has to be left out)"},
    };
    check_wrong(cases, ARRAY_SIZE(cases));
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    static const char *const sources[] = {
        WITH_KERNEL("image-huge", ""),
        WITH_KERNEL("image-far", ""),
        WITH_KERNEL("raw", "load-offset = <0x800000>;"),
        WITH_KERNEL("raw", "load-offset = <0x3f 0x0>;"),
        WITH_KERNEL("raw", "load-offset = <0x7ff000>;"),
        IN_VM("memory-mib = <4>; cpus = <1>; kernel = /incbin/(\"@image\");"
              "ramdisk = /incbin/(\"@ramdisk\");"),
        IN_VM("memory-mib = <4>; cpus = <1>; kernel = /incbin/(\"@raw\");"
              "ramdisk = /incbin/(\"@ramdisk\");"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        assert_true(parse(sources[i]) < 0);
        assert_non_null(strstr(message, WEB "\"memory-mib\": is "));
        assert_non_null(strstr(message, "too little for kernel"));
    }
    assert_int_equal(parse(WITH_KERNEL("image", "ramdisk = /incbin/(\"@ramdisk\");")), 0);
}

// The tree goes where it is wanted if nothing else of the loader's is there.
static void test_place_of_the_tree(void **state)
{
    (void)state;
    struct load_plan plan;
    static const char *const good[] = {
        WITH_KERNEL("raw", "load-offset = <0x10000>; device-tree-offset = <0>;"),
        WITH_KERNEL("raw", "load-offset = <0>; device-tree-offset = <0x1000>;"),
        WITH_KERNEL("raw", "load-offset = <0>; device-tree-offset = <0x7f0000>;"),
        WITH_KERNEL("raw", "device-tree-offset = <0x580000>; ramdisk = /incbin/(\"@ramdisk\");"),
    };
    static const uint64_t place[] = {0, 0x1000, 0x7f0000, 0x580000};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(parse(good[i]), 0);
        assert_int_equal(load_plan(&manifest.vm[0], &plan), 0);
        assert_int_equal(plan.dtb, place[i]);
    }
    static const char *const taken[] = {
        WITH_KERNEL("raw", "load-offset = <0xf000>; device-tree-offset = <0>;"),
        WITH_KERNEL("image", "device-tree-offset = <0x2ff000>;"),
        WITH_KERNEL("raw", "device-tree-offset = <0x57f000>; ramdisk = /incbin/(\"@ramdisk\");"),
        WITH_KERNEL("raw", "device-tree-offset = <0x3f1000>; ramdisk = /incbin/(\"@ramdisk\");"),
        WITH_KERNEL("raw", "device-tree-offset = <0x5f1000>; firmware = \"efi-runtime\";"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
        assert_true(parse(taken[i]) < 0);
        assert_non_null(strstr(message, "\"device-tree-offset\": is 0x"));
        assert_non_null(strstr(message, "where kernel, ramdisk or firmware lies"));
    }
    assert_true(parse(WITH_KERNEL("raw", "device-tree-offset = <0x7f1000>;")) < 0);
    assert_non_null(strstr(message, "too little for kernel"));
}

static void test_wrong_names(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {ROOT "vms { web,1 { " VM " }; }; };",
         "manifest: /vms/web,1: the VM's name has ',' in it (it has to be letters, digits, '.', "
         "'_' and '-')"},
        {ROOT "vms { abcdefghijklmnopqrstuvwxyz012345 { " VM " }; }; };",
         "manifest: /vms/abcdefghijklmnopqrstuvwxyz012345: the VM's name is 32 characters long "
         "(it has to be 1 to 31)"},
    };
    check_wrong(cases, ARRAY_SIZE(cases));
    assert_int_equal(parse(ROOT "vms { abcdefghijklmnopqrstuvwxyz01234 { " VM " }; }; };"), 0);
}

static void test_too_many_vms(void **state)
{
    (void)state;
    char source[8192] = ROOT "vms { ";
    for (int i = 0; i <= MANIFEST_MAX_VMS; i++) {
        size_t len = strlen(source);
        snprintf(source + len, sizeof(source) - len, "vm%d { %s };", i, VM);
    }
    strcat(source, " }; };");
    assert_true(parse(source) < 0);
    assert_string_equal(message,
                        "manifest: /vms/vm16: is one VM too many (there have to be at most 16)");
}

// dtc makes one of two; a hostile blob need not have been made by it.
static void rename_in_blob(char *blob, size_t size, const char *old, const char *new)
{
    assert_int_equal(strlen(old), strlen(new));
    for (size_t i = 0; i + strlen(old) < size; i++) {
        if (memcmp(blob + i, old, strlen(old) + 1) == 0) {
            memcpy(blob + i, new, strlen(new));
        }
    }
}

static void check_renamed(const char *source, const char *old, const char *new, const char *line)
{
    size_t size;
    char *blob = compile(source, &size);
    rename_in_blob(blob, size, old, new);
    assert_true(manifest_parse(blob, size, CPUS, NULL, &manifest, message, sizeof(message)) < 0);
    assert_string_equal(message, line);
    free(blob);
}

static void test_duplicates(void **state)
{
    (void)state;
    check_renamed(ROOT "vms { aaa { " VM "}; bbb { " VM "}; }; };", "bbb", "aaa",
                  "manifest: /vms/aaa: there are two VMs of this name (it has to be unique)");
    check_renamed(ROOT "vms { aaa { " VM "}; }; vmz { }; };", "vmz", "vms",
                  "manifest: /: node \"vms\" is there twice (it has to be there once)");
    check_renamed(IN_VM(VM "cpuz = <1>;"), "cpuz", "cpus",
                  WEB "\"cpus\": is there twice (it has to be there once)");
}

static void test_blobs_that_are_none(void **state)
{
    (void)state;
    size_t size;
    char *blob = compile(IN_VM(VM), &size);
    for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : 97) {
        char *part = malloc(cut + 1);
        memcpy(part, blob, cut);
        assert_true(manifest_parse(part, cut, CPUS, NULL, &manifest, message, sizeof(message)) < 0);
        assert_memory_equal(message, "manifest: /: is no device tree blob: ", 37);
        free(part);
    }
    char *shifted = malloc(size + 4);
    memcpy(shifted + 4, blob, size);
    assert_true(manifest_parse(shifted + 4, size, CPUS, NULL, &manifest, message, sizeof(message)) <
                0);
    assert_string_equal(message, "manifest: /: the blob is not 8-byte aligned");
    free(shifted);
    free(blob);
}

static void check_result(int err)
{
    if (err == 0) {
        assert_in_range(manifest.vm_count, 1, MANIFEST_MAX_VMS);
        return;
    }
    assert_non_null(memchr(message, '\0', sizeof(message)));
    assert_int_equal(strncmp(message, "manifest: ", 10), 0);
    for (const char *c = message; *c != '\0'; c++) {
        assert_in_range(*c, 0x20, 0x7e);
    }
}

// Every byte damaged in three ways: an error in one printable line, or a manifest.
static void test_damaged_bytes(void **state)
{
    (void)state;
    size_t size;
    uint8_t *blob = compile(ROOT "vms { a { " VM "bootargs = \"x\"; cpu-affinity = <1>;"
                                 "weight = <7>; }; b { " VM "}; }; };",
                            &size);
    static const uint8_t damage[] = {0xff, 0x01, 0x80};
    for (size_t i = 0; i < size; i++) {
        for (size_t k = 0; k < ARRAY_SIZE(damage); k++) {
            blob[i] ^= damage[k];
            check_result(
                manifest_parse(blob, size, CPUS, NULL, &manifest, message, sizeof(message)));
            blob[i] ^= damage[k];
        }
    }
    free(blob);
}

static void test_small_message_buffers(void **state)
{
    (void)state;
    size_t size;
    char *blob = compile(IN_VM(VM "cpu-affinity = <9>;"), &size);
    for (size_t room = 0; room < 120; room++) {
        char *text = malloc(room + 1);
        text[room] = 'x';
        assert_true(manifest_parse(blob, size, CPUS, NULL, &manifest, text, room) < 0);
        assert_int_equal(text[room], 'x');
        assert_true(room == 0 || strlen(text) < room);
        free(text);
    }
    free(blob);
}

static void test_long_bootargs(void **state)
{
    (void)state;
    char args[VM_BOOTARGS_MAX + 2], source[4096];
    memset(args, 'x', sizeof(args));
    args[VM_BOOTARGS_MAX + 1] = '\0';
    snprintf(source, sizeof(source), IN_VM(VM "bootargs = \"%s\";"), args);
    assert_true(parse(source) < 0);
    assert_string_equal(message, WEB "\"bootargs\": is 2048 characters long (it has to be at most "
                                     "2047)");
    args[VM_BOOTARGS_MAX] = '\0';
    snprintf(source, sizeof(source), IN_VM(VM "bootargs = \"%s\";"), args);
    assert_int_equal(parse(source), 0);
    assert_string_equal(manifest.vm[0].bootargs, args);
}

static int find_file(void *context, const char *name, struct blob *file)
{
    static const char ramdisk[] = "ramdisk";
    static char image[4096];
    (*(unsigned *)context)++;
    if (strcmp(name, "Image") == 0) {
        memcpy(image + 56, "ARM\x64", 4);
        memcpy(image + 16, "\0\x10", 2); // image_size 4096
        *file = (struct blob){image, sizeof(image)};
        return 0;
    }
    *file = (struct blob){ramdisk, strcmp(name, "empty") == 0 ? 0 : sizeof(ramdisk)};
    return strcmp(name, "ramdisk") == 0 || strcmp(name, "empty") == 0 ? 0 : ERR_NOENT;
}

#define BY_NAME "memory-mib = <64>; cpus = <2>; "

static void test_files(void **state)
{
    (void)state;
    unsigned asked = 0;
    const struct manifest_files given = {find_file, &asked};
    static const struct wrong cases[] = {
        {IN_VM(BY_NAME "kernel-file = \"vmlinuz\";"),
         WEB "\"kernel-file\": there is no file \"vmlinuz\" (it has to be beside the manifest)"},
        {IN_VM(VM "ramdisk-file = \"empty\";"), WEB "\"ramdisk-file\": \"empty\" is empty"},
        {IN_VM(VM "ramdisk-file = \"\";"),
         WEB "\"ramdisk-file\": is no file's name (it has to be one string: \"...\")"},
        {IN_VM(VM "ramdisk-file = <1>;"),
         WEB "\"ramdisk-file\": is no file's name (it has to be one string: \"...\")"},
        {IN_VM(VM "kernel-file = \"Image\";"),
         WEB "\"kernel-file\": is there, and kernel too (it has to be one of the two)"},
        {IN_VM(BY_NAME "kernel-file = \"Image\"; kernel = /incbin/(\"@image\");"),
         WEB "\"kernel\": is there, and kernel-file too (it has to be one of the two)"},
        {IN_VM(BY_NAME "kernel-file = \"Image\"; load-offset = <0>;"),
         WEB "\"load-offset\": is there, but the kernel has an Image header, which says where it "
             "goes (it has to be left out)"},
    };
    files = &given;
    int err = parse(IN_VM(BY_NAME "kernel-file = \"Image\"; ramdisk-file = \"ramdisk\";"));
    assert_string_equal(message, "");
    assert_int_equal(err, 0);
    assert_int_equal(asked, 2);
    assert_true(manifest.vm[0].kernel_is_image);
    assert_int_equal(manifest.vm[0].kernel.size, 4096);
    assert_memory_equal(manifest.vm[0].ramdisk.data, "ramdisk", 8);
    check_wrong(cases, ARRAY_SIZE(cases));
    files = NULL;
    assert_true(parse(IN_VM(BY_NAME "kernel-file = \"Image\";")) < 0);
    assert_string_equal(message,
                        WEB "\"kernel-file\": is \"Image\", but this machine's boot loader "
                            "gives no files (it has to be kernel = /incbin/)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_that_is_needed),
        cmocka_unit_test(test_all_properties),
        cmocka_unit_test(test_firmware),
        cmocka_unit_test(test_guestinfo),
        cmocka_unit_test(test_choices_and_defaults),
        cmocka_unit_test(test_wrong_roots),
        cmocka_unit_test(test_wrong_numbers),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_wrong_firmware),
        cmocka_unit_test(test_wrong_tools),
        cmocka_unit_test(test_wrong_kernels),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_place_of_the_tree),
        cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_too_many_vms),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_blobs_that_are_none),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_small_message_buffers),
        cmocka_unit_test(test_long_bootargs),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
