// SPDX-License-Identifier: Apache-2.0
// The machine from ACPI's static tables (ACPI 6.5): FADT, MADT, GTDT, SPCR. MCFG and IORT have
// nothing that Newel uses as yet.
#include "boot/acpi.h"
#include "boot/acpi_layout.h"
#include "boot/platform_build.h"
#include "lib/error.h"

#include <string.h>

#define GICD_ENTRY_SIZE 24u
#define GICR_ENTRY_SIZE 16u

// 5.2.24
#define GTDT_SIZE 80u

// SPCR, revision 2 and later (Microsoft, "Serial Port Console Redirection Table").
#define SPCR_SIZE 80u
enum {
    SPCR_16550 = 0,
    SPCR_16550_SUBSET = 1,
    SPCR_PL011 = 3,
    SPCR_SBSA_32BIT = 13,
    SPCR_SBSA = 14,
    SPCR_16550_GAS = 18,
};
#define SPCR_INTERRUPT_GIC BIT(3)

struct reader {
    struct acpi *acpi;
    struct platform *p;
    struct acpi_table madt;
};

#define fail(r, ...) complain(&(r)->acpi->complaint, __VA_ARGS__)

// A table without which Newel cannot do.
static int find_needed(struct reader *r, const char *signature, uint32_t min_size, const char *why,
                       struct acpi_table *t)
{
    int err = acpi_find(r->acpi, signature, min_size, t);
    return err == ERR_NOENT ? fail(r, "there is no %s: %s", signature, why) : err;
}

static int read_psci(struct reader *r)
{
    struct acpi_table fadt;
    int err = find_needed(r, "FACP", FADT_SIZE, "it says whether there is PSCI", &fadt);
    if (err != 0) {
        return err;
    }
    uint16_t arm = acpi_u16(&fadt, FADT_ARM_BOOT_ARCH);
    r->p->has_psci = (arm & ARM_PSCI_COMPLIANT) != 0;
    r->p->psci_hvc = (arm & ARM_PSCI_USE_HVC) != 0;
    return 0;
}

// ---- MADT ----

// Calls visit for each structure of a type; shorter ones than min_size are refused.
static int each_of(struct reader *r, uint8_t type, uint32_t min_size,
                   int (*visit)(struct reader *r, const struct acpi_table *e, void *context),
                   void *context)
{
    struct acpi_table e;
    uint32_t at = MADT_SIZE;
    int more;
    while ((more = acpi_next(r->acpi, &r->madt, &at, &e)) > 0) {
        if (acpi_u8(&e, 0) != type) {
            continue;
        }
        int err = e.size < min_size
                      ? fail(r, "APIC: a structure of type %u is %u bytes long", type, e.size)
                      : visit(r, &e, context);
        if (err != 0) {
            return err;
        }
    }
    return more;
}

static bool is_usable(const struct acpi_table *gicc)
{
    return (acpi_u32(gicc, GICC_FLAGS) & GICC_ENABLED) != 0;
}

// PSCI counts where both are there, as for Linux.
static struct cpu_start start_of(const struct reader *r, const struct acpi_table *gicc)
{
    struct cpu_start s = {.method = r->p->psci_hvc ? CPU_PSCI_HVC : CPU_PSCI_SMC,
                          .id = acpi_u32(gicc, GICC_CPU_INTERFACE),
                          .address = acpi_u64(gicc, GICC_PARKED_ADDRESS)};
    if (r->p->has_psci) {
        return s;
    }
    bool parked = acpi_u32(gicc, GICC_PARKING_VERSION) != 0 && s.address != 0 &&
                  is_aligned(s.address, PARK_PAGE_SIZE) &&
                  range_fits(s.address, PARK_PAGE_SIZE, PA_LIMIT);
    s.method = parked ? CPU_PARKED : CPU_UNKNOWN;
    return s;
}

static uint64_t mpidr_of(const struct acpi_table *gicc)
{
    return acpi_u64(gicc, GICC_MPIDR);
}

struct cpu_choice {
    uint64_t boot_mpidr;
    bool booted; // the boot CPU, or all of the others
};

static int add_cpu(struct reader *r, const struct acpi_table *gicc, void *context)
{
    const struct cpu_choice *c = context;
    uint64_t mpidr = mpidr_of(gicc);
    if (!is_usable(gicc) || (mpidr == c->boot_mpidr) != c->booted) {
        return 0;
    }
    if ((mpidr & ~MPIDR_AFFINITY) != 0) {
        return fail(r, "APIC: 0x%lx is no MPIDR affinity", (unsigned long)mpidr);
    }
    int err = platform_add_cpu(r->p, mpidr);
    if (err == 0) {
        r->p->cpu[r->p->cpu_count - 1].start = start_of(r, gicc);
        if (platform_keep_start(r->p) != 0) {
            return fail(r, "APIC: too many mailboxes");
        }
    }
    return err == ERR_EXISTS
               ? fail(r, "APIC: there are two CPUs with MPIDR 0x%lx", (unsigned long)mpidr)
               : 0;
}

static int read_cpus(struct reader *r, uint64_t boot_mpidr)
{
    struct cpu_choice c = {.boot_mpidr = boot_mpidr, .booted = true};
    int err = each_of(r, MADT_GICC, GICC_SIZE, add_cpu, &c);
    if (err == 0 && r->p->cpu_count == 0) {
        return fail(r, "APIC: the CPU that Newel booted on (MPIDR 0x%lx) is not there",
                    (unsigned long)boot_mpidr);
    }
    c.booted = false;
    return err != 0 ? err : each_of(r, MADT_GICC, GICC_SIZE, add_cpu, &c);
}

// One for all CPUs: Newel has no machine with several maintenance interrupts.
static int read_maintenance(struct reader *r, const struct acpi_table *gicc, void *context)
{
    (void)context;
    uint32_t intid = acpi_u32(gicc, 56);
    uint32_t *known = &r->p->gic.ppi.maintenance;
    if (!is_usable(gicc)) {
        return 0;
    }
    if (intid < 16 || intid > 31 || (*known != 0 && *known != intid)) {
        return fail(r,
                    "APIC: maintenance interrupt %u (it has to be private, 16 to 31, and the "
                    "same for all CPUs)",
                    intid);
    }
    *known = intid;
    return 0;
}

static int read_distributor(struct reader *r, const struct acpi_table *gicd, void *context)
{
    (void)context;
    struct gic_config *g = &r->p->gic;
    uint64_t base = acpi_u64(gicd, 8);
    uint8_t version = acpi_u8(gicd, 20);
    if (g->dist_size != 0) {
        return fail(r, "APIC: there are two distributors");
    }
    if (version == 1 || version > 4) {
        return fail(r, "APIC: no GICv3 or GICv2: the distributor's version is %u", version);
    }
    g->version = version == 4 ? 3 : version; // 0: whether there are redistributors tells
    uint64_t size = g->version == 3 ? GICD_SIZE : GICV2_DIST_SIZE;
    if (!is_aligned(base, size) || !range_fits(base, size, PA_LIMIT)) {
        return fail(r, "APIC: no distributor can be at 0x%lx", (unsigned long)base);
    }
    g->dist = hpa(base);
    g->dist_size = size;
    return 0;
}

static int add_redistributors(struct reader *r, uint64_t base, uint64_t size)
{
    struct gic_config *g = &r->p->gic;
    if (!is_aligned(base, GICD_SIZE) || size < GICR_SIZE || !range_fits(base, size, PA_LIMIT)) {
        return fail(r, "APIC: no redistributors can be at 0x%lx, 0x%lx bytes", (unsigned long)base,
                    (unsigned long)size);
    }
    if (g->rdist_count == GIC_MAX_RDIST) {
        return fail(r, "APIC: more than %d regions of redistributors", GIC_MAX_RDIST);
    }
    g->rdist[g->rdist_count].base = hpa(base);
    g->rdist[g->rdist_count++].size = size;
    return 0;
}

static int read_gicr(struct reader *r, const struct acpi_table *gicr, void *context)
{
    (void)context;
    return add_redistributors(r, acpi_u64(gicr, 4), acpi_u32(gicr, 12));
}

// Where no GICR structure says where the redistributors are, each GICC does for its own.
static int read_own_gicr(struct reader *r, const struct acpi_table *gicc, void *context)
{
    (void)context;
    struct gic_config *g = &r->p->gic;
    uint64_t base = acpi_u64(gicc, 60);
    if (!is_usable(gicc) || base == 0) {
        return 0;
    }
    for (size_t i = 0; i < g->rdist_count; i++) {
        if (ranges_overlap(g->rdist[i].base.v, g->rdist[i].size, base, GICR_SIZE)) {
            return fail(r, "APIC: two CPUs have the redistributor at 0x%lx", (unsigned long)base);
        }
        if (g->rdist[i].base.v + g->rdist[i].size == base && is_aligned(base, GICD_SIZE)) {
            g->rdist[i].size += GICR_SIZE;
            return range_fits(base, GICR_SIZE, PA_LIMIT)
                       ? 0
                       : fail(r, "APIC: no redistributors can be at 0x%lx", (unsigned long)base);
        }
    }
    return add_redistributors(r, base, GICR_SIZE);
}

static int read_redistributors(struct reader *r)
{
    int err = each_of(r, MADT_GICR, GICR_ENTRY_SIZE, read_gicr, NULL);
    if (err == 0 && r->p->gic.rdist_count == 0) {
        err = each_of(r, MADT_GICC, GICC_SIZE, read_own_gicr, NULL);
    }
    if (err == 0 && r->p->gic.rdist_count == 0 && r->p->gic.version == 3) {
        err = fail(r, "APIC: no redistributors: Newel needs them of a GICv3");
    }
    return err;
}

// Where each GICC has GICv2's frames: the same for all, as what is there is banked.
static int read_gicv2(struct reader *r, const struct acpi_table *gicc, void *context)
{
    (void)context;
    struct gic_config *g = &r->p->gic;
    const struct {
        const char *name;
        uint32_t at;
        hpa_t *base;
        uint64_t size;
    } frames[] = {
        {"CPU interface", 32, &g->cpu_interface, GICV2_CPU_SIZE},
        {"virtual CPU interface (GICV)", 40, &g->vcpu_interface, PAGE_SIZE},
        {"EL2 interface (GICH)", 48, &g->hyp_interface, PAGE_SIZE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(frames) && is_usable(gicc); i++) {
        uint64_t base = acpi_u64(gicc, frames[i].at);
        if (base == 0 || !is_aligned(base, PAGE_SIZE) ||
            !range_fits(base, frames[i].size, PA_LIMIT) ||
            (frames[i].base->v != 0 && frames[i].base->v != base)) {
            return fail(r, "APIC: no GICv2's %s can be at 0x%lx for a CPU", frames[i].name,
                        (unsigned long)base);
        }
        *frames[i].base = hpa(base);
    }
    return 0;
}

static int read_interfaces(struct reader *r)
{
    struct gic_config *g = &r->p->gic;
    int err = g->version == 2 ? 0 : read_redistributors(r);
    if (err == 0 && g->version == 0) {
        g->version = g->rdist_count != 0 ? 3 : 2;
    }
    return err == 0 && g->version == 2 ? each_of(r, MADT_GICC, GICC_SIZE, read_gicv2, NULL) : err;
}

static int read_madt(struct reader *r, uint64_t boot_mpidr)
{
    int err =
        find_needed(r, "APIC", MADT_SIZE, "it says which CPUs there are, and the GIC", &r->madt);
    err = err != 0 ? err : read_cpus(r, boot_mpidr);
    err = err != 0 ? err : each_of(r, MADT_GICD, GICD_ENTRY_SIZE, read_distributor, NULL);
    if (err == 0 && r->p->gic.dist_size == 0) {
        err = fail(r, "APIC: no distributor: Newel needs a GIC");
    }
    return err != 0 ? err : read_interfaces(r);
}

// ---- the others ----

static int read_timer(struct reader *r)
{
    struct acpi_table gtdt;
    int err = find_needed(r, "GTDT", GTDT_SIZE, "it says which interrupts the timers have", &gtdt);
    if (err != 0) {
        return err;
    }
    const struct {
        const char *name;
        uint32_t at;
        uint32_t *intid;
    } timer[] = {
        {"physical", 56, &r->p->gic.ppi.physical_timer},
        {"virtual", 64, &r->p->gic.ppi.virtual_timer},
        {"EL2 (hypervisor)", 72, &r->p->gic.ppi.el2_timer},
    };
    for (size_t i = 0; i < ARRAY_SIZE(timer); i++) {
        uint32_t intid = acpi_u32(&gtdt, timer[i].at);
        if (intid < 16 || intid > 31) {
            return fail(r, "GTDT: interrupt %u for the %s timer (it has to be private, 16 to 31)",
                        intid, timer[i].name);
        }
        *timer[i].intid = intid;
    }
    return 0;
}

static enum uart_type uart_type_of(uint8_t interface)
{
    switch (interface) {
    case SPCR_PL011:
    case SPCR_SBSA_32BIT:
    case SPCR_SBSA:
        return UART_PL011;
    case SPCR_16550:
    case SPCR_16550_SUBSET:
    case SPCR_16550_GAS:
        return UART_NS16550;
    default:
        return UART_NONE;
    }
}

// A Generic Address Structure (5.2.3.2) of registers in memory; a 16550's are as far apart as one
// is wide.
static void read_uart(struct platform *p, const struct acpi_table *spcr)
{
    enum uart_type type = uart_type_of(acpi_u8(spcr, 36));
    uint8_t space = acpi_u8(spcr, 40), width = acpi_u8(spcr, 41), access = acpi_u8(spcr, 43);
    uint64_t base = acpi_u64(spcr, 44);
    bool wide = width == 32 || access == 3;
    if (type == UART_NONE || space != 0 || base == 0 || !is_aligned(base, 4) ||
        !range_fits(base, PAGE_SIZE, PA_LIMIT)) {
        return;
    }
    p->uart.type = type;
    p->uart.base = hpa(base);
    p->uart.size = type == UART_PL011 ? PAGE_SIZE : wide ? 32 : 8;
    p->uart.reg_shift = type == UART_NS16550 && wide ? 2 : 0;
    p->uart.io_width = type == UART_NS16550 && wide ? 4 : 1;
    uint32_t intid = acpi_u32(spcr, 54);
    if ((acpi_u8(spcr, 52) & SPCR_INTERRUPT_GIC) != 0 && intid >= 32 && intid < 1020) {
        p->uart.intid = intid;
        p->uart.level = true;
    }
}

// A machine without a console that Newel knows boots all the same.
static int read_console(struct reader *r)
{
    struct acpi_table spcr;
    int err = acpi_find(r->acpi, "SPCR", SPCR_SIZE, &spcr);
    if (err == 0) {
        read_uart(r->p, &spcr);
    }
    return err == ERR_NOENT ? 0 : err;
}

int platform_add_acpi(struct acpi *acpi, uint64_t rsdp, uint64_t boot_mpidr, struct platform *p)
{
    struct reader r = {.acpi = acpi, .p = p};
    int err = acpi_open(acpi, rsdp);
    err = err != 0 ? err : read_console(&r);
    err = err != 0 ? err : read_psci(&r);
    err = err != 0 ? err : read_madt(&r, boot_mpidr & MPIDR_AFFINITY);
    err = err != 0 ? err : each_of(&r, MADT_GICC, GICC_SIZE, read_maintenance, NULL);
    err = err != 0 ? err : read_timer(&r);
    return err != 0 ? err : platform_check(p, &acpi->complaint);
}

int platform_add_acpi_cpus(struct acpi *acpi, uint64_t rsdp, uint64_t boot_mpidr,
                           struct platform *p)
{
    struct reader r = {.acpi = acpi, .p = p};
    int err = acpi_open(acpi, rsdp);
    err = err != 0 ? err : read_psci(&r);
    return err != 0 ? err : read_madt(&r, boot_mpidr & MPIDR_AFFINITY);
}
