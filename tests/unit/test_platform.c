// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/platform.h"
#include "dts.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <libfdt.h>

#define QEMU "build/qemu/qemu-system-aarch64"

static struct platform p;
static char message[300];

// A board that QEMU is not: devices behind a bus with ranges, two memory nodes, an alias with
// options, interrupts by name and extended, 32-bit initrd cells, a CPU in another cluster.
static const char board[] =
    "/dts-v1/; /memreserve/ 0x80000000 0x10000; / {\n"
    "#address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;\n"
    "aliases { serial2 = \"/soc/bus@1000/serial@200\"; };\n"
    "chosen { stdout-path = \"serial2:115200n8\";\n"
    "  linux,initrd-start = <0x88000000>; linux,initrd-end = <0x88345678>; };\n"
    "memory@80000000 { device_type = \"memory\";\n"
    "  reg = <0 0x80000000 0 0x40000000>, <8 0x80000000 1 0>; };\n"
    "memory@900000000 { device_type = \"memory\"; reg = <0xa 0 0 0x10000000>; status = \"okay\"; "
    "};\n"
    "memory@f00000000 { device_type = \"memory\"; reg = <0xf 0 1 0>; status = \"disabled\"; };\n"
    "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;\n"
    "  fw@81000000 { reg = <0 0x81000000 0 0x1000>, <0 0x82000000 0 0x2000>; no-map; };\n"
    "  cma { size = <0 0x1000000>; };\n"
    "  off@83000000 { reg = <0 0x83000000 0 0x1000>; status = \"disabled\"; }; };\n"
    "cpus { #address-cells = <2>; #size-cells = <0>;\n"
    "  cpu-map { };\n"
    "  cpu@0 { device_type = \"cpu\"; reg = <0 0>; enable-method = \"psci\"; };\n"
    "  cpu@1 { device_type = \"cpu\"; reg = <0 1>; enable-method = \"psci\"; status = \"fail\"; "
    "};\n"
    "  cpu@100 { device_type = \"cpu\"; reg = <0 0x100>; enable-method = \"psci\"; };\n"
    "  cpu@100000100 { device_type = \"cpu\"; reg = <1 0x100>; enable-method = \"psci\"; }; };\n"
    "psci { compatible = \"arm,psci-0.2\"; method = \"smc\"; };\n"
    "timer { compatible = \"arm,armv8-timer\";\n"
    "  interrupt-names = \"virt\", \"hyp-phys\", \"phys\";\n"
    "  interrupts-extended = <&gic 1 11 8 0>, <&gic 1 10 8 0>, <&gic 1 14 8 0>; };\n"
    "pmu { compatible = \"arm,cortex-a72-pmu\", \"arm,armv8-pmuv3\";\n"
    "  interrupts-extended = <&gic 1 7 4 0>; };\n"
    "soc { #address-cells = <1>; #size-cells = <1>; compatible = \"simple-bus\";\n"
    "  ranges = <0x10000000 0 0x10000000 0x1000000>, <0x40000000 1 0x40000000 0x10000000>;\n"
    "  bus@1000 { #address-cells = <1>; #size-cells = <1>; compatible = \"simple-bus\";\n"
    "    ranges = <0 0x40001000 0x10000>;\n"
    "    serial@200 { compatible = \"vendor,uart\", \"arm,pl011\"; reg = <0x200 0x1000>;\n"
    "      interrupts = <0 5 1 0>; };\n"
    "    serial@1200 { compatible = \"arm,pl011\"; reg = <0x1200 0x1000>; };\n"
    "    rtc@3000 { compatible = \"arm,pl031\"; reg = <0x3000 0x1000>; }; };\n"
    "  gic: intc@10000000 { compatible = \"arm,gic-v3\"; #interrupt-cells = <4>;\n"
    "    interrupt-controller; #redistributor-regions = <2>; redistributor-stride = <0x40000>;\n"
    "    reg = <0x10000000 0x10000>, <0x10040000 0x80000>, <0x10100000 0x40000>;\n"
    "    interrupts = <1 9 4 0>; };\n"
    "}; };\n";

static int parse_as(const char *source, uint64_t boot_mpidr)
{
    size_t size;
    void *blob = compile_dts(source, &size);
    memset(&p, 0xa5, sizeof(p));
    memset(message, 0, sizeof(message));
    int err = platform_from_fdt(blob, size, boot_mpidr, &p, message, sizeof(message));
    if (err == 0) { // the blob's own reservation differs from run to run
        size_t i = 0;
        while (i < p.reserved_count && p.reserved[i].base != (uintptr_t)blob) {
            i++;
        }
        assert_true(i < p.reserved_count);
        assert_int_equal(p.reserved[i].size, size);
    }
    free(blob);
    return err;
}

static void check_region(const struct mem_region *r, uint64_t base, uint64_t size)
{
    assert_int_equal(r->base, base);
    assert_int_equal(r->size, size);
}

static void test_board_memory(void **state)
{
    (void)state;
    int err = parse_as(board, 0x80000100);
    assert_string_equal(message, "");
    assert_int_equal(err, 0);
    assert_int_equal(p.ram_count, 3);
    check_region(&p.ram[0], 0x80000000, 0x40000000);
    check_region(&p.ram[1], 0x880000000, 0x100000000);
    check_region(&p.ram[2], 0xa00000000, 0x10000000);
    assert_int_equal(p.reserved_count, 5);
    check_region(&p.reserved[0], 0x80000000, 0x10000);
    check_region(&p.reserved[1], 0x81000000, 0x1000);
    check_region(&p.reserved[2], 0x82000000, 0x2000);
    check_region(&p.reserved[3], 0x88000000, 0x345678);
    check_region(&p.initrd, 0x88000000, 0x345678);
}

static void test_board_cpus(void **state)
{
    (void)state;
    assert_int_equal(parse_as(board, 0x81000100), 0); // UP/RES1 and MT bits are no affinity
    assert_int_equal(p.cpu_count, 3);
    assert_int_equal(p.cpu[0].mpidr, 0x100);
    assert_int_equal(p.cpu[1].mpidr, 0);
    assert_int_equal(p.cpu[2].mpidr, 0x100000100);
    assert_int_equal(p.cpus_ignored, 0);
    assert_true(p.has_psci);
    assert_false(p.psci_hvc);
    assert_int_equal(p.cpu[1].start.method, CPU_PSCI_SMC);
    assert_int_equal(p.cpu[2].start.method, CPU_PSCI_SMC);
}

#define METHOD "reg = <0 0x100>; enable-method = \"psci\""

// How the board's CPU 0x100 is started when one thing is another.
static struct cpu_start start_with(const char *old, const char *new)
{
    char *tree = replace(board, old, new);
    assert_int_equal(parse_as(tree, 0), 0);
    free(tree);
    assert_int_equal(p.cpu[1].mpidr, 0x100);
    return p.cpu[1].start;
}

static void assert_unknown(const char *old, const char *new, const char *name)
{
    struct cpu_start s = start_with(old, new);
    assert_int_equal(s.method, CPU_UNKNOWN);
    assert_string_equal(cpu_method_name(&s), name);
}

static void test_methods(void **state)
{
    (void)state;
    assert_int_equal(start_with("\"smc\"", "\"hvc\"").method, CPU_PSCI_HVC);
    assert_unknown("arm,psci-0.2", "arm,psci", "psci");
    assert_unknown(METHOD, "reg = <0 0x100>", "none");
    assert_unknown(METHOD, "reg = <0 0x100>; enable-method = <0x61626364>", "none");
    assert_unknown(METHOD, "reg = <0 0x100>; enable-method = \"vendor,smp-of-a-name-that-is-long\"",
                   "vendor,smp-of-a-name-that-is-lo");
    assert_unknown(METHOD, "reg = <0 0x100>; enable-method = \"spin-table\"", "spin-table");
    assert_unknown(METHOD,
                   "reg = <0 0x100>; enable-method = \"spin-table\"; cpu-release-addr = <0 0xdc>",
                   "spin-table");
    assert_unknown(
        METHOD,
        "reg = <0 0x100>; enable-method = \"spin-table\"; cpu-release-addr = <0x10000 0xd8>",
        "spin-table");
    assert_unknown(METHOD, "reg = <0 0x100>; enable-method = \"brcm,bcm2836-smp\"",
                   "brcm,bcm2836-smp"); // no such registers here
}

static void test_spin_table(void **state)
{
    (void)state;
    struct cpu_start s = start_with(
        METHOD, "reg = <0 0x100>; enable-method = \"spin-table\"; cpu-release-addr = <0 0xd8>");
    assert_int_equal(s.method, CPU_SPIN_TABLE);
    assert_int_equal(s.address, 0xd8);
    assert_int_equal(p.reserved_count, 5 + 1); // the page is nobody's RAM
    bool kept = false;
    for (size_t i = 0; i < p.reserved_count; i++) {
        kept |= p.reserved[i].base == 0 && p.reserved[i].size == 0x1000;
    }
    assert_true(kept);
    s = start_with(METHOD, // where memory is reserved already
                   "reg = <0 0x100>; enable-method = \"spin-table\"; "
                   "cpu-release-addr = <0 0x8000fff8>");
    assert_int_equal(s.address, 0x8000fff8);
    assert_int_equal(p.reserved_count, 5);
}

// One method for all of them, and registers behind a bus.
static void test_board_method(void **state)
{
    (void)state;
    char *tree = replace(board, METHOD, "reg = <0 0x100>");
    char *with = replace(tree, "cpus {", "cpus { enable-method = \"brcm,bcm2836-smp\"; ");
    char *both = replace(with, "    rtc@3000 {",
                         "l1@4000 { compatible = \"brcm,bcm2836-l1-intc\"; "
                         "reg = <0x4000 0x100>; }; rtc@3000 {");
    assert_int_equal(parse_as(both, 0), 0);
    assert_int_equal(p.cpu[1].start.method, CPU_BOARD);
    assert_int_equal(p.cpu[1].start.address, 0x140005000);
    assert_string_equal(cpu_method_name(&p.cpu[1].start), "brcm,bcm2836-smp");
    assert_int_equal(p.cpu[2].start.method, CPU_PSCI_SMC);
    free(tree);
    free(with);
    free(both);
}

static void test_board_devices(void **state)
{
    (void)state;
    assert_int_equal(parse_as(board, 0), 0);
    assert_int_equal(p.gic.dist.v, 0x10000000);
    assert_int_equal(p.gic.dist_size, 0x10000);
    assert_int_equal(p.gic.rdist_count, 2);
    assert_int_equal(p.gic.rdist[0].base.v, 0x10040000);
    assert_int_equal(p.gic.rdist[1].base.v, 0x10100000);
    assert_int_equal(p.gic.rdist[1].size, 0x40000);
    assert_int_equal(p.gic.rdist_stride, 0x40000);
    assert_int_equal(p.gic.ppi.maintenance, 25);
    assert_int_equal(p.gic.ppi.virtual_timer, 27);
    assert_int_equal(p.gic.ppi.el2_timer, 26);
    assert_int_equal(p.gic.ppi.physical_timer, 30);
    assert_int_equal(p.gic.ppi.pmu, 23);
    assert_int_equal(p.uart.type, UART_PL011);
    assert_int_equal(p.uart.base.v, 0x140001200);
    assert_int_equal(p.uart.size, 0x1000);
    assert_int_equal(p.uart.intid, 37);
    assert_false(p.uart.level);
    assert_int_equal(p.rtc.v, 0x140004000);
}

struct change {
    const char *old, *new, *line;
};

static void check_changes(const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *source = replace(board, changes[i].old, changes[i].new);
        int err = parse_as(source, 0);
        free(source);
        assert_string_equal(message, changes[i].line);
        assert_true(err < 0);
    }
}

static void test_wrong_memory(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {"<0 0x80000000 0 0x40000000>, <8 0x80000000 1 0>", "<0 0x80000000 0>",
         "device tree: /memory@80000000: its reg cannot be read"},
        {"<8 0x80000000 1 0>", "<0 0xbffff000 0 0x2000>",
         "device tree: /memory@80000000: memory at 0xbffff000 overlaps other memory"},
        {"<8 0x80000000 1 0>", "<0xffffffff 0 1 0>",
         "device tree: /memory@80000000: memory at 0xffffffff00000000 wraps around"},
        {"<8 0x80000000 1 0>", "<1 0x40000000 0 0x100000>",
         "device tree: memory at 0x140000000, 0x100000 bytes, has the GIC, the UART or the RTC in "
         "it"},
        {"<8 0x80000000 1 0>", "<0 0x10050000 0 0x1000>",
         "device tree: memory at 0x10050000, 0x1000 bytes, has the GIC, the UART or the RTC in it"},
        {"fw@81000000 { reg = <0 0x81000000 0 0x1000>, <0 0x82000000 0 0x2000>",
         "fw@81000000 { reg = <0 0x81000000 0>",
         "device tree: /reserved-memory/fw@81000000: its reg cannot be read"},
        {"initrd-end = <0x88345678>", "initrd-end = <0x87000000>",
         "device tree: /chosen: initrd 0x88000000 to 0x87000000 is not within memory"},
        {"initrd-end = <0x88345678>", "initrd-end = <0 0xc0000001>",
         "device tree: /chosen: initrd 0x88000000 to 0xc0000001 is not within memory"},
    };
    check_changes(changes, ARRAY_SIZE(changes));
    char *none = replace(board, "\"memory\"", "\"memry\""), *rest = none;
    none = replace(rest, "\"memory\"", "\"memry\"");
    free(rest);
    assert_true(parse_as(none, 0) < 0);
    free(none);
    assert_string_equal(message, "device tree: no memory (a node with device_type \"memory\")");
}

#define CHOSEN "chosen { "

static void test_command_line(void **state)
{
    static const struct {
        const char *words;
        bool off;
    } lines[] = {
        {"", false},
        {"newel.bhb=off", true},
        {"quiet newel.bhb=off x=1", true},
        {"newel.bhb=on ", false},
        {"  console=newel.bhb=off", false},
        {"newel", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char chosen[80];
        snprintf(chosen, sizeof(chosen), CHOSEN "bootargs = \"%s\"; ", lines[i].words);
        char *tree = replace(board, CHOSEN, chosen);
        assert_int_equal(parse_as(tree, 0), 0);
        assert_int_equal(p.bhb_off, lines[i].off);
        free(tree);
    }
    static const struct change wrong[] = {
        {CHOSEN, CHOSEN "bootargs = \"a newel.bhb=no b\"; ",
         "device tree: /chosen: bootargs: newel.bhb=no is unknown (it has to be newel.bhb=off or "
         "=on)"},
        {CHOSEN, CHOSEN "bootargs = \"newel.x\"; ",
         "device tree: /chosen: bootargs: newel.x is unknown (it has to be newel.bhb=off or =on)"},
    };
    check_changes(wrong, ARRAY_SIZE(wrong));
}

static void test_wrong_cpus(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {"cpus {", "cpuz {", "device tree: no CPUs (/cpus)"},
        {"reg = <0 0>;", "reg = <0 7>;",
         "device tree: /cpus: the CPU that Newel booted on (MPIDR 0x0) is not there"},
        {"reg = <0 0x100>;", "reg = <0 0>;",
         "device tree: /cpus/cpu@100: there are two CPUs with reg 0x0"},
        {"reg = <0 0x100>;", "reg = <0x100>;",
         "device tree: /cpus/cpu@100: its reg cannot be read"},
        {"reg = <0 0x100>;", "reg = <0 0x1000000>;",
         "device tree: /cpus/cpu@100: reg 0x1000000 is no MPIDR affinity"},
        {"\"smc\"", "\"svc\"", "device tree: /psci: PSCI method is neither \"smc\" nor \"hvc\""},
    };
    check_changes(changes, ARRAY_SIZE(changes));
}

#define INTC "device tree: /soc/intc@10000000: "

static void test_wrong_gic(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {"arm,gic-v3", "brcm,bcm2836-l1-intc",
         "device tree: no GICv3 or GICv2 (compatible \"arm,gic-v3\" or \"arm,gic-400\"): found "
         "\"brcm,bcm2836-l1-intc\" at /soc/intc@10000000"},
        {"#interrupt-cells = <4>", "#interrupt-cells = <1>",
         INTC "#interrupt-cells is 1 (it has to be 3 or 4)"},
        {"reg = <0x10000000 0x10000>, ", "reg = <0x10000000 0x1000>, ",
         INTC "reg has no distributor, or one that cannot be"},
        {"reg = <0x10000000 0x10000>, ", "reg = <0x20000000 0x10000>, ",
         INTC "reg has no distributor, or one that cannot be"},
        {"regions = <2>", "regions = <3>",
         INTC "reg has no redistributor region 2, or one that cannot be"},
        {"regions = <2>", "regions = <0>",
         INTC "#redistributor-regions is 0 (Newel knows 1 to 32)"},
        {"regions = <2>", "regions = <33>",
         INTC "#redistributor-regions is 33 (Newel knows 1 to 32)"},
        {"<0x10040000 0x80000>", "<0x10048000 0x80000>",
         INTC "reg has no redistributor region 0, or one that cannot be"},
        {"stride = <0x40000>", "stride = <0x10000>", INTC "redistributor-stride 0x10000 cannot be"},
        {"stride = <0x40000>", "stride = <0x40001>", INTC "redistributor-stride 0x40001 cannot be"},
        {"    interrupts = <1 9 4 0>;", "",
         INTC "no maintenance interrupt (a private one in interrupts)"},
        {"<1 9 4 0>", "<1 16 4 0>", INTC "no maintenance interrupt (a private one in interrupts)"},
        {"<1 9 4 0>", "<0 9 4 0>", INTC "no maintenance interrupt (a private one in interrupts)"},
        {"<1 9 4 0>", "<1 9 4>", INTC "no maintenance interrupt (a private one in interrupts)"},
        {"<1 9 4 0>", "<1 11 4 0>",
         "device tree: interrupt 27 is named twice among the timers and the GIC"},
        {"arm,armv8-timer", "arm,armv7-timer",
         "device tree: no timer (compatible \"arm,armv8-timer\")"},
        {"\"hyp-phys\"", "\"hyp-virt\"",
         "device tree: /timer: no private interrupt for the EL2 (hypervisor) timer"},
        {"<&gic 1 10 8 0>", "<&{/timer} 1 10 8 0>",
         "device tree: /timer: no private interrupt for the physical timer"},
    };
    check_changes(changes, ARRAY_SIZE(changes));
}

static void test_no_gic_at_all(void **state)
{
    (void)state;
    static const char source[] =
        "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>;"
        "memory { device_type = \"memory\"; reg = <0 0x40000000 0 0x1000000>; };"
        "cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = \"cpu\";"
        "reg = <0>; }; }; psci { compatible = \"arm,psci-1.0\"; method = \"smc\"; }; };";
    assert_true(parse_as(source, 0) < 0);
    assert_string_equal(
        message, "device tree: no GICv3 or GICv2 (compatible \"arm,gic-v3\" or \"arm,gic-400\")");
    assert_int_equal(p.uart.type, UART_NONE);
    assert_int_equal(p.initrd.size, 0);
}

// A GIC-400 as boards have it: its frames 4 KiB aligned, 8 KiB apart.
#define GIC_400(reg)                                                                    \
    "/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; interrupt-parent = <&gic>;" \
    "memory { device_type = \"memory\"; reg = <0x40000000 0x1000000>; };"               \
    "cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = \"cpu\";"    \
    "reg = <0>; }; }; psci { compatible = \"arm,psci-1.0\"; method = \"smc\"; };"       \
    "timer { compatible = \"arm,armv8-timer\";"                                         \
    "interrupts = <1 13 0xf08>, <1 14 0xf08>, <1 11 0xf08>, <1 10 0xf08>; };"           \
    "gic: intc { compatible = \"arm,gic-400\"; #interrupt-cells = <3>; reg = " reg      \
    "; interrupt-controller; interrupts = <1 9 0xf04>; }; };"

static void test_gicv2(void **state)
{
    (void)state;
    static const struct {
        const char *source, *message;
    } wrong[] = {
        {GIC_400("<0xff841000 0x1000>, <0xff842000 0x2000>, <0xff844000 0x2000>"),
         "device tree: /intc: reg has no virtual CPU interface (GICV), or one that cannot be"},
        {GIC_400("<0xff841000 0x1000>, <0xff842000 0x1000>, <0xff844000 0x2000>, <0xff846000 "
                 "0x2000>"),
         "device tree: /intc: reg has no CPU interface with GICC_DIR, or one that cannot be"},
        {GIC_400("<0xff841000 0x1000>, <0xff842000 0x2000>, <0xff844000 0x2000>, <0xff846800 "
                 "0x1000>"),
         "device tree: /intc: reg has no virtual CPU interface (GICV), or one that cannot be"},
        {GIC_400("<0xff841000 0x1000>, <0xff842000 0x2000>, <0x40004000 0x2000>, <0xff846000 "
                 "0x2000>"),
         "device tree: memory at 0x40000000, 0x1000000 bytes, has the GIC, the UART or the RTC in "
         "it"},
    };
    assert_int_equal(parse_as(GIC_400("<0xff841000 0x1000>, <0xff842000 0x2000>, <0xff844000 "
                                      "0x2000>, <0xff846000 0x2000>"),
                              0),
                     0);
    assert_int_equal(p.gic.version, 2);
    assert_int_equal(p.gic.dist.v, 0xff841000);
    assert_int_equal(p.gic.cpu_interface.v, 0xff842000);
    assert_int_equal(p.gic.hyp_interface.v, 0xff844000);
    assert_int_equal(p.gic.vcpu_interface.v, 0xff846000);
    assert_int_equal(p.gic.ppi.maintenance, 25);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_true(parse_as(wrong[i].source, 0) < 0);
        assert_string_equal(message, wrong[i].message);
    }
}

static void test_many_cpus(void **state)
{
    (void)state;
    char cpus[8192] = "cpus { #address-cells = <2>; #size-cells = <0>;";
    for (int i = 0; i < MAX_CPUS + 8; i++) {
        size_t len = strlen(cpus);
        snprintf(cpus + len, sizeof(cpus) - len,
                 "cpu@1%02x { device_type = \"cpu\"; reg = <0 0x1%02x>; "
                 "enable-method = \"psci\"; };",
                 i, i);
    }
    strcat(cpus, "}; oldcpus {");
    char *source = replace(board, "cpus {", cpus);
    assert_int_equal(parse_as(source, 0x127), 0);
    free(source);
    assert_int_equal(p.cpu_count, MAX_CPUS);
    assert_int_equal(p.cpus_ignored, 8);
    assert_int_equal(p.cpu[0].mpidr, 0x127);
    assert_int_equal(p.cpu[1].mpidr, 0x100);
}

static void test_too_many_regions(void **state)
{
    (void)state;
    char more[4096] = "";
    for (unsigned i = 0; i < FRAMES_MAX_REGIONS; i++) {
        size_t len = strlen(more);
        snprintf(more + len, sizeof(more) - len, "/memreserve/ 0x%x 0x1000;",
                 0x90000000 + i * 8192);
    }
    char *source = replace(board, "/memreserve/ 0x80000000 0x10000;", more);
    assert_true(parse_as(source, 0) < 0);
    free(source);
    assert_string_equal(message, "device tree: more than 64 regions of reserved memory");
}

static bool find_console(const char *source)
{
    size_t size;
    void *blob = compile_dts(source, &size);
    memset(&p, 0xa5, sizeof(p));
    bool found = platform_find_console(blob, &p);
    free(blob);
    return found;
}

static void check_console(const char *old, const char *new, uint64_t base)
{
    char *source = replace(board, old, new);
    assert_int_equal(find_console(source), base != 0);
    free(source);
    assert_int_equal(p.uart.base.v, base);
    assert_int_equal(p.uart.type, base != 0 ? UART_PL011 : UART_NONE);
}

static void test_console(void **state)
{
    (void)state;
    check_console("serial2:115200n8", "serial2", 0x140001200);
    check_console("serial2:115200n8", "/soc/bus@1000/serial@1200", 0x140002200);
    check_console("serial2:115200n8", "/soc/bus@1000/serial@1200:9600", 0x140002200);
    check_console("serial2:115200n8", "/soc/bus/serial", 0x140001200);
    check_console("stdout-path = \"serial2:115200n8\"",
                  "linux,stdout-path = \"/soc/bus/serial@1200\"", 0x140002200);
}

// Where stdout-path is of no use, the first PL011 that is enabled.
static void test_console_fallback(void **state)
{
    (void)state;
    check_console("stdout-path", "no-path", 0x140001200);
    check_console("serial2:115200n8", "serial3", 0x140001200);
    check_console("serial2:115200n8", "", 0x140001200);
    check_console("serial2:115200n8", "/soc/bus@1000/rtc@3000", 0x140001200);
    check_console("interrupts = <0 5 1 0>;", "status = \"disabled\";", 0x140002200);
    check_console("<0x40000000 1 0x40000000 0x10000000>", "<0x40000000 1 0x40000000 0x1000>", 0);
    check_console("ranges = <0 0x40001000 0x10000>;", "", 0);
}

static void test_console_of_another_kind(void **state)
{
    (void)state;
    char *source =
        replace(board, "\"vendor,uart\", \"arm,pl011\"", "\"snps,dw-apb-uart\"; reg-shift = <2>");
    assert_true(find_console(source));
    free(source);
    assert_int_equal(p.uart.type, UART_NS16550);
    assert_int_equal(p.uart.reg_shift, 2);
    assert_int_equal(p.uart.base.v, 0x140001200);
}

static void test_no_tree(void **state)
{
    (void)state;
    uint64_t zeros[16] = {0};
    assert_false(platform_find_console(NULL, &p));
    assert_false(platform_find_console(zeros, &p));
    assert_true(platform_from_fdt(NULL, 4096, 0, &p, message, sizeof(message)) < 0);
    assert_int_equal(strncmp(message, "device tree: there is none at ", 30), 0);
    assert_true(platform_from_fdt(zeros, sizeof(zeros), 0, &p, message, sizeof(message)) < 0);
    assert_non_null(strstr(message, " is damaged: FDT_ERR_BADMAGIC"));
}

static void check_bounded(const struct platform *q)
{
    assert_in_range(q->ram_count, 0, FRAMES_MAX_REGIONS);
    assert_in_range(q->reserved_count, 0, FRAMES_MAX_REGIONS);
    assert_in_range(q->cpu_count, 0, MAX_CPUS);
    assert_in_range(q->gic.rdist_count, 0, GIC_MAX_RDIST);
    for (size_t i = 0; i < q->ram_count; i++) {
        assert_true(range_fits(q->ram[i].base, q->ram[i].size, BIT(48)));
    }
}

// Every byte damaged: a bounded result or one line.
static void test_damaged_bytes(void **state)
{
    (void)state;
    size_t size;
    uint8_t *blob = compile_dts(board, &size);
    static const uint8_t damage[] = {0xff, 0x01, 0x80, 0x08};
    for (size_t i = 0; i < 4 * size; i++) {
        uint8_t old = blob[i / 4];
        blob[i / 4] ^= damage[i % 4];
        int err = platform_from_fdt(blob, size, 0, &p, message, sizeof(message));
        check_bounded(&p);
        assert_true(err == 0 || strncmp(message, "device tree: ", 13) == 0);
        blob[i / 4] = old;
    }
    free(blob);
}

static void *dump_qemu(const char *options, size_t *size)
{
    char path[] = "/tmp/newel-unit-XXXXXX", command[400];
    close(mkstemp(path));
    snprintf(command, sizeof(command),
             QEMU " -nographic %s -M virt,virtualization=on,gic-version=3,dumpdtb=%s"
                  " >/dev/null 2>&1",
             options, path);
    void *blob = system(command) == 0 ? read_whole_file(path, size) : NULL;
    unlink(path);
    return blob;
}

static void check_virt(const char *options, uint64_t memory, size_t cpus)
{
    size_t size;
    void *blob = dump_qemu(options, &size);
    assert_non_null(blob);
    message[0] = 0;
    int err = platform_from_fdt(blob, size, 0x80000000, &p, message, sizeof(message));
    assert_string_equal(message, "");
    assert_int_equal(err, 0);
    assert_int_equal(p.ram_count, 1);
    check_region(&p.ram[0], 0x40000000, memory);
    assert_int_equal(p.cpu_count, cpus);
    assert_int_equal(p.gic.dist.v, 0x8000000);
    assert_int_equal(p.gic.rdist[0].base.v, 0x80a0000);
    assert_int_equal(p.gic.ppi.maintenance, 25);
    assert_int_equal(p.gic.ppi.virtual_timer, 27);
    assert_int_equal(p.gic.ppi.el2_timer, 26);
    assert_int_equal(p.gic.ppi.physical_timer, 30);
    assert_int_equal(p.uart.base.v, 0x9000000);
    assert_int_equal(p.uart.intid, 33);
    assert_true(p.uart.level);
    assert_int_equal(p.rtc.v, 0x9010000);
    free(blob);
}

static void test_qemu_virt(void **state)
{
    (void)state;
    if (access(QEMU, X_OK) != 0) {
        skip();
    }
    check_virt("-cpu cortex-a57 -smp 1 -m 1024", UINT64_C(1) << 30, 1);
    check_virt("-cpu neoverse-n1 -smp 8 -m 16384", UINT64_C(16) << 30, 8);
    check_virt("-cpu max -smp 20 -m 3072", UINT64_C(3) << 30, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_board_memory),
        cmocka_unit_test(test_board_cpus),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_board_devices),
        cmocka_unit_test(test_wrong_memory),
        cmocka_unit_test(test_wrong_cpus),
        cmocka_unit_test(test_wrong_gic),
        cmocka_unit_test(test_no_gic_at_all),
        cmocka_unit_test(test_gicv2),
        cmocka_unit_test(test_many_cpus),
        cmocka_unit_test(test_too_many_regions),
        cmocka_unit_test(test_console),
        cmocka_unit_test(test_console_fallback),
        cmocka_unit_test(test_console_of_another_kind),
        cmocka_unit_test(test_no_tree),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_spin_table),
        cmocka_unit_test(test_board_method),
        cmocka_unit_test(test_qemu_virt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
