// SPDX-License-Identifier: Apache-2.0
#include "vm/guest_fdt.h"

#include "dev/flash.h"
#include "dev/pl011.h"
#include "dev/pl031.h"
#include "irq/vgic.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/print.h"
#include "park/page.h"

#include <libfdt.h>
#include <string.h>

enum { PHANDLE_GIC = 1, PHANDLE_CLOCK };

// Interrupt cells of the GIC's binding.
enum { IRQ_SPI = 0, IRQ_PPI = 1, IRQ_LEVEL_HIGH = 4 };

// Aff3..Aff0 of MPIDR_EL1: what the reg of a cpu node holds (Linux, bindings/arm/cpus.yaml).
#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)

#define UART_NAME "pl011@9000000"

// A tree being written. The first error stays, and makes the rest do nothing.
struct writer {
    void *fdt;
    int err; // libfdt's
};

static void put(struct writer *w, const char *name, const void *value, size_t size)
{
    if (w->err == 0) {
        w->err = fdt_property(w->fdt, name, value, (int)size);
    }
}

static void put_string(struct writer *w, const char *name, const char *value)
{
    put(w, name, value, strlen(value) + 1);
}

static void put_cells(struct writer *w, const char *name, const uint32_t *cells, size_t count)
{
    fdt32_t value[16];
    for (size_t i = 0; i < count; i++) {
        value[i] = cpu_to_fdt32(cells[i]);
    }
    put(w, name, value, count * sizeof(value[0]));
}

#define put_list(w, name, ...)                          \
    put_cells(w, name, (const uint32_t[]){__VA_ARGS__}, \
              sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void put_u32(struct writer *w, const char *name, uint32_t value)
{
    put_cells(w, name, &value, 1);
}

static void put_u64(struct writer *w, const char *name, uint64_t value)
{
    put_list(w, name, (uint32_t)(value >> 32), (uint32_t)value);
}

static void put_reg(struct writer *w, uint64_t base, uint64_t size)
{
    put_list(w, "reg", (uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32),
             (uint32_t)size);
}

static void begin(struct writer *w, const char *name)
{
    if (w->err == 0) {
        w->err = fdt_begin_node(w->fdt, name);
    }
}

static void end(struct writer *w)
{
    if (w->err == 0) {
        w->err = fdt_end_node(w->fdt);
    }
}

static void put_root(struct writer *w, bool named)
{
    static const char compatible[] = "newel,vm\0linux,dummy-virt";
    size_t skipped = named ? 0 : strlen(compatible) + 1;
    put_u32(w, "interrupt-parent", PHANDLE_GIC);
    put(w, "dma-coherent", NULL, 0);
    put_string(w, "model", named ? "Newel virtual machine" : "linux,dummy-virt");
    put_u32(w, "#size-cells", 2);
    put_u32(w, "#address-cells", 2);
    put(w, "compatible", compatible + skipped, sizeof(compatible) - skipped);
}

// Device trees that name function IDs are read by PSCI 0.1 clients (DEN0022); the others ignore
// them.
static void put_psci(struct writer *w)
{
    static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2\0arm,psci";
    begin(w, "psci");
    put_u32(w, "cpu_on", 0xc4000003);
    put_u32(w, "cpu_off", 0x84000002);
    put_u32(w, "cpu_suspend", 0xc4000001);
    put_string(w, "method", "hvc");
    put(w, "compatible", compatible, sizeof(compatible));
    end(w);
}

static void put_memory(struct writer *w, uint64_t size)
{
    char name[40];
    format(name, sizeof(name), "memory@%lx", (unsigned long)VM_RAM_BASE);
    begin(w, name);
    put_reg(w, VM_RAM_BASE, size);
    put_string(w, "device_type", "memory");
    end(w);
}

static void put_clock(struct writer *w)
{
    begin(w, "apb-pclk");
    put_u32(w, "phandle", PHANDLE_CLOCK);
    put_string(w, "clock-output-names", "clk24mhz");
    put_u32(w, "clock-frequency", 24000000);
    put_u32(w, "#clock-cells", 0);
    put_string(w, "compatible", "fixed-clock");
    end(w);
}

static void put_uart(struct writer *w)
{
    static const char compatible[] = "arm,pl011\0arm,primecell";
    static const char clocks[] = "uartclk\0apb_pclk";
    begin(w, UART_NAME);
    put(w, "clock-names", clocks, sizeof(clocks));
    put_list(w, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    put_list(w, "interrupts", IRQ_SPI, PL011_INTID - 32, IRQ_LEVEL_HIGH);
    put_reg(w, PL011_BASE, PL011_SIZE);
    put(w, "compatible", compatible, sizeof(compatible));
    end(w);
}

// Firmware's code and its variables; of other VMs no program needs to know that there is none.
static void put_flash(struct writer *w)
{
    begin(w, "flash@0");
    put_u32(w, "bank-width", 4);
    put_list(w, "reg", 0, FLASH_BASE, 0, FLASH_BANK, 0, FLASH_BANK, 0, FLASH_BANK);
    put_string(w, "compatible", "cfi-flash");
    end(w);
}

static void put_rtc(struct writer *w)
{
    static const char compatible[] = "arm,pl031\0arm,primecell";
    begin(w, "pl031@9010000");
    put_string(w, "clock-names", "apb_pclk");
    put_u32(w, "clocks", PHANDLE_CLOCK);
    put_list(w, "interrupts", IRQ_SPI, PL031_INTID - 32, IRQ_LEVEL_HIGH);
    put_reg(w, PL031_BASE, PL031_SIZE);
    put(w, "compatible", compatible, sizeof(compatible));
    end(w);
}

static void put_gic_kind(struct writer *w, const struct guest_fdt_params *p)
{
    if (p->gicv2) {
        put_list(w, "reg", 0, VGIC_DIST_BASE, 0, VGIC_DIST_SIZE, 0, VGIC_CPU_BASE, 0,
                 VGIC_CPU_SIZE);
        put_string(w, "compatible", "arm,cortex-a15-gic");
        return;
    }
    put_list(w, "reg", 0, VGIC_DIST_BASE, 0, VGIC_DIST_SIZE, 0, VGIC_RDIST_BASE, 0,
             VGIC_RDIST_SIZE * p->config->cpus);
    put_u32(w, "#redistributor-regions", 1);
    put_string(w, "compatible", "arm,gic-v3");
}

static void put_gic(struct writer *w, const struct guest_fdt_params *p)
{
    begin(w, "intc@8000000");
    put_u32(w, "phandle", PHANDLE_GIC);
    put_gic_kind(w, p);
    put(w, "ranges", NULL, 0);
    put_u32(w, "#size-cells", 2);
    put_u32(w, "#address-cells", 2);
    put(w, "interrupt-controller", NULL, 0);
    put_u32(w, "#interrupt-cells", 3);
    end(w);
}

// By which clients know that VMware's backdoor is there.
static void put_hypervisor(struct writer *w)
{
    begin(w, "hypervisor");
    put_string(w, "compatible", "vmware");
    end(w);
}

// GICv2's binding has a mask of the CPUs beside the trigger.
static uint32_t ppi_flags(const struct guest_fdt_params *p)
{
    uint32_t cpus = p->gicv2 ? (uint32_t)(BIT(p->config->cpus) - 1) : 0;
    return IRQ_LEVEL_HIGH | cpus << 8;
}

// Secure physical, physical, virtual, EL2 physical: as virt has them, the first and last being of
// no use to a VM.
static void put_timer(struct writer *w, const struct guest_fdt_params *p)
{
    static const char compatible[] = "arm,armv8-timer\0arm,armv7-timer";
    uint32_t how = ppi_flags(p);
    begin(w, "timer");
    put_list(w, "interrupts", IRQ_PPI, 13, how, IRQ_PPI, VGIC_PPI_PTIMER - 16, how, IRQ_PPI,
             VGIC_PPI_VTIMER - 16, how, IRQ_PPI, 10, how);
    put(w, "always-on", NULL, 0);
    put(w, "compatible", compatible, sizeof(compatible));
    end(w);
}

static void put_pmu(struct writer *w, const struct guest_fdt_params *p)
{
    begin(w, "pmu");
    put_list(w, "interrupts", IRQ_PPI, VGIC_PPI_PMU - 16, ppi_flags(p));
    put_string(w, "compatible", "arm,armv8-pmuv3");
    end(w);
}

static void put_enable_method(struct writer *w, const struct guest_fdt_params *p, unsigned cpu)
{
    bool spin = p->config->cpu_boot == CPU_BOOT_SPIN_TABLE;
    put_string(w, "enable-method", spin ? "spin-table" : "psci");
    if (spin) {
        put_u64(w, "cpu-release-addr", park_release_address(p->mailboxes + cpu * PAGE_SIZE));
    }
}

static void put_cpu(struct writer *w, const struct guest_fdt_params *p, unsigned cpu)
{
    char name[40];
    uint64_t affinity = p->mpidr[cpu] & MPIDR_AFFINITY;
    format(name, sizeof(name), "cpu@%lx", (unsigned long)affinity);
    begin(w, name);
    put_u64(w, "reg", affinity);
    put_enable_method(w, p, cpu);
    put_string(w, "compatible", "arm,armv8");
    put_string(w, "device_type", "cpu");
    end(w);
}

static void put_cpus(struct writer *w, const struct guest_fdt_params *p)
{
    begin(w, "cpus");
    put_u32(w, "#size-cells", 0);
    put_u32(w, "#address-cells", 2);
    for (unsigned i = 0; i < p->config->cpus; i++) {
        put_cpu(w, p, i);
    }
    end(w);
}

// Linux, efi_get_fdt_params(). The last one is not in its documentation, and has to be there:
// Secure Boot is disabled.
static void put_efi(struct writer *w, const struct firmware_handover *efi)
{
    put_u64(w, "linux,uefi-system-table", efi->system_table);
    put_u64(w, "linux,uefi-mmap-start", efi->map);
    put_u32(w, "linux,uefi-mmap-size", efi->map_size);
    put_u32(w, "linux,uefi-mmap-desc-size", efi->descriptor_size);
    put_u32(w, "linux,uefi-mmap-desc-ver", 1);
    put_u32(w, "linux,uefi-secure-boot", 2);
}

static void put_chosen(struct writer *w, const struct guest_fdt_params *p)
{
    begin(w, "chosen");
    if (p->config->tables != TABLES_ACPI) {
        put_string(w, "stdout-path", "/" UART_NAME);
    }
    put_string(w, "bootargs", p->config->bootargs);
    if (p->ramdisk_start != p->ramdisk_end) {
        put_u64(w, "linux,initrd-start", p->ramdisk_start);
        put_u64(w, "linux,initrd-end", p->ramdisk_end);
    }
    if (p->kaslr_seed != 0) {
        put_u64(w, "kaslr-seed", p->kaslr_seed);
    }
    if (p->has_rng_seed) {
        put(w, "rng-seed", p->rng_seed, sizeof(p->rng_seed));
    }
    if (p->efi.system_table != 0) {
        put_efi(w, &p->efi);
    }
    end(w);
}

static void put_aliases(struct writer *w)
{
    begin(w, "aliases");
    put_string(w, "serial0", "/" UART_NAME);
    end(w);
}

static void put_stub(struct writer *w, const struct guest_fdt_params *p)
{
    begin(w, "");
    put_chosen(w, p);
    end(w);
}

static void put_tree(struct writer *w, const struct guest_fdt_params *p)
{
    begin(w, "");
    put_root(w, !p->config->hardened);
    if (p->config->cpu_boot == CPU_BOOT_PSCI) {
        put_psci(w);
    }
    put_memory(w, p->config->memory);
    if (p->config->firmware == FIRMWARE_UEFI) {
        put_flash(w);
    }
    put_rtc(w);
    put_uart(w);
    put_gic(w, p);
    put_cpus(w, p);
    put_timer(w, p);
    if (p->has_pmu) {
        put_pmu(w, p);
    }
    put_clock(w);
    if (p->config->guest_tools) {
        put_hypervisor(w);
    }
    put_aliases(w);
    put_chosen(w, p);
    end(w);
}

// The pages in which the other CPUs wait are theirs (booting.rst: cpu-release-addr).
static void reserve(struct writer *w, const struct guest_fdt_params *p)
{
    if (w->err == 0 && p->config->cpu_boot == CPU_BOOT_SPIN_TABLE) {
        w->err = fdt_add_reservemap_entry(w->fdt, p->mailboxes, p->config->cpus * PAGE_SIZE);
    }
    if (w->err == 0) {
        w->err = fdt_finish_reservemap(w->fdt);
    }
}

int guest_fdt_build(void *buf, size_t size, const struct guest_fdt_params *params)
{
    struct writer w = {buf, fdt_create(buf, (int)MIN(size, (size_t)INT32_MAX))};
    reserve(&w, params);
    if (params->config->tables == TABLES_ACPI) {
        put_stub(&w, params);
    } else {
        put_tree(&w, params);
    }
    if (w.err == 0) {
        w.err = fdt_finish(buf);
    }
    if (w.err == 0) {
        return (int)fdt_totalsize(buf);
    }
    return w.err == -FDT_ERR_NOSPACE ? ERR_RANGE : ERR_INVALID;
}
