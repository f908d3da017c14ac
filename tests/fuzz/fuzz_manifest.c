// SPDX-License-Identifier: Apache-2.0
// The manifest's reader: whatever the blob, either VMs within their bounds or one printable line.
#include "lib/bits.h"
#include "tree.h"
#include "vm/load.h"
#include "vm/manifest.h"

#include <stdio.h>

#define CPUS 6

static const char *const paths[] = {"/",      "/vms",     "/vms/a",          "/vms/b",
                                    "/vms/c", "/vms/a/b", "/vms/a/guestinfo"};
static const char *const names[] = {
    "compatible",  "on-last-exit", "memory-mib", "cpus",      "kernel",  "ramdisk", "bootargs",
    "load-offset", "cpu-affinity", "weight",     "autostart", "unknown", "a",       "b",
    "guestinfo",   "guest-tools",  "c",          "vms",       "x@1",     "",
};
static const char *const strings[] = {
    "newel,manifest-1", "poweroff", "monitor", "yes",    "no", "",
    "console=ttyAMA0",  "\x1f\x8b", "MZ",      "vmware",
};
static const struct dictionary dictionary = {WORDS(paths), WORDS(names), WORDS(strings)};

static void add_image(void *fdt)
{
    static uint8_t image[128] = "MZ";
    image[18] = 0x10; // image_size 1 MiB
    memcpy(image + 56, "ARM\x64", 4);
    fdt_property(fdt, "kernel", image, sizeof(image));
}

static void add_vm(void *fdt, const char *name)
{
    static const fdt32_t cpus[] = {0, 0x01000000};
    fdt_begin_node(fdt, name);
    fdt_property_u32(fdt, "memory-mib", 16);
    fdt_property_u32(fdt, "cpus", 2);
    add_image(fdt);
    fdt_property(fdt, "ramdisk", "1234567", 8);
    fdt_property_string(fdt, "bootargs", "quiet");
    fdt_property(fdt, "cpu-affinity", cpus, sizeof(cpus));
    fdt_property_u32(fdt, "weight", 7);
    fdt_property_string(fdt, "autostart", "yes");
    fdt_property_string(fdt, "pmu", "on");
    fdt_property_string(fdt, "guest-tools", "vmware");
    fdt_begin_node(fdt, "guestinfo");
    fdt_property_string(fdt, "a", "b");
    fdt_end_node(fdt);
    fdt_end_node(fdt);
}

static const void *good_manifest(void)
{
    static uint64_t fdt[512];
    if (fdt[0] == 0) {
        fdt_create(fdt, sizeof(fdt));
        fdt_finish_reservemap(fdt);
        fdt_begin_node(fdt, "");
        fdt_property_string(fdt, "compatible", "newel,manifest-1");
        fdt_begin_node(fdt, "vms");
        add_vm(fdt, "a");
        add_vm(fdt, "b");
        fdt_end_node(fdt);
        fdt_end_node(fdt);
        if (fdt_finish(fdt) != 0) {
            abort();
        }
    }
    return fdt;
}

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static uint8_t sum(const struct blob *b)
{
    uint8_t s = 0;
    for (size_t i = 0; i < b->size; i++) {
        s = (uint8_t)(s + ((const uint8_t *)b->data)[i]);
    }
    return s;
}

static void check_vm(const struct vm_config *c)
{
    struct load_plan plan;
    require(c->cpus >= 1 && c->cpus <= VM_MAX_VCPUS, "cpus");
    require(c->memory != 0 && is_aligned(c->memory, BLOCK_SIZE), "memory");
    require(c->weight >= 1 && c->weight <= 10000, "weight");
    require(c->affinity == UINT32_MAX || (c->affinity != 0 && c->affinity < BIT(CPUS)), "affinity");
    require(strlen(c->name) >= 1 && strlen(c->name) <= VM_NAME_MAX, "name");
    require(strlen(c->bootargs) <= VM_BOOTARGS_MAX, "bootargs");
    require(c->kernel.size > 0 && sum(&c->kernel) + sum(&c->ramdisk) >= 0, "files");
    require(load_plan(c, &plan) == 0, "plan");
    require(c->guestinfo_count == 0 || c->guest_tools, "guestinfo");
    for (unsigned i = 0; i < c->guestinfo_count; i++) {
        require(sum(&c->guestinfo[i].value) + strlen(c->guestinfo[i].name) > 0, "guestinfo");
        require(c->guestinfo[i].value.size > 0, "guestinfo");
    }
    require(plan.kernel <= c->memory && c->kernel.size <= c->memory - plan.kernel, "kernel");
    require(plan.dtb <= c->memory && DTB_SIZE <= c->memory - plan.dtb, "device tree");
    require(plan.dtb >= plan.kernel + c->kernel.size || plan.dtb + DTB_SIZE <= plan.kernel,
            "device tree in kernel");
    require(c->ramdisk.size == 0 || plan.ramdisk + c->ramdisk.size <= plan.dtb ||
                plan.dtb + DTB_SIZE <= plan.ramdisk,
            "device tree in ramdisk");
    require(c->ramdisk.size <= c->memory &&
                (c->ramdisk.size == 0 || plan.ramdisk <= c->memory - c->ramdisk.size),
            "ramdisk");
}

static void check_message(const char *message)
{
    require(strncmp(message, "manifest: ", 10) == 0, "message");
    for (const char *c = message; *c != '\0'; c++) {
        require(*c >= 0x20 && *c <= 0x7e, "printable message");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct manifest m;
    char message[256] = "";
    size_t blob_size;
    void *blob = fuzzed_tree(good_manifest(), (struct input){data, size}, &dictionary, &blob_size);
    if (manifest_parse(blob, blob_size, CPUS, NULL, &m, message, sizeof(message)) != 0) {
        check_message(message);
    } else {
        require(m.vm_count >= 1 && m.vm_count <= MANIFEST_MAX_VMS, "count of VMs");
        for (size_t i = 0; i < m.vm_count; i++) {
            check_vm(&m.vm[i]);
        }
    }
    free(blob);
    return 0;
}
