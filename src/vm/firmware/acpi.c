// SPDX-License-Identifier: Apache-2.0
#include "vm/firmware/acpi.h"

#include "arch/sysreg_bits.h"
#include "dev/pl011.h"
#include "irq/vgic.h"
#include "lib/bits.h"
#include "vm/firmware/aml.h"

#include <string.h>

// 5.2.6: the header, whose length and checksum are put in at the end.
#define HEADER_LENGTH   4u
#define HEADER_CHECKSUM 9u

static const char oem_id[6] = "NEWEL ";
static const char oem_table_id[8] = "NEWELVM ";
static const char creator_id[4] = "NWEL";

struct table {
    uint32_t at;
};

static struct table begin(struct image *m, const char signature[4], uint8_t revision)
{
    image_align(m, 8);
    struct table t = {m->used};
    image_bytes(m, signature, 4);
    image_u32(m, 0);
    image_u8(m, revision);
    image_u8(m, 0);
    image_bytes(m, oem_id, sizeof(oem_id));
    image_bytes(m, oem_table_id, sizeof(oem_table_id));
    image_u32(m, 1);
    image_bytes(m, creator_id, sizeof(creator_id));
    image_u32(m, 1);
    return t;
}

// Returns its address.
static uint64_t end(struct image *m, struct table t)
{
    image_patch(m, t.at + HEADER_LENGTH, m->used - t.at, 4);
    image_patch(m, t.at + HEADER_CHECKSUM, image_checksum(m, t.at), 1);
    return m->address + t.at;
}

// ---- DSDT: what cannot be found out by looking ----

static void put_processors(struct image *m, unsigned cpus)
{
    for (unsigned i = 0; i < cpus; i++) {
        const char name[4] = {'C', 'P', (char)('0' + i / 10), (char)('0' + i % 10)};
        struct aml_package device = aml_device(m, name);
        aml_name_string(m, "_HID", "ACPI0007");
        aml_name_integer(m, "_UID", i);
        aml_end(m, device);
    }
}

static void put_uart(struct image *m)
{
    struct aml_package device = aml_device(m, "COM0");
    aml_name_string(m, "_HID", "ARMH0011");
    aml_name_integer(m, "_UID", 0);
    struct aml_resources r = aml_resources_begin(m);
    aml_memory(m, PL011_BASE, PL011_SIZE);
    aml_interrupt(m, PL011_INTID);
    aml_resources_end(m, r);
    aml_end(m, device);
}

// The real-time clock is not in it: with EFI's GetTime() there is one already (as on virt), and
// ACPI has no name for a PL031.
static uint64_t put_dsdt(struct image *m, const struct firmware_params *p)
{
    struct table t = begin(m, "DSDT", 2);
    struct aml_package scope = aml_scope(m, "\\_SB_");
    put_processors(m, p->config->cpus);
    put_uart(m);
    aml_end(m, scope);
    return end(m, t);
}

// ---- FADT (5.2.9) ----

#define FADT_SIZE          276u
#define FADT_FLAGS         112u
#define FADT_ARM_BOOT_ARCH 129u
#define FADT_MINOR         131u
#define FADT_X_DSDT        140u
#define FADT_HYPERVISOR    268u

#define HW_REDUCED_ACPI BIT(20)
#define PSCI_COMPLIANT  BIT(0)
#define PSCI_USE_HVC    BIT(1)

static const char hypervisor_identity[8] = "NEWEL";

static uint64_t put_fadt(struct image *m, const struct firmware_params *p, uint64_t dsdt)
{
    struct table t = begin(m, "FACP", 6);
    uint8_t *rest = image_take(m, FADT_SIZE - (m->used - t.at));
    bool psci = p->config->cpu_boot == CPU_BOOT_PSCI;
    image_patch(m, t.at + FADT_FLAGS, HW_REDUCED_ACPI, 4);
    image_patch(m, t.at + FADT_ARM_BOOT_ARCH, psci ? PSCI_COMPLIANT | PSCI_USE_HVC : 0, 2);
    image_patch(m, t.at + FADT_MINOR, 4, 1);
    image_patch(m, t.at + FADT_X_DSDT, dsdt, 8);
    if (rest != NULL) {
        memcpy(m->bytes + t.at + FADT_HYPERVISOR, hypervisor_identity, sizeof(hypervisor_identity));
    }
    return end(m, t);
}

// ---- MADT (5.2.12) ----

enum { MADT_GICC = 11, MADT_GICD = 12, MADT_GICR = 14 };

#define GICC_ENABLED    1
#define PARKING_VERSION 1

static void put_gicd(struct image *m, bool gicv2)
{
    image_u8(m, MADT_GICD);
    image_u8(m, 24);
    image_u16(m, 0);
    image_u32(m, 0); // GIC ID
    image_u64(m, VGIC_DIST_BASE);
    image_u32(m, 0); // system vector base
    image_u8(m, gicv2 ? 2 : 3);
    (void)image_take(m, 3);
}

static void put_gicc(struct image *m, const struct firmware_params *p, unsigned cpu)
{
    bool parked = p->config->cpu_boot == CPU_BOOT_PARKING;
    image_u8(m, MADT_GICC);
    image_u8(m, 80);
    image_u16(m, 0);
    image_u32(m, cpu); // CPU interface number: the mailbox's processor ID
    image_u32(m, cpu); // ACPI processor UID
    image_u32(m, GICC_ENABLED);
    image_u32(m, parked ? PARKING_VERSION : 0);
    image_u32(m, p->has_pmu ? VGIC_PPI_PMU : 0);
    image_u64(m, parked ? p->base + FIRMWARE_MAILBOXES + cpu * PAGE_SIZE : 0);
    image_u64(m, p->gicv2 ? VGIC_CPU_BASE : 0);
    (void)image_take(m, 8 + 8 + 4 + 8); // GICV, GICH, maintenance, GICR: none
    image_u64(m, p->mpidr[cpu] & MPIDR_AFFINITY);
    (void)image_take(m, 4); // efficiency class, no SPE
}

static void put_gicr(struct image *m, unsigned cpus)
{
    image_u8(m, MADT_GICR);
    image_u8(m, 16);
    image_u16(m, 0);
    image_u64(m, VGIC_RDIST_BASE);
    image_u32(m, VGIC_RDIST_SIZE * cpus);
}

static uint64_t put_madt(struct image *m, const struct firmware_params *p)
{
    struct table t = begin(m, "APIC", 5);
    image_u32(m, 0); // local interrupt controllers at no one address
    image_u32(m, 0); // no flags
    put_gicd(m, p->gicv2);
    for (unsigned i = 0; i < p->config->cpus; i++) {
        put_gicc(m, p, i);
    }
    if (!p->gicv2) {
        put_gicr(m, p->config->cpus);
    }
    return end(m, t);
}

// ---- GTDT (5.2.25) ----

#define NO_FRAME  UINT64_MAX // neither CNTControlBase nor CNTReadBase
#define ALWAYS_ON BIT(2)     // level-sensitive, active high

static void put_timer(struct image *m, uint32_t gsiv)
{
    image_u32(m, gsiv);
    image_u32(m, gsiv != 0 ? ALWAYS_ON : 0);
}

// As in the device tree: the first and the fourth are of no use to a VM.
static uint64_t put_gtdt(struct image *m)
{
    struct table t = begin(m, "GTDT", 3);
    image_u64(m, NO_FRAME);
    image_u32(m, 0);
    put_timer(m, 29); // secure
    put_timer(m, VGIC_PPI_PTIMER);
    put_timer(m, VGIC_PPI_VTIMER);
    put_timer(m, 26); // EL2's
    image_u64(m, NO_FRAME);
    image_u32(m, 0); // no platform timers
    image_u32(m, 0);
    put_timer(m, 0); // EL2's virtual one
    return end(m, t);
}

// ---- SPCR (Microsoft, Serial Port Console Redirection Table, revision 4) ----

enum { SPCR_PL011 = 3, SPCR_INTERRUPT_GIC = 8, SPCR_115200 = 7, SPCR_ANSI = 3, SPCR_NAME = 88 };

// 5.2.3.2
static void put_address(struct image *m, uint64_t address)
{
    image_u8(m, 0);  // system memory
    image_u8(m, 32); // bits of a register
    image_u8(m, 0);
    image_u8(m, 3); // accessed as 32 bits
    image_u64(m, address);
}

static uint64_t put_spcr(struct image *m)
{
    static const char name[] = "\\_SB.COM0";
    struct table t = begin(m, "SPCR", 4);
    image_u8(m, SPCR_PL011);
    (void)image_take(m, 3);
    put_address(m, PL011_BASE);
    image_u8(m, SPCR_INTERRUPT_GIC);
    image_u8(m, 0); // PC-AT's IRQ
    image_u32(m, PL011_INTID);
    image_u8(m, SPCR_115200);
    image_u8(m, 0); // no parity
    image_u8(m, 1); // one stop bit
    image_u8(m, 0); // no flow control
    image_u8(m, SPCR_ANSI);
    image_u8(m, 0);       // language
    image_u16(m, 0xffff); // no PCI device
    image_u16(m, 0xffff);
    (void)image_take(m, 3 + 4 + 1); // bus, device, function; flags; segment
    image_u32(m, 0);                // clock: whatever it is
    image_u32(m, 0);                // precise baud rate: as told above
    image_u16(m, sizeof(name));
    image_u16(m, SPCR_NAME);
    image_bytes(m, name, sizeof(name));
    return end(m, t);
}

// ---- PPTT (5.2.30): one package of all CPUs, and the levels of caches that they have ----

enum { PPTT_PROCESSOR = 0, PPTT_CACHE = 1 };

#define PPTT_PACKAGE   BIT(0)
#define PPTT_ID_VALID  BIT(1)
#define PPTT_LEAF      BIT(3)
#define PPTT_IDENTICAL BIT(4) // children are alike

// Of a cache nothing is told but its type: the rest is the CPU's to say.
#define CACHE_TYPE_VALID BIT(4)
enum cache_type { CACHE_DATA = 0, CACHE_INSTRUCTION = 1 << 2, CACHE_UNIFIED = 2 << 2 };

// CLIDR_EL1.Ctype<level>
enum {
    CTYPE_NONE = 0,
    CTYPE_INSTRUCTION = 1,
    CTYPE_DATA = 2,
    CTYPE_SEPARATE = 3,
    CTYPE_UNIFIED = 4
};

#define CACHE_LEVELS 7

static unsigned ctype(uint64_t clidr, unsigned level)
{
    return (unsigned)(clidr >> 3 * (level - 1)) & 7;
}

static void put_processor(struct image *m, uint64_t flags, uint32_t parent, uint32_t id,
                          const uint32_t *caches, uint8_t count)
{
    image_u8(m, PPTT_PROCESSOR);
    image_u8(m, (uint8_t)(20 + 4 * count));
    image_u16(m, 0);
    image_u32(m, (uint32_t)flags);
    image_u32(m, parent); // its offset in the table
    image_u32(m, id);
    image_u32(m, count);
    for (uint8_t i = 0; i < count; i++) {
        image_u32(m, caches[i]);
    }
}

// Returns its offset in the table that begins at table.
static uint32_t put_cache(struct image *m, uint32_t table, enum cache_type type, uint32_t next)
{
    uint32_t at = m->used - table;
    image_u8(m, PPTT_CACHE);
    image_u8(m, 24);
    image_u16(m, 0);
    image_u32(m, CACHE_TYPE_VALID);
    image_u32(m, next);
    (void)image_take(m, 4 + 4 + 1); // size, sets, ways
    image_u8(m, (uint8_t)type);
    image_u16(m, 0); // line
    return at;
}

// The caches of one level, which lead to next; how many, at most two.
static uint8_t put_level(struct image *m, uint32_t table, unsigned type, uint32_t next,
                         uint32_t *caches)
{
    uint8_t n = 0;
    if (type == CTYPE_UNIFIED) {
        caches[n++] = put_cache(m, table, CACHE_UNIFIED, next);
    }
    if (type == CTYPE_DATA || type == CTYPE_SEPARATE) {
        caches[n++] = put_cache(m, table, CACHE_DATA, next);
    }
    if (type == CTYPE_INSTRUCTION || type == CTYPE_SEPARATE) {
        caches[n++] = put_cache(m, table, CACHE_INSTRUCTION, next);
    }
    return n;
}

// Those behind the first level: the guest is told that all its CPUs share them.
static uint32_t put_shared_levels(struct image *m, uint32_t table, uint64_t clidr)
{
    uint32_t next = 0, caches[2] = {0};
    for (unsigned level = CACHE_LEVELS; level >= 2; level--) {
        if (put_level(m, table, ctype(clidr, level), next, caches) != 0) {
            next = caches[0];
        }
    }
    return next;
}

static uint64_t put_pptt(struct image *m, const struct firmware_params *p)
{
    struct table t = begin(m, "PPTT", 2);
    uint32_t package = m->used - t.at, caches[2];
    put_processor(m, PPTT_PACKAGE | PPTT_IDENTICAL, 0, 0, NULL, 0);
    uint32_t shared = put_shared_levels(m, t.at, p->clidr);
    for (unsigned i = 0; i < p->config->cpus; i++) {
        uint8_t n = put_level(m, t.at, ctype(p->clidr, 1), shared, caches);
        put_processor(m, PPTT_ID_VALID | PPTT_LEAF, package, i, caches, n);
    }
    return end(m, t);
}

// ---- the way to them ----

// 5.2.5.3
static uint64_t put_rsdp(struct image *m, uint64_t xsdt)
{
    image_align(m, 16);
    uint32_t at = m->used;
    image_bytes(m, "RSD PTR ", 8);
    image_u8(m, 0);
    image_bytes(m, oem_id, sizeof(oem_id));
    image_u8(m, 2);
    image_u32(m, 0); // no RSDT
    image_patch(m, at + 8, image_checksum(m, at), 1);
    image_u32(m, 36);
    image_u64(m, xsdt);
    image_u32(m, 0);
    image_patch(m, at + 32, image_checksum(m, at), 1);
    return m->address + at;
}

uint64_t firmware_acpi(struct image *m, const struct firmware_params *p)
{
    const uint64_t tables[] = {
        put_fadt(m, p, put_dsdt(m, p)), put_madt(m, p), put_gtdt(m), put_spcr(m), put_pptt(m, p),
    };
    struct table xsdt = begin(m, "XSDT", 1);
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        image_u64(m, tables[i]);
    }
    return put_rsdp(m, end(m, xsdt));
}
