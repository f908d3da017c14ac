// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_tables.h"
#include "boot/platform.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/print.h"

static struct arena arena;
static struct platform p;
static char message[200];

static int read_for(uint64_t mpidr)
{
    struct window w = {.arena = &arena};
    struct acpi acpi = {arena_memory, &w, {"ACPI", message, sizeof(message)}, {0}};
    memset(&p, 0, sizeof(p));
    memset(message, 0, sizeof(message));
    p.ram[0] = (struct mem_region){0x40000000, 0x40000000};
    p.ram_count = 1;
    int err = platform_add_acpi(&acpi, ARENA_AT(PAGE_RSDP), mpidr, &p);
    window_close(&w);
    return err;
}

static void expect_wrong(const char *wanted)
{
    assert_int_equal(read_for(0), ERR_INVALID);
    assert_string_equal(message, wanted);
    build_tables(&arena);
}

static uint8_t *table(enum arena_page page)
{
    return page_of(&arena, page);
}

// A field of a table, the checksum made right again.
static void set(enum arena_page page, unsigned at, uint64_t v, unsigned size)
{
    put(table(page) + at, v, size);
    if (page == PAGE_RSDP) {
        fix_rsdp(table(page));
    } else {
        fix_table(table(page));
    }
}

static int setup(void **state)
{
    (void)state;
    build_tables(&arena);
    return 0;
}

static void test_machine(void **state)
{
    (void)state;
    assert_int_equal(read_for(UINT64_C(0x80000000)), 0); // bit 31 of MPIDR is RES1
    assert_int_equal(p.cpu_count, 4);
    assert_int_equal(p.cpu[0].mpidr, 0);
    assert_int_equal(p.cpu[1].mpidr, 1);
    assert_int_equal(p.cpu[2].mpidr, 0x100);
    assert_int_equal(p.cpu[3].mpidr, 0x101);
    assert_true(p.has_psci && !p.psci_hvc);
    assert_int_equal(p.gic.dist.v, 0x8000000);
    assert_int_equal(p.gic.dist_size, 0x10000);
    assert_int_equal(p.gic.rdist_count, 1);
    assert_int_equal(p.gic.rdist[0].base.v, 0x80a0000);
    assert_int_equal(p.gic.rdist[0].size, 0xf60000);
    assert_int_equal(p.gic.ppi.maintenance, 25);
    assert_int_equal(p.gic.ppi.physical_timer, 30);
    assert_int_equal(p.gic.ppi.virtual_timer, 27);
    assert_int_equal(p.gic.ppi.el2_timer, 26);
    assert_int_equal(p.uart.type, UART_PL011);
    assert_int_equal(p.uart.base.v, 0x9000000);
    assert_int_equal(p.uart.intid, 33);
    assert_true(p.uart.level);
    assert_int_equal(p.ram_count, 1); // as it was
}

static void test_boot_cpu_first(void **state)
{
    (void)state;
    assert_int_equal(read_for(0x100), 0);
    assert_int_equal(p.cpu_count, 4);
    assert_int_equal(p.cpu[0].mpidr, 0x100);
    assert_int_equal(p.cpu[1].mpidr, 0);
    assert_int_equal(p.cpu[3].mpidr, 0x101);
}

// A CPU that is not enabled is none, and what its structure says does not count.
static void test_disabled_cpu(void **state)
{
    (void)state;
    unsigned gicc = 44 + 24 + 80;
    set(PAGE_MADT, gicc + 12, 0, 4);
    set(PAGE_MADT, gicc + 56, 99, 4);
    set(PAGE_MADT, gicc + 68, 0, 8);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.cpu_count, 3);
    assert_int_equal(p.cpu[1].mpidr, 0x100);
}

static void test_too_many_cpus(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MAX_CPUS; i++) {
        add_gicc(&arena, 10 + i, 0x10000 + i, 0);
    }
    fix_table(table(PAGE_MADT));
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.cpu_count, MAX_CPUS);
    assert_int_equal(p.cpus_ignored, MADT_CPUS);
}

// Without GICR structures each CPU names its own; neighbours make one region.
static void test_own_redistributors(void **state)
{
    (void)state;
    static const uint64_t base[] = {0x8100000, 0x8120000, 0x8200000, 0x8140000};
    unsigned gicr = 44 + 24 + 4 * 80;
    set(PAGE_MADT, gicr, 0x7f, 1);
    for (unsigned i = 0; i < 4; i++) {
        set(PAGE_MADT, 44 + 24 + 80 * i + 60, base[i], 8);
    }
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.gic.rdist_count, 2);
    assert_int_equal(p.gic.rdist[0].base.v, 0x8100000);
    assert_int_equal(p.gic.rdist[0].size, 0x60000);
    assert_int_equal(p.gic.rdist[1].base.v, 0x8200000);
    assert_int_equal(p.gic.rdist[1].size, 0x20000);
    set(PAGE_MADT, 44 + 24 + 80 + 60, base[0], 8);
    assert_int_equal(read_for(0), ERR_INVALID);
    assert_string_equal(message, "ACPI: APIC: two CPUs have the redistributor at 0x8100000");
}

static void test_consoles(void **state)
{
    (void)state;
    set(PAGE_SPCR, 36, 18, 1);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.uart.type, UART_NS16550);
    assert_int_equal(p.uart.reg_shift, 2);
    assert_int_equal(p.uart.io_width, 4);
    set(PAGE_SPCR, 41, 8, 1);
    set(PAGE_SPCR, 43, 1, 1);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.uart.reg_shift, 0);
    assert_int_equal(p.uart.io_width, 1);
    set(PAGE_SPCR, 36, 14, 1);
    set(PAGE_SPCR, 52, 0, 1); // no interrupt of the GIC's
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.uart.type, UART_PL011);
    assert_int_equal(p.uart.intid, 0);
    set(PAGE_SPCR, 36, 99, 1);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.uart.type, UART_NONE);
    set(PAGE_SPCR, 36, 3, 1);
    set(PAGE_SPCR, 40, 1, 1); // an I/O port
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.uart.type, UART_NONE);
    memcpy(table(PAGE_SPCR), "DBG2", 4);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.uart.type, UART_NONE);
}

static void test_root(void **state)
{
    (void)state;
    table(PAGE_RSDP)[0] = 'r';
    expect_wrong("ACPI: there is no RSDP at 0x47ff0000");
    set(PAGE_RSDP, 15, 0, 1);
    expect_wrong("ACPI: RSDP at 0x47ff0000 is of ACPI 1.0: it names no XSDT");
    put(table(PAGE_RSDP) + 20, 35, 4);
    expect_wrong("ACPI: RSDP at 0x47ff0000: a length of 35 cannot be");
    put(table(PAGE_RSDP) + 20, 0xffffffff, 4);
    expect_wrong("ACPI: RSDP at 0x47ff0000: a length of 4294967295 cannot be");
    table(PAGE_RSDP)[9] ^= 1; // in the sum of both
    expect_wrong("ACPI: RSDP at 0x47ff0000: its checksum is wrong");
    table(PAGE_RSDP)[33] ^= 1; // in that of the whole alone
    expect_wrong("ACPI: RSDP at 0x47ff0000: its checksum is wrong");
    set(PAGE_RSDP, 24, 0, 8);
    expect_wrong("ACPI: XSDT at 0x0 is not in memory");
    set(PAGE_RSDP, 24, UINT64_MAX - 3, 8);
    expect_wrong("ACPI: XSDT at 0xfffffffffffffffc is not in memory");
    set(PAGE_RSDP, 24, ARENA_AT(PAGE_FADT), 8);
    expect_wrong("ACPI: there is no XSDT at 0x47ff2000");
    set(PAGE_RSDP, 24, ARENA_BASE + ARENA_SIZE - 20, 8);
    expect_wrong("ACPI: XSDT at 0x47ff7fec is not in memory");
}

// Whatever the table, its header is dealt with alike.
static void test_headers(void **state)
{
    (void)state;
    static const struct {
        enum arena_page page;
        const char *name;
    } tables[] = {{PAGE_XSDT, "XSDT"},
                  {PAGE_FADT, "FACP"},
                  {PAGE_MADT, "APIC"},
                  {PAGE_GTDT, "GTDT"},
                  {PAGE_SPCR, "SPCR"}};
    char wanted[100];
    for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
        unsigned long at = ARENA_AT(tables[i].page);
        static const uint32_t lengths[] = {0, 35, ACPI_TABLE_MAX + 1, 0xffffffff};
        for (unsigned k = 0; k < ARRAY_SIZE(lengths); k++) {
            put(table(tables[i].page) + 4, lengths[k], 4);
            format(wanted, sizeof(wanted), "ACPI: %s at 0x%lx: a length of %u cannot be",
                   tables[i].name, at, lengths[k]);
            expect_wrong(wanted);
        }
        put(table(tables[i].page) + 4, ARENA_SIZE, 4);
        format(wanted, sizeof(wanted), "ACPI: %s at 0x%lx, %u bytes, is not all in memory",
               tables[i].name, at, ARENA_SIZE);
        expect_wrong(wanted);
        table(tables[i].page)[10] ^= 0x80;
        format(wanted, sizeof(wanted), "ACPI: %s at 0x%lx: its checksum is wrong", tables[i].name,
               at);
        expect_wrong(wanted);
    }
}

// Tables that are too short for what Newel reads of them.
static void test_old_tables(void **state)
{
    (void)state;
    set(PAGE_FADT, 4, 129, 4); // before ACPI 5.1
    expect_wrong("ACPI: FACP at 0x47ff2000: a length of 129 cannot be");
    set(PAGE_GTDT, 4, 79, 4);
    expect_wrong("ACPI: GTDT at 0x47ff4000: a length of 79 cannot be");
    set(PAGE_MADT, 4, 43, 4);
    expect_wrong("ACPI: APIC at 0x47ff3000: a length of 43 cannot be");
}

static void test_missing(void **state)
{
    (void)state;
    memcpy(table(PAGE_FADT), "XXXX", 4);
    expect_wrong("ACPI: there is no FACP: it says whether there is PSCI");
    memcpy(table(PAGE_MADT), "XXXX", 4);
    expect_wrong("ACPI: there is no APIC: it says which CPUs there are, and the GIC");
    memcpy(table(PAGE_GTDT), "XXXX", 4);
    expect_wrong("ACPI: there is no GTDT: it says which interrupts the timers have");
    set(PAGE_XSDT, 4, 36, 4); // no table at all
    expect_wrong("ACPI: there is no FACP: it says whether there is PSCI");
}

// Entries that lead nowhere or back are passed over, as long as nothing is missing.
static void test_loops_and_holes(void **state)
{
    (void)state;
    uint8_t *xsdt = table(PAGE_XSDT);
    uint32_t size = length_of(xsdt);
    static const uint64_t odd[] = {0, ARENA_AT(PAGE_XSDT), ARENA_AT(PAGE_RSDP), UINT64_MAX,
                                   ARENA_AT(PAGE_MADT)};
    for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
        put(xsdt + size + 8 * i, odd[i], 8);
    }
    set(PAGE_XSDT, 4, size + 8 * ARRAY_SIZE(odd) + 3, 4); // and a part of an entry
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.cpu_count, 4);
}

static void test_overlapping(void **state)
{
    (void)state;
    uint8_t *in_madt = table(PAGE_MADT) + 300; // in the reserved bytes of a GICC
    memcpy(in_madt, "XXXX", 4);
    set(PAGE_XSDT, 36, ARENA_AT(PAGE_MADT) + 300, 8);
    fix_table(table(PAGE_MADT));
    expect_wrong("ACPI: APIC at 0x47ff3000 and XXXX at 0x47ff312c overlap");
    put(table(PAGE_OTHER) + 4, 0x1000, 4); // of MCFG, which is the first
    set(PAGE_XSDT, 36, ARENA_AT(PAGE_FADT) - 0x40, 8);
    memcpy(table(PAGE_FADT) - 0x40, "MCFG\x41\0\0\0", 8);
    expect_wrong("ACPI: FACP at 0x47ff2000 and MCFG at 0x47ff1fc0 overlap");
}

static void test_psci(void **state)
{
    (void)state;
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.cpu[1].start.method, CPU_PSCI_SMC);
    set(PAGE_FADT, 129, 3, 2);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.cpu[1].start.method, CPU_PSCI_HVC);
    set(PAGE_FADT, 129, 0, 2);
    assert_int_equal(read_for(0), 0);
    assert_false(p.has_psci);
    assert_int_equal(p.cpu[1].start.method, CPU_UNKNOWN);
    assert_string_equal(cpu_method_name(&p.cpu[1].start), "none");
}

static void test_parked(void **state)
{
    (void)state;
    unsigned gicc = 44 + 24 + 80; // the second
    set(PAGE_MADT, gicc + 4, 0x77, 4);
    set(PAGE_MADT, gicc + 16, 1, 4);
    set(PAGE_MADT, gicc + 24, 0x50000000, 8);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.cpu[1].start.method, CPU_PSCI_SMC);
    assert_int_equal(p.reserved_count, 0);
    set(PAGE_FADT, 129, 0, 2);
    assert_int_equal(read_for(0), 0);
    assert_int_equal(p.cpu[1].start.method, CPU_PARKED);
    assert_int_equal(p.cpu[1].start.id, 0x77);
    assert_int_equal(p.cpu[1].start.address, 0x50000000);
    assert_int_equal(p.cpu[2].start.method, CPU_UNKNOWN);
    assert_int_equal(p.reserved_count, 1);
    assert_int_equal(p.reserved[0].base, 0x50000000);
    static const uint64_t nowhere[] = {0, 0x50000800, UINT64_MAX, BIT(48), BIT(48) - 0x800};
    for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
        set(PAGE_MADT, gicc + 24, nowhere[i], 8);
        assert_int_equal(read_for(0), 0);
        assert_int_equal(p.cpu[1].start.method, CPU_UNKNOWN);
    }
}

static void test_wrong_cpus(void **state)
{
    (void)state;
    unsigned gicc = 44 + 24;
    set(PAGE_MADT, gicc + 68, 7, 8);
    expect_wrong("ACPI: APIC: the CPU that Newel booted on (MPIDR 0x0) is not there");
    set(PAGE_MADT, gicc + 80 + 68, 0, 8);
    expect_wrong("ACPI: APIC: there are two CPUs with MPIDR 0x0");
    set(PAGE_MADT, gicc + 80 + 68, 0x1000000, 8);
    expect_wrong("ACPI: APIC: 0x1000000 is no MPIDR affinity");
    set(PAGE_MADT, gicc + 80 + 56, 24, 4);
    expect_wrong("ACPI: APIC: maintenance interrupt 24 (it has to be private, 16 to 31, and the "
                 "same for all CPUs)");
    set(PAGE_MADT, gicc + 56, 0, 4);
    expect_wrong("ACPI: APIC: maintenance interrupt 0 (it has to be private, 16 to 31, and the "
                 "same for all CPUs)");
}

static void test_wrong_structures(void **state)
{
    (void)state;
    unsigned gicc = 44 + 24;
    set(PAGE_MADT, gicc + 1, 0, 1);
    expect_wrong("ACPI: APIC: at offset 68 a length of 0 cannot be");
    set(PAGE_MADT, gicc + 1, 1, 1);
    expect_wrong("ACPI: APIC: at offset 68 a length of 1 cannot be");
    set(PAGE_MADT, 4, length_of(table(PAGE_MADT)) - 1, 4);
    expect_wrong("ACPI: APIC: at offset 404 a length of 20 cannot be");
    set(PAGE_MADT, 4, 45, 4); // a type without a length
    expect_wrong("ACPI: APIC: at offset 44 a length of 0 cannot be");
    add_entry(&arena, 11, 40); // as ACPI 5.0 had it
    fix_table(table(PAGE_MADT));
    expect_wrong("ACPI: APIC: a structure of type 11 is 40 bytes long");
}

// The frames of a GICv2 stand in each GICC.
static void set_gicv2(unsigned cpu, unsigned at, uint64_t v)
{
    set(PAGE_MADT, 44 + 24 + 80 * cpu + at, v, 8);
}

static void test_gicv2(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 2; version += 2) { // 0: no redistributors, so it is one
        set(PAGE_MADT, 44 + 20, version, 1);
        set(PAGE_MADT, 44 + 24 + 4 * 80, 0x7f, 1);
        for (unsigned i = 0; i < MADT_CPUS; i++) {
            set_gicv2(i, 32, 0x8010000);
            set_gicv2(i, 40, 0x8040000);
            set_gicv2(i, 48, 0x8030000);
        }
        assert_int_equal(read_for(0), 0);
        assert_int_equal(p.gic.version, 2);
        assert_int_equal(p.gic.cpu_interface.v, 0x8010000);
        assert_int_equal(p.gic.vcpu_interface.v, 0x8040000);
        assert_int_equal(p.gic.hyp_interface.v, 0x8030000);
        assert_int_equal(p.gic.rdist_count, 0);
    }
    set_gicv2(2, 40, 0x8050000);
    expect_wrong("ACPI: APIC: no GICv2's virtual CPU interface (GICV) can be at 0x8050000 for a "
                 "CPU");
}

static void test_wrong_gic(void **state)
{
    (void)state;
    unsigned gicd = 44, gicr = 44 + 24 + 4 * 80;
    set(PAGE_MADT, gicd + 20, 1, 1);
    expect_wrong("ACPI: APIC: no GICv3 or GICv2: the distributor's version is 1");
    set(PAGE_MADT, gicd, 0x7f, 1);
    expect_wrong("ACPI: APIC: no distributor: Newel needs a GIC");
    set(PAGE_MADT, gicd + 8, 0x8001000, 8);
    expect_wrong("ACPI: APIC: no distributor can be at 0x8001000");
    set(PAGE_MADT, gicd + 8, BIT(48), 8);
    expect_wrong("ACPI: APIC: no distributor can be at 0x1000000000000");
    set(PAGE_MADT, gicr, 0x7f, 1);
    expect_wrong("ACPI: APIC: no redistributors: Newel needs them of a GICv3");
    set(PAGE_MADT, gicr + 12, 0x10000, 4);
    expect_wrong("ACPI: APIC: no redistributors can be at 0x80a0000, 0x10000 bytes");
    set(PAGE_MADT, gicr + 4, BIT(48) - 0x10000, 8);
    expect_wrong("ACPI: APIC: no redistributors can be at 0xffffffff0000, 0xf60000 bytes");
    set(PAGE_MADT, gicd + 8, 0x40000000, 8);
    expect_wrong("ACPI: memory at 0x40000000, 0x40000000 bytes, has the GIC, the UART or the RTC "
                 "in it");
    add_entry(&arena, 12, 24)[20] = 3;
    fix_table(table(PAGE_MADT));
    expect_wrong("ACPI: APIC: there are two distributors");
}

static void test_wrong_timers(void **state)
{
    (void)state;
    set(PAGE_GTDT, 72, 0, 4);
    expect_wrong("ACPI: GTDT: interrupt 0 for the EL2 (hypervisor) timer (it has to be private, "
                 "16 to 31)");
    set(PAGE_GTDT, 64, 32, 4);
    expect_wrong("ACPI: GTDT: interrupt 32 for the virtual timer (it has to be private, 16 to 31)");
    set(PAGE_GTDT, 56, 27, 4);
    expect_wrong("ACPI: interrupt 27 is named twice among the timers and the GIC");
}

// Cut off anywhere, the tables are refused or read, without a look beyond the end.
static void test_cut_short(void **state)
{
    (void)state;
    for (enum arena_page page = PAGE_XSDT; page <= PAGE_SPCR; page++) {
        uint32_t size = length_of(table(page));
        for (uint32_t cut = 0; cut < size; cut++) {
            set(page, 4, cut, 4);
            int err = read_for(0);
            assert_true(err == 0 || err == ERR_INVALID);
            assert_int_equal(err == 0, message[0] == '\0');
        }
        build_tables(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_machine, setup),
        cmocka_unit_test_setup(test_boot_cpu_first, setup),
        cmocka_unit_test_setup(test_disabled_cpu, setup),
        cmocka_unit_test_setup(test_too_many_cpus, setup),
        cmocka_unit_test_setup(test_own_redistributors, setup),
        cmocka_unit_test_setup(test_consoles, setup),
        cmocka_unit_test_setup(test_root, setup),
        cmocka_unit_test_setup(test_headers, setup),
        cmocka_unit_test_setup(test_old_tables, setup),
        cmocka_unit_test_setup(test_missing, setup),
        cmocka_unit_test_setup(test_loops_and_holes, setup),
        cmocka_unit_test_setup(test_overlapping, setup),
        cmocka_unit_test_setup(test_psci, setup),
        cmocka_unit_test_setup(test_parked, setup),
        cmocka_unit_test_setup(test_wrong_cpus, setup),
        cmocka_unit_test_setup(test_wrong_structures, setup),
        cmocka_unit_test_setup(test_gicv2, setup),
        cmocka_unit_test_setup(test_wrong_gic, setup),
        cmocka_unit_test_setup(test_wrong_timers, setup),
        cmocka_unit_test_setup(test_cut_short, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
