// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/platform.h"
#include "dts.h"
#include "irq/vgic.h"
#include "lib/error.h"
#include "vm/guest_fdt.h"

#include <libfdt.h>

static struct vm_config config = {
    .memory = UINT64_C(6) << 30,
    .cpus = 4,
    .bootargs = "console=ttyAMA0 quiet",
};

static struct guest_fdt_params params = {
    .config = &config,
    .mpidr = {0x80000000, 0x80000001, 0x80000002, 0x80000003}, // RES1 and all
    .ramdisk_start = 0x48000000,
    .ramdisk_end = 0x48123456,
    .kaslr_seed = UINT64_C(0x123456789abcdef0),
    .rng_seed = {1, 2, 3, 4},
    .has_rng_seed = true,
};

static uint64_t buffer[0x1000];
static const void *fdt = buffer;

static int build(const struct guest_fdt_params *p)
{
    memset(buffer, 0xa5, sizeof(buffer));
    int size = guest_fdt_build(buffer, sizeof(buffer), p);
    assert_true(size > 0);
    assert_int_equal(fdt_check_full(fdt, (size_t)size), 0);
    assert_int_equal(fdt_totalsize(fdt), size);
    return size;
}

// A VM that is hardened against detection is not told whose it is.
static void test_name(void **state)
{
    (void)state;
    build(&params);
    assert_int_equal(fdt_node_check_compatible(fdt, 0, "newel,vm"), 0);
    assert_int_equal(fdt_node_check_compatible(fdt, 0, "linux,dummy-virt"), 0);
    config.hardened = true;
    build(&params);
    config.hardened = false;
    assert_int_equal(fdt_node_check_compatible(fdt, 0, "newel,vm"), 1);
    assert_int_equal(fdt_node_check_compatible(fdt, 0, "linux,dummy-virt"), 0);
    assert_string_equal(fdt_getprop(fdt, 0, "model", NULL), "linux,dummy-virt");
}

static int node_at(const char *path)
{
    int node = fdt_path_offset(fdt, path);
    assert_true(node >= 0);
    return node;
}

static void check_cells(const char *path, const char *name, const uint32_t *cells, int count)
{
    int len;
    const fdt32_t *prop = fdt_getprop(fdt, node_at(path), name, &len);
    assert_non_null(prop);
    assert_int_equal(len, 4 * count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(fdt32_to_cpu(prop[i]), cells[i]);
    }
}

#define CHECK_CELLS(path, name, ...)                         \
    check_cells(path, name, (const uint32_t[]){__VA_ARGS__}, \
                sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void check_string(const char *path, const char *name, const char *value)
{
    int len;
    const char *prop = fdt_getprop(fdt, node_at(path), name, &len);
    assert_non_null(prop);
    assert_string_equal(prop, value);
    assert_int_equal(len, strlen(value) + 1);
}

static void test_memory_and_chosen(void **state)
{
    (void)state;
    build(&params);
    CHECK_CELLS("/memory@40000000", "reg", 0, 0x40000000, 1, 0x80000000);
    check_string("/memory@40000000", "device_type", "memory");
    check_string("/chosen", "bootargs", "console=ttyAMA0 quiet");
    check_string("/chosen", "stdout-path", "/pl011@9000000");
    check_string("/aliases", "serial0", "/pl011@9000000");
    CHECK_CELLS("/chosen", "linux,initrd-start", 0, 0x48000000);
    CHECK_CELLS("/chosen", "linux,initrd-end", 0, 0x48123456);
    CHECK_CELLS("/chosen", "kaslr-seed", 0x12345678, 0x9abcdef0);
    int len;
    const void *seed = fdt_getprop(fdt, node_at("/chosen"), "rng-seed", &len);
    assert_int_equal(len, 32);
    assert_memory_equal(seed, params.rng_seed, 32);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct vm_config plain = {.memory = 4 << 20, .cpus = 1, .bootargs = ""};
    build(&(struct guest_fdt_params){.config = &plain});
    static const char *const names[] = {"linux,initrd-start", "linux,initrd-end", "kaslr-seed",
                                        "rng-seed"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_null(fdt_getprop(fdt, node_at("/chosen"), names[i], NULL));
    }
    check_string("/chosen", "bootargs", "");
}

static void test_pmu(void **state)
{
    (void)state;
    build(&params);
    assert_true(fdt_path_offset(fdt, "/pmu") < 0);
    struct guest_fdt_params with = params;
    with.has_pmu = true;
    build(&with);
    check_string("/pmu", "compatible", "arm,armv8-pmuv3");
    CHECK_CELLS("/pmu", "interrupts", 1, 7, 4);
}

static void test_cpus(void **state)
{
    (void)state;
    build(&params);
    CHECK_CELLS("/cpus/cpu@0", "reg", 0, 0);
    CHECK_CELLS("/cpus/cpu@3", "reg", 0, 3);
    check_string("/cpus/cpu@3", "enable-method", "psci");
    check_string("/cpus/cpu@3", "device_type", "cpu");
    assert_true(fdt_path_offset(fdt, "/cpus/cpu@4") < 0);
    check_string("/psci", "method", "hvc");
    assert_int_equal(fdt_node_check_compatible(fdt, node_at("/psci"), "arm,psci-1.0"), 0);
    assert_int_equal(fdt_node_check_compatible(fdt, node_at("/psci"), "arm,psci-0.2"), 0);
}

static void test_gicv2(void **state)
{
    (void)state;
    struct guest_fdt_params with = params;
    with.gicv2 = true;
    build(&with);
    check_string("/intc@8000000", "compatible", "arm,cortex-a15-gic");
    CHECK_CELLS("/intc@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
    assert_null(fdt_getprop(fdt, node_at("/intc@8000000"), "#redistributor-regions", NULL));
    CHECK_CELLS("/timer", "interrupts", 1, 13, 0xf04, 1, 14, 0xf04, 1, 11, 0xf04, 1, 10, 0xf04);
}

static void test_interrupts(void **state)
{
    (void)state;
    build(&params);
    assert_int_equal(fdt_node_check_compatible(fdt, node_at("/intc@8000000"), "arm,gic-v3"), 0);
    CHECK_CELLS("/intc@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x80000);
    CHECK_CELLS("/intc@8000000", "#interrupt-cells", 3);
    CHECK_CELLS("/timer", "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    CHECK_CELLS("/pl011@9000000", "interrupts", 0, 1, 4);
    CHECK_CELLS("/pl011@9000000", "reg", 0, 0x9000000, 0, 0x1000);
    CHECK_CELLS("/pl031@9010000", "interrupts", 0, 2, 4);
    CHECK_CELLS("/pl031@9010000", "reg", 0, 0x9010000, 0, 0x1000);
    uint32_t gic = fdt_get_phandle(fdt, node_at("/intc@8000000"));
    CHECK_CELLS("/", "interrupt-parent", gic);
    uint32_t clock = fdt_get_phandle(fdt, node_at("/apb-pclk"));
    CHECK_CELLS("/pl011@9000000", "clocks", clock, clock);
    CHECK_CELLS("/pl031@9010000", "clocks", clock);
}

static void test_largest(void **state)
{
    (void)state;
    char args[VM_BOOTARGS_MAX + 1];
    memset(args, 'a', VM_BOOTARGS_MAX);
    args[VM_BOOTARGS_MAX] = '\0';
    struct vm_config big = {.memory = UINT64_C(255) << 30, .cpus = VM_MAX_VCPUS, .bootargs = args};
    struct guest_fdt_params p = params;
    p.config = &big;
    for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
        p.mpidr[i] = i;
    }
    assert_in_range(build(&p), 2048, 8192);
    CHECK_CELLS("/cpus/cpu@f", "reg", 0, 15);
    CHECK_CELLS("/memory@40000000", "reg", 0, 0x40000000, 0x3f, 0xc0000000);
    CHECK_CELLS("/intc@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x200000);
}

// Every size that is too small says so and leaves what follows alone.
static void test_small_buffers(void **state)
{
    (void)state;
    int needed = build(&params);
    for (int size = 0; size < needed + 64; size += 4) {
        uint64_t *exact = malloc((size_t)size + 1);
        int result = guest_fdt_build(exact, (size_t)size, &params);
        assert_int_equal(result, result > 0 ? needed : ERR_RANGE);
        assert_true(result < 0 || size >= needed);
        free(exact);
    }
}

// Newel's own reader understands it, up to the interrupt controller that has nothing for VMs.
static void test_read_back(void **state)
{
    (void)state;
    static struct platform p;
    char message[200];
    int size = build(&params);
    assert_true(platform_from_fdt(fdt, (size_t)size, 0, &p, message, sizeof(message)) < 0);
    assert_string_equal(message, "device tree: /intc@8000000: no maintenance interrupt (a private "
                                 "one in interrupts)");
    assert_int_equal(p.uart.type, UART_PL011);
    assert_int_equal(p.uart.base.v, 0x9000000);
    assert_int_equal(p.ram[0].size, config.memory);
    assert_int_equal(p.initrd.size, 0x123456);
}

// dtc, which checks addresses, phandles and cells, finds nothing to warn about.
static void test_dtc_is_content(void **state)
{
    (void)state;
    int size = build(&params);
    char dtb[] = "/tmp/newel-unit-XXXXXX", command[200], line[256];
    close(mkstemp(dtb));
    write_whole_file(dtb, buffer, (size_t)size);
    snprintf(command, sizeof(command), "dtc -I dtb -O dts -o /dev/null %s 2>&1", dtb);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    while (fgets(line, sizeof(line), out) != NULL) {
        fail_msg("dtc: %s", line);
    }
    assert_int_equal(pclose(out), 0);
    unlink(dtb);
}

// Linux takes any node but these for a description of the machine.
static void test_stub(void **state)
{
    (void)state;
    struct vm_config acpi = config;
    struct guest_fdt_params p = params;
    acpi.tables = TABLES_ACPI;
    acpi.guest_tools = true;
    p.config = &acpi;
    p.efi = (struct firmware_handover){0x4fe20000, 0x4fe10000, 480, 40};
    build(&p);
    int node = fdt_first_subnode(fdt, 0);
    assert_string_equal(fdt_get_name(fdt, node, NULL), "chosen");
    assert_true(fdt_next_subnode(fdt, node) < 0);
    assert_null(fdt_getprop(fdt, node, "stdout-path", NULL));
    check_string("/chosen", "bootargs", config.bootargs);
    CHECK_CELLS("/chosen", "linux,initrd-start", 0, 0x48000000);
    CHECK_CELLS("/chosen", "linux,uefi-system-table", 0, 0x4fe20000);
    CHECK_CELLS("/chosen", "linux,uefi-mmap-start", 0, 0x4fe10000);
    CHECK_CELLS("/chosen", "linux,uefi-mmap-size", 480);
    CHECK_CELLS("/chosen", "linux,uefi-mmap-desc-size", 40);
    CHECK_CELLS("/chosen", "linux,uefi-mmap-desc-ver", 1);
    CHECK_CELLS("/chosen", "linux,uefi-secure-boot", 2);
}

static void test_spin_table(void **state)
{
    (void)state;
    struct vm_config spin = config;
    struct guest_fdt_params p = params;
    uint64_t at, size;
    spin.cpu_boot = CPU_BOOT_SPIN_TABLE;
    p.config = &spin;
    p.mailboxes = UINT64_C(0x1bfe40000);
    build(&p);
    assert_true(fdt_path_offset(fdt, "/psci") < 0);
    check_string("/cpus/cpu@3", "enable-method", "spin-table");
    CHECK_CELLS("/cpus/cpu@3", "cpu-release-addr", 1, 0xbfe43f00);
    assert_int_equal(fdt_num_mem_rsv(fdt), 1);
    assert_int_equal(fdt_get_mem_rsv(fdt, 0, &at, &size), 0);
    assert_int_equal(at, p.mailboxes);
    assert_int_equal(size, 4 * 4096);
    assert_null(fdt_getprop(fdt, node_at("/chosen"), "linux,uefi-system-table", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stub),
        cmocka_unit_test(test_spin_table),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_memory_and_chosen),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_pmu),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_gicv2),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_small_buffers),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_dtc_is_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
