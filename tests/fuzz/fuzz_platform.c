// SPDX-License-Identifier: Apache-2.0
// The readers of the machine's device tree: whatever it says, what they hand on lies within bounds.
#include "boot/park_tables.h"
#include "boot/platform.h"
#include "lib/bits.h"
#include "tree.h"
#include "vm/guest_fdt.h"

#include <stdio.h>

static const char *const paths[] = {
    "/",
    "/memory@40000000",
    "/cpus",
    "/cpus/cpu@0",
    "/cpus/cpu@1",
    "/psci",
    "/timer",
    "/chosen",
    "/intc@8000000",
    "/aliases",
    "/pl011@9000000",
    "/pl031@9010000",
    "/reserved-memory",
    "/reserved-memory/fw@1",
    "/soc",
    "/soc/uart@0",
    "/soc/bus",
    "/soc/bus/uart@0",
};
static const char *const names[] = {
    "reg",
    "ranges",
    "compatible",
    "status",
    "device_type",
    "#address-cells",
    "#size-cells",
    "#interrupt-cells",
    "interrupts",
    "interrupts-extended",
    "interrupt-names",
    "interrupt-parent",
    "phandle",
    "enable-method",
    "cpu-release-addr",
    "method",
    "stdout-path",
    "linux,stdout-path",
    "linux,initrd-start",
    "linux,initrd-end",
    "#redistributor-regions",
    "redistributor-stride",
    "serial0",
    "reg-shift",
    "reserved-memory",
    "fw@1",
    "soc",
    "uart@0",
    "bus",
    "cpu@5",
    "interrupt-controller",
};
static const char *const strings[] = {
    "okay",
    "disabled",
    "memory",
    "cpu",
    "psci",
    "spin-table",
    "brcm,bcm2836-smp",
    "brcm,bcm2836-l1-intc",
    "spin-table",
    "smc",
    "hvc",
    "arm,gic-v3",
    "arm,pl011",
    "snps,dw-apb-uart",
    "arm,armv8-timer",
    "arm,psci-1.0",
    "serial0",
    "serial0:115200",
    "/soc/uart@0",
    "/soc/bus/uart",
    "phys",
    "virt",
    "hyp-phys",
    "arm,pl031",
};
static const struct dictionary dictionary = {WORDS(paths), WORDS(names), WORDS(strings)};

// A device behind a bus that translates.
static void add_bus(void *fdt)
{
    static const fdt32_t ranges[] = {0, 0, 0x00000009, 0x00000100};
    static const fdt32_t reg[] = {0, 0x00100000};
    int soc = fdt_add_subnode(fdt, 0, "soc");
    fdt_setprop_u32(fdt, soc, "#address-cells", 1);
    fdt_setprop_u32(fdt, soc, "#size-cells", 1);
    fdt_setprop(fdt, soc, "ranges", ranges, sizeof(ranges));
    int uart = fdt_add_subnode(fdt, soc, "uart@0");
    fdt_setprop_string(fdt, uart, "compatible", "arm,pl011");
    fdt_setprop(fdt, uart, "reg", reg, sizeof(reg));
    fdt_setprop_string(fdt, fdt_path_offset(fdt, "/chosen"), "stdout-path", "/soc/uart@0");
}

// A VM's tree made into a machine's: firmware at EL3, a maintenance interrupt, a reservation.
static const void *good_platform(void)
{
    static uint64_t fdt[0x4000 / 8];
    static const fdt32_t maintenance[] = {0x01000000, 0x09000000, 0x04000000};
    struct vm_config config = {.memory = 64 << 20, .cpus = 3, .bootargs = ""};
    struct guest_fdt_params params = {.config = &config,
                                      .mpidr = {0, 1, 2},
                                      .ramdisk_start = 0x41000000,
                                      .ramdisk_end = 0x41100000};
    if (fdt[0] == 0) {
        if (guest_fdt_build(fdt, 0x2000, &params) < 0 ||
            fdt_open_into(fdt, fdt, sizeof(fdt)) != 0) {
            abort();
        }
        fdt_setprop_string(fdt, fdt_path_offset(fdt, "/psci"), "method", "smc");
        fdt_setprop(fdt, fdt_path_offset(fdt, "/intc@8000000"), "interrupts", maintenance,
                    sizeof(maintenance));
        add_bus(fdt);
        fdt_add_mem_rsv(fdt, 0x42000000, 0x1000);
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

static bool is_private(uint32_t intid)
{
    return intid >= 16 && intid <= 31;
}

static void check_memory(const struct platform *p)
{
    require(p->ram_count <= FRAMES_MAX_REGIONS, "count of RAM");
    require(p->reserved_count <= FRAMES_MAX_REGIONS, "count of reservations");
    for (size_t i = 0; i < p->ram_count; i++) {
        require(range_fits(p->ram[i].base, p->ram[i].size, BIT(48)), "RAM");
    }
    for (size_t i = 0; i < p->reserved_count; i++) {
        require(range_fits(p->reserved[i].base, p->reserved[i].size, BIT(48)), "reservation");
    }
}

static void check_devices(const struct platform *p)
{
    require(p->gic.rdist_count >= 1 && p->gic.rdist_count <= GIC_MAX_RDIST, "redistributors");
    require(range_fits(p->gic.dist.v, p->gic.dist_size, BIT(48)), "distributor");
    for (size_t i = 0; i < p->gic.rdist_count; i++) {
        require(range_fits(p->gic.rdist[i].base.v, p->gic.rdist[i].size, BIT(48)), "region");
    }
    require(is_private(p->gic.ppi.maintenance) && is_private(p->gic.ppi.virtual_timer) &&
                is_private(p->gic.ppi.el2_timer) && is_private(p->gic.ppi.physical_timer),
            "private interrupts");
    require(p->uart.type == UART_NONE || range_fits(p->uart.base.v, p->uart.size, BIT(48)), "UART");
    require(p->uart.intid == 0 || (p->uart.intid >= 32 && p->uart.intid < 1020),
            "UART's interrupt");
}

static void check_good(const struct platform *p)
{
    require(p->ram_count >= 1, "RAM");
    require(p->cpu_count >= 1 && p->cpu_count <= MAX_CPUS && p->cpu[0].mpidr == 0, "CPUs");
    for (size_t i = 1; i < p->cpu_count; i++) {
        uint64_t base, size;
        const struct cpu_start *s = &p->cpu[i].start;
        require((s->method != CPU_PSCI_SMC && s->method != CPU_PSCI_HVC) || p->has_psci, "PSCI");
        require(memchr(s->name, 0, sizeof(s->name)) != NULL, "method's name");
        require(!cpu_start_reaches(s, &base, &size) || range_fits(base, size, BIT(48)), "release");
    }
    check_devices(p);
}

static void check_message(const char *message)
{
    require(strncmp(message, "device tree: ", 13) == 0, "message");
    for (const char *c = message; *c != '\0'; c++) {
        require(*c >= 0x20 && *c <= 0x7e, "printable message");
    }
}

// What was read is rewritten, and read again: all others wait in mailboxes.
static void check_rewriting(const void *blob, size_t size, const struct platform *p)
{
    static struct platform again;
    static uint64_t fdt[0x10000 / 8];
    char message[256] = "";
    const struct complaint c = {"device tree", message, sizeof(message)};
    struct parked parked = {.count = p->cpu_count - 1, .base = 0x43000000, .size = 0x20000};
    for (size_t i = 1; i < p->cpu_count; i++) {
        parked.cpu[i - 1].mpidr = p->cpu[i].mpidr;
        parked.cpu[i - 1].page = i % 3 == 0 ? 0 : 0x43000000 + 0x1000 * i;
    }
    if (fdt_open_into(blob, fdt, (int)MIN(size + PARK_FDT_ROOM, sizeof(fdt))) != 0 ||
        park_rewrite_fdt(fdt, &parked, &c) != 0) {
        return;
    }
    require(fdt_check_full(fdt, fdt_totalsize(fdt)) == 0, "a tree still");
    if (platform_from_fdt(fdt, sizeof(fdt), 0, &again, message, sizeof(message)) == 0) {
        for (size_t i = 1; i < again.cpu_count; i++) {
            require(again.cpu[i].start.method == CPU_SPIN_TABLE, "all are parked");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct platform p;
    char message[256] = "";
    size_t blob_size;
    void *blob = fuzzed_tree(good_platform(), (struct input){data, size}, &dictionary, &blob_size);
    if (platform_from_fdt(blob, blob_size, 0, &p, message, sizeof(message)) == 0) {
        check_good(&p);
        check_rewriting(blob, blob_size, &p);
    } else {
        check_message(message);
    }
    check_memory(&p);
    // The early reader is given unchecked trees; a header that promises more than there is is no
    // fault of its own.
    if (blob_size >= sizeof(struct fdt_header) && fdt_totalsize(blob) <= blob_size &&
        platform_find_console(blob, &p)) {
        require(range_fits(p.uart.base.v, p.uart.size, BIT(48)), "console");
    }
    free(blob);
    return 0;
}
