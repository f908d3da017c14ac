// SPDX-License-Identifier: Apache-2.0
// From the first line of C to the first guest.
#include "arch/cpu.h"
#include "arch/detect.h"
#include "arch/sysreg.h"
#include "arch/timer.h"
#include "boot/boot.h"
#include "boot/efi_services.h"
#include "boot/handover.h"
#include "con/console.h"
#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "dev/flash_host.h"
#include "dev/rtc_host.h"
#include "dev/uart_host.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/print.h"
#include "mem/coherence.h"
#include "mem/el2map.h"
#include "mem/stage2.h"
#include "mon/monitor.h"
#include "nvram/nvram.h"
#include "trap/run.h"
#include "vm/vm.h"

#include <libfdt.h>
#include <stdarg.h>

#define UART_POLL_US 5000

static struct platform platform;
static struct manifest manifest;

noreturn void boot_fail(const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    log_info("error: %s", text);
    log_info("Newel does not start");
    machine_reset();
}

static void must(int err, const char *what)
{
    if (err) {
        boot_fail("%s: %s", what, error_text(err));
    }
}

static void uart_up(void)
{
    const struct uart_config config = {.type = platform.uart.type,
                                       .base = platform.uart.base.v,
                                       .reg_shift = platform.uart.reg_shift,
                                       .io_width = platform.uart.io_width};
    uart_early_init(&config);
}

// With the MMU off.
static const struct handover *handover_at(uint64_t info)
{
    const struct handover *h = (const void *)(uintptr_t)info;
    return info != 0 && is_aligned(info, 8) && h->magic == HANDOVER_MAGIC ? h : NULL;
}

// Without translation: the console is used as it is.
static noreturn void fail_before_mmu(uint64_t info, const char *why, unsigned el)
{
    const void *fdt = (const void *)(uintptr_t)info;
    if (handover_at(info) != NULL) {
        platform = handover_at(info)->platform;
        uart_up();
        power_init(&platform);
    } else if (info != 0 && fdt_check_header(fdt) == 0) {
        platform_find_console(fdt, &platform);
        uart_up();
        power_init_early(fdt, el);
    }
    console_early_init();
    boot_fail(why, el);
}

noreturn void boot_wrong_el(uint64_t fdt_address, unsigned el)
{
    fail_before_mmu(fdt_address, "entered at EL%u: Newel has to be started at EL2", el);
}

// fdt_size: 0 if info is no device tree.
static void enable_mmu(uint64_t info, uint64_t fdt_size)
{
    const struct el2_image image = {
        .text = {(uint64_t)(uintptr_t)image_start, (uint64_t)(image_text_end - image_start)},
        .rodata = {(uint64_t)(uintptr_t)image_text_end,
                   (uint64_t)(image_rodata_end - image_text_end)},
        .data = {(uint64_t)(uintptr_t)image_rodata_end, (uint64_t)(image_end - image_rodata_end)},
    };
    int err = el2_map_init(&image);
    uint64_t base = align_down(info, PAGE_SIZE);
    if (!err && fdt_size != 0) {
        err = el2_map_range(hpa(base), align_up(info + fdt_size, PAGE_SIZE) - base,
                            EL2_NORMAL_RW); // a seed in it is wiped
    }
    for (unsigned i = 0; i < MAX_CPUS && !err; i++) {
        err = el2_unmap_page(ptr_hpa(cpu_stacks + (size_t)i * STACK_SLOT));
    }
    if (err) {
        fail_before_mmu(info, "EL2's own translation tables do not fit", 2);
    }
    el2_map_flush_early();
    mmu_enable(el2_map_ttbr(), el2_map_tcr(features.pa_bits), el2_map_mair());
    el2_map_live();
}

// The tree's size from its header, with aligned reads: the MMU is off.
static uint64_t check_fdt(uint64_t address)
{
    const void *fdt = (const void *)(uintptr_t)address;
    if (address == 0 || !is_aligned(address, 8) || fdt_check_header(fdt) != 0) {
        fail_before_mmu(0, "no device tree in x0", 2);
    }
    return fdt_totalsize(fdt);
}

static void start_console(void)
{
    if (platform.uart.type != UART_NONE) {
        uint64_t base = align_down(platform.uart.base.v, PAGE_SIZE);
        if (el2_map_range(hpa(base), PAGE_SIZE, EL2_DEVICE_RW) == 0) {
            uart_up();
        }
    }
    console_early_init();
    log_info("Newel starts at EL2, image at 0x%lx", (uint64_t)(uintptr_t)image_start);
}

static void check_cpu(void)
{
    if (counter_frequency() == 0) {
        boot_fail("CNTFRQ_EL0 is 0: the firmware has to set the timer's frequency");
    }
    if (!features.granule_4k) {
        boot_fail("this CPU has no 4 KiB translation granule");
    }
}

// ---- memory ----

// RAM without what is reserved: firmware may keep its own there, which speculation must not touch.
static void map_ram(const struct mem_region *ram)
{
    uint64_t at = ram->base, ram_end = ram->base + ram->size;
    while (at < ram_end) {
        uint64_t stop = ram_end, next = ram_end;
        for (size_t i = 0; i < platform.reserved_count; i++) {
            uint64_t start = align_down(platform.reserved[i].base, PAGE_SIZE);
            uint64_t end =
                align_up(platform.reserved[i].base + platform.reserved[i].size, PAGE_SIZE);
            if (end > at && start < stop) {
                stop = start > at ? start : at;
                next = end;
            }
        }
        if (at < stop) {
            must(el2_map_ram(at, stop - at), "mapping RAM");
        }
        at = next;
    }
}

static void reserve(uint64_t base, uint64_t size)
{
    if (platform_reserve(&platform, (struct mem_region){base, size}) != 0) {
        boot_fail("more than %d reserved memory regions", FRAMES_MAX_REGIONS);
    }
}

// What the boot loader left in reserved memory, to be read.
static void map_file(const struct mem_region *m)
{
    if (m->size == 0) {
        return;
    }
    uint64_t base = align_down(m->base, PAGE_SIZE);
    uint64_t size = align_up(m->base + m->size, PAGE_SIZE) - base;
    int err = el2_map_range(hpa(base), size, EL2_NORMAL_RO);
    if (err == ERR_EXISTS) { // it shares a page with the device tree
        err = el2_map_ram(base, size);
    }
    must(err, "mapping the manifest and its files");
}

static void init_memory(void)
{
    reserve((uint64_t)(uintptr_t)image_start, (uint64_t)(image_end - image_start));
    for (size_t i = 0; i < platform.ram_count; i++) {
        map_ram(&platform.ram[i]);
    }
    map_file(&platform.initrd);
    for (size_t i = 0; i < platform.file_count; i++) {
        map_file(&platform.file[i].at);
    }
    must(frames_init(platform.ram, platform.ram_count, platform.reserved, platform.reserved_count),
         "memory");
}

static void map_device(hpa_t base, uint64_t size, const char *what)
{
    uint64_t start = align_down(base.v, PAGE_SIZE);
    int err = el2_map_range(hpa(start), align_up(base.v + size, PAGE_SIZE) - start, EL2_DEVICE_RW);
    if (err && err != ERR_EXISTS) {
        must(err, what);
    }
}

static void init_interrupts(void)
{
    map_device(platform.gic.dist, platform.gic.dist_size, "mapping the GIC's distributor");
    for (size_t i = 0; i < platform.gic.rdist_count; i++) {
        map_device(platform.gic.rdist[i].base, platform.gic.rdist[i].size,
                   "mapping the GIC's redistributors");
    }
    if (platform.gic.version == 2) {
        map_device(platform.gic.cpu_interface, GICV2_CPU_SIZE, "mapping the GIC's CPU interface");
        map_device(platform.gic.hyp_interface, PAGE_SIZE, "mapping the GIC's EL2 interface");
    }
    must(gic_init(), "GIC");
    must(gic_init_cpu(), "GIC");
    timer_init_cpu();
    if (platform.rtc.v != 0) {
        map_device(platform.rtc, PAGE_SIZE, "mapping the clock");
        rtc_host_init(platform.rtc);
    }
    if (platform.pm.v != 0) {
        map_device(platform.pm, PAGE_SIZE, "mapping the power management");
        power_use_bcm2835(platform.pm);
    }
}

static int find_file(void *context, const char *name, struct blob *file)
{
    return platform_find_file(context, name, file);
}

static void read_manifest(void)
{
    const struct manifest_files files = {find_file, &platform};
    char message[256];
    if (platform.initrd.size == 0) {
        boot_fail("no manifest: the boot loader has to hand it over as initrd (/chosen "
                  "linux,initrd-start)");
    }
    int err = manifest_parse((const void *)(uintptr_t)platform.initrd.base, platform.initrd.size,
                             cpu_count, platform.file_count != 0 ? &files : NULL, &manifest,
                             message, sizeof(message));
    if (err) {
        boot_fail("%s", message);
    }
}

static unsigned vms_with(enum vm_firmware firmware)
{
    unsigned n = 0;
    for (size_t i = 0; i < manifest.vm_count; i++) {
        n += manifest.vm[i].firmware == firmware;
    }
    return n;
}

static void use_flash(void)
{
    map_device(hpa(platform.flash.base), platform.flash.size, "mapping the flash");
    struct nor *nor = flash_host_probe(hpa(platform.flash.base), platform.flash.size);
    if (nor != NULL) {
        nvram_use_flash(nor);
    }
}

static void use_host_efi(void)
{
    const char *why;
    unsigned users = vms_with(FIRMWARE_EFI_RUNTIME);
    efi_host_call_fn *call = users != 0 ? efi_services_init(&platform, &why) : NULL;
    if (call != NULL) {
        nvram_use_host_efi(call, users, cpu_count); // the last CPU: the first one has the console
        efi_services_in_turns();
    } else if (users != 0) {
        log_warn("UEFI: %s", why);
    }
}

// Where UEFI started Newel, the flash is the firmware's own.
static void init_nvram(void)
{
    unsigned pages = vms_with(FIRMWARE_UEFI);
    if (vms_with(FIRMWARE_EFI_RUNTIME) + pages == 0) {
        return;
    }
    if (platform.efi.region_count != 0) {
        use_host_efi();
    } else if (platform.flash.size != 0) {
        use_flash();
    }
    if (!nvram_is_there()) {
        log_info("NVRAM: none: VMs' variables last until Newel ends");
    } else if (pages != 0 && !nvram_keeps_flash()) {
        log_info("NVRAM: the variables of VMs with firmware \"uefi\" last until Newel ends");
    }
}

// A UART without an interrupt is looked at, often enough for who types.
static struct timer uart_poll;

static void poll_uart(struct timer *timer)
{
    uart_interrupt();
    timer_arm(timer, timer_now() + timer_ticks_from_us(UART_POLL_US));
}

static void init_guests(void)
{
    char message[256];
    const struct s2_features s2 = {
        .pa_bits = features.pa_bits,
        .vmid_bits = features.vmid_bits,
        .fwb = features.fwb,
        .ttl = features.ttl,
        .range_tlbi = features.range_tlbi,
        .xnx = features.xnx,
        .bbm2 = features.bbm2,
        .hafdbs = features.hafdbs,
    };
    const struct coherence_features caches = {.ctr = features.raw.ctr, .fwb = features.fwb};
    stage2_setup(&s2);
    vmid_setup(1u << features.vmid_bits);
    coherence_setup(&caches);
    if (vms_init(&manifest, message, sizeof(message))) {
        boot_fail("%s", message);
    }
    monitor_init();
    uart_start_irq(console_input);
    if (platform.uart.intid != 0) {
        gic_enable_spi(platform.uart.intid, 0, platform.uart.level);
    } else {
        timer_init(&uart_poll, poll_uart);
        poll_uart(&uart_poll);
    }
}

// Nested, EL2's registers are another's to answer for, and every one of Newel's figures is off.
static void say_if_nested(void)
{
    const char *trapped;
    enum newel_detect_verdict verdict = el2_detect(&trapped);
    if (verdict == NEWEL_DETECT_PRESENT) {
        log_warn("EL2 is virtualized itself, or EL3 emulates registers: %s traps", trapped);
    } else {
        log_info("EL2 is %s", verdict == NEWEL_DETECT_ABSENT
                                  ? "the machine's own: none of its registers traps"
                                  : "virtualized or not: exclusives fail too often to tell");
    }
}

// The MMU, the console and the machine's description, from the tree.
static void start_by_fdt(uint64_t address)
{
    char message[256];
    const void *fdt = (const void *)(uintptr_t)address;
    enable_mmu(address, check_fdt(address));
    platform_find_console(fdt, &platform);
    start_console();
    power_init_early(fdt, 2);
    check_cpu();
    if (platform_from_fdt(fdt, fdt_totalsize(fdt), percpus[0].mpidr, &platform, message,
                          sizeof(message))) {
        boot_fail("%s", message);
    }
}

// The same where all of it has been read already.
static void start_by_handover(const struct handover *h)
{
    platform = h->platform;
    enable_mmu((uint64_t)(uintptr_t)h, 0);
    start_console();
    power_init(&platform);
    check_cpu();
    log_info("UEFI: %zu regions of runtime services are left alone", platform.efi.region_count);
}

noreturn void boot_primary(uint64_t info)
{
    percpu_init(&percpus[0], 0, 0, read_sysreg(mpidr_el1) & MPIDR_AFFINITY);
    percpu_install(&percpus[0]);
    if (read_sysreg(hcr_el2) & HCR_E2H) {
        fail_before_mmu(info, "HCR_EL2.E2H cannot be cleared on this CPU", 2);
    }
    struct id_regs ids;
    features_read(&ids);
    features_from(&features, &ids);
    const struct handover *h = handover_at(info);
    if (h != NULL) {
        start_by_handover(h);
    } else {
        start_by_fdt(info);
    }
    power_init(&platform);
    entropy_init(h == NULL ? (void *)(uintptr_t)info : NULL);
    if (platform.bhb_off) {
        bhb_turn_off();
    }
    if (!platform.has_psci || platform.psci_hvc) {
        firmware_is_absent();
    }
    gic_choose(&platform.gic);
    switch_choose_vectors(platform.gic.version == 2 ? VECTORS_GICV2 : 0);
    switch_init_cpu(&ids);
    switch_heed_errata(&percpus[0], &ids);
    say_if_nested();
    init_memory();
    init_interrupts();
    console_start_locking();
    percpus[0].online = true;
    cpu_count = 1;
    sched_init();
    smp_start_all(&platform);
    if (platform.cpus_ignored != 0) {
        log_warn("%zu CPUs are not used: Newel serves %d", platform.cpus_ignored, MAX_CPUS);
    }
    log_info("%u CPUs, %lu MiB, %u-bit physical addresses", cpu_count,
             frames_total() * PAGE_SIZE >> 20, features.pa_bits);
    read_manifest();
    init_nvram();
    init_guests();
    trap_run_cpu();
}
